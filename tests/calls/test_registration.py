"""A registration's ladders: what goes out when, as the server lives, refuses, falls silent, dies and comes back."""

from __future__ import annotations

import pytest

from tests.support.registrar import DOOR, PASSWORD, PRIMARY, SECONDARY, RegisteringDoor, Registrar, account
from tests.support.sip_agents import field, response_to
from tests.support.wire import Wire
from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.registration_table import TABLE, Input, State
from voipnode.calls.settings import SipSettings
from voipnode.sipstack.transport import Address

NAMES = {"pbx.example": [PRIMARY], "pbx2.example": [SECONDARY]}
WITH_SECOND = {"secondary": {"registrar": "pbx2.example"}}


def at_one(**more: object) -> tuple[Wire, RegisteringDoor, Registrar]:
    wire = Wire()
    door = RegisteringDoor(wire, account(**more), names=NAMES)
    return wire, door, Registrar(wire, "pbx", PRIMARY, password=PASSWORD)


def at_two(settings: SipSettings | None = None, **more: object) -> tuple[Wire, RegisteringDoor, Registrar, Registrar]:
    wire = Wire()
    door = RegisteringDoor(wire, account(**WITH_SECOND, **more), names=NAMES, settings=settings)
    first = Registrar(wire, "pbx", PRIMARY, password=PASSWORD)
    return wire, door, first, Registrar(wire, "pbx2", SECONDARY, password=PASSWORD)


def test_it_registers_is_asked_for_the_password_and_tells_so() -> None:
    wire, door, pbx = at_one(caller_id="Front door", user_id="100", auth_id="door100")
    door.start()
    ladder = wire.run(0.0)
    assert ladder.messages() == [
        ("door", "REGISTER"),
        ("pbx", "401 REGISTER"),
        ("door", "REGISTER"),
        ("pbx", "200 REGISTER"),
    ]
    sent = pbx.registers[1]
    assert sent.startswith(b"REGISTER sip:pbx.example SIP/2.0\r\n"), "no user part (RFC 3261 §10.2)"
    assert field(sent, "To") == "<sip:100@pbx.example>"
    assert field(sent, "From").startswith('"Front door" <sip:100@pbx.example>;tag=')
    assert field(sent, "Contact") == "<sip:100@192.168.1.10:5060>"
    assert field(sent, "Expires") == "600"
    assert 'username="door100"' in field(sent, "Authorization")
    assert door.told == [(0.0, "registering", 0), (0.0, "registered", 200)]
    assert (door.last.server, door.last.expires_s) == ("192.0.2.11:5060", 600)


def test_it_refreshes_in_time_with_the_same_call_id_and_rising_cseq() -> None:
    wire, door, pbx = at_one()
    door.start()
    wire.run(1700.0)
    # Dice at their highest: 10 % before the 600 s are over; the nonce is known, so that one request does each time.
    assert wire.ladder.times("REGISTER") == [0.0, 0.0, 540.0, 1080.0, 1620.0]
    assert len({field(sent, "Call-ID") for sent in pbx.registers}) == 1
    assert [field(sent, "CSeq") for sent in pbx.registers] == [f"{n} REGISTER" for n in (1, 2, 3, 4, 5)]
    assert door.told == [(0.0, "registering", 0), (0.0, "registered", 200)], "a refresh is no news"


def test_between_refreshes_it_asks_whether_the_server_lives_and_any_answer_will_do() -> None:
    wire, door, _ = at_one()
    door.start()
    wire.run(21.0)
    assert wire.ladder.times("OPTIONS", "door") == [0.5, 5.5, 10.5, 15.5, 20.5]
    assert wire.ladder.pick("404 OPTIONS")
    assert door.last.state == "registered"


def test_the_granted_validity_counts_and_other_contacts_do_not() -> None:
    wire, door, pbx = at_one()
    pbx.granted_s = 60
    pbx.more = ("Contact: <sip:100@192.0.2.99>;expires=9999", "Expires: 7777")
    door.start()
    wire.run(55.0)
    assert wire.ladder.times("REGISTER") == [0.0, 0.0, 52.0]
    assert door.last.expires_s == 60


def test_423_is_answered_with_the_validity_that_the_server_wants() -> None:
    wire, door, pbx = at_one(registration_interval_s=60)
    pbx.least_s = 1800
    door.start()
    wire.run(1.0)
    assert [field(sent, "Expires") for sent in pbx.registers] == ["60", "60", "1800"]
    assert (door.last.state, door.last.expires_s) == ("registered", 1800)


def test_423_for_less_than_was_asked_for_does_not_go_on_for_ever() -> None:
    wire, door, pbx = at_one()
    pbx.answer = lambda request: response_to(request, "423 Interval Too Brief", "Min-Expires: 60")
    door.start()
    wire.run(5.0)
    assert len(pbx.registers) == 1
    assert (door.last.state, door.last.status) == ("problem", 423)


def test_a_nonce_that_ran_out_costs_one_more_request() -> None:
    wire, door, pbx = at_one()
    door.start()
    wire.at(100.0, lambda: setattr(pbx, "nonce", "nonce-2"))
    wire.run(550.0)
    assert wire.ladder.times("REGISTER") == [0.0, 0.0, 540.0, 540.0]
    assert door.last.state == "registered"


def test_a_wrong_password_is_told_in_words_and_not_hammered() -> None:
    wire, door, pbx = at_one(password="wrong", user_id="100")
    door.start()
    wire.run(3600.0)
    assert door.told == [(0.0, "registering", 0), (0.0, "problem", 401)], "told once, not at every attempt"
    assert "wrong password" in door.last.reason
    assert '"100"' in door.last.reason
    # 600, 1200, 1800 s: the server must not lock the user. Each attempt is a request and its repetition.
    assert wire.ladder.times("REGISTER") == [0.0, 0.0, 600.0, 600.0, 1800.0, 1800.0, 3600.0, 3600.0]
    pbx.password = "wrong"
    wire.run(5500.0)
    assert door.last.state == "registered", "somebody put it right at the server"


def test_a_wrong_password_is_not_tried_at_every_address_of_the_server_but_at_the_secondary() -> None:
    wire, door, first, second = at_two(password="wrong")
    other = Registrar(wire, "pbx-b", Address("192.0.2.13", 5060), password=PASSWORD)
    door.names["pbx.example"] = [PRIMARY, other.address]
    door.start()
    wire.run(1.0)
    assert [len(server.registers) for server in (first, other, second)] == [2, 0, 2]
    assert (door.last.state, door.last.status) == ("problem", 401)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [("404 Not Found", 404, "unknown user"), ("403 Forbidden", 403, "refused"), ("500 Oops", 500, "fault of its own")],
)
def test_a_refusal_is_told_in_words(answer: str, status: int, words: str) -> None:
    wire, door, pbx = at_one()
    pbx.answer = lambda request: response_to(request, answer)
    door.start()
    wire.run(1.0)
    assert (door.last.state, door.last.status) == ("problem", status)
    assert words in door.last.reason


def test_no_password_where_one_is_asked_for_is_told_so() -> None:
    wire, door, _ = at_one(password="")
    door.start()
    wire.run(1.0)
    assert door.last.status == 401


def test_a_silent_server_is_given_up_after_the_response_time_out_and_asked_again_at_growing_distances() -> None:
    wire, door, pbx = at_one()
    pbx.alive = False
    door.start()
    wire.run(200.0)
    assert wire.ladder.times("REGISTER")[:4] == [0.0, 0.5, 1.5, 3.5]
    assert door.told == [(0.0, "registering", 0), (4.0, "problem", 408)]
    assert "does not answer (192.0.2.11:5060, UDP)" in door.last.reason
    # W = 10 s * 2^failures, at its upper bound: 20, 40, 80 s after each failure (RFC 5626 §4.5).
    assert [at for at in wire.ladder.times("REGISTER") if at in (24.0, 68.0, 152.0)] == [24.0, 68.0, 152.0]
    pbx.alive = True
    wire.run(400.0)
    assert door.last.state == "registered"


def test_the_wait_is_drawn_between_half_and_all_of_the_bound() -> None:
    wire = Wire()
    door = RegisteringDoor(wire, account(), names=NAMES, chance=0.0)
    Registrar(wire, "pbx", PRIMARY).alive = False
    door.start()
    wire.run(15.0)
    assert wire.ladder.times("REGISTER")[4:] == [14.0, 14.5]


def test_few_retransmissions_give_a_server_up_sooner() -> None:
    wire, door, pbx = at_one(max_retransmissions=1)
    pbx.alive = False
    door.start()
    wire.run(10.0)
    assert wire.ladder.times("REGISTER") == [0.0, 0.5]
    assert door.last.at == 1.5


def test_a_name_that_dns_does_not_know_is_told_and_found_later() -> None:
    wire, door, _ = at_one(registrar="pbx.exmaple", domain="pbx.example")
    door.start()
    wire.run(1.0)
    assert (door.last.state, door.last.status) == ("problem", 0)
    assert '"pbx.exmaple" cannot be found' in door.last.reason
    door.names["pbx.exmaple"] = [PRIMARY]
    wire.run(30.0)
    assert door.last.state == "registered"


def test_dns_that_never_answers_does_not_stop_the_walk() -> None:
    wire, door, _, second = at_two()
    door.dns_delay_s = None
    door.start()
    wire.at(11.0, lambda: setattr(door, "dns_delay_s", 0.0))
    wire.run(60.0)
    assert door.told[1] == (20.0, "problem", 0)
    assert door.last.state == "registered"
    assert second.registers == []


def test_the_next_address_of_dns_serves_where_the_first_refuses_the_connection() -> None:
    wire, door, _ = at_one()
    door.names["pbx.example"] = [Address("192.0.2.77", 5060), PRIMARY]
    door.start()
    wire.run(0.0)
    assert [rung.receiver for rung in wire.ladder.pick("REGISTER")] == ["192.0.2.77:5060", "pbx", "pbx"]
    assert door.last.state == "registered"


def test_503_with_retry_after_is_obeyed_and_the_secondary_serves() -> None:
    wire, door, first, second = at_two(SipSettings(failback_s=10))
    first.answer = lambda request: response_to(request, "503 Full", "Retry-After: 100")
    door.start()
    wire.run(1.0)
    assert door.last.server == "192.0.2.12:5060"
    first.answer = lambda request: None
    wire.run(99.0)
    assert len(first.registers) == 1, "left alone for 100 s, though failback is due every 10 s"
    wire.run(111.0)
    assert door.last.server == "192.0.2.11:5060"
    assert not second.knows_door()


def test_a_3xx_is_followed() -> None:
    wire, door, first, second = at_two()
    first.answer = lambda request: response_to(request, "302 Moved", "Contact: <sip:192.0.2.12>")
    door.start()
    wire.run(1.0)
    assert second.knows_door()
    assert field(second.registers[0], "To") == "<sip:door@pbx.example>"


def test_two_servers_that_send_to_each_other_are_left() -> None:
    wire, door, first, second = at_two()
    first.answer = lambda request: response_to(request, "302 Moved", "Contact: <sip:192.0.2.12>")
    second.answer = lambda request: response_to(request, "302 Moved", "Contact: <sip:192.0.2.11>")
    door.start()
    wire.run(1.0)
    assert door.last.state == "problem"
    assert len(first.registers) + len(second.registers) <= 6


def test_a_server_that_dies_silently_is_noticed_and_the_secondary_has_the_door_within_10_s() -> None:
    wire, door, first, second = at_two()
    door.start()
    wire.run(100.5)  # just after the answer to a keep-alive: the longest way to the next one
    first.alive = False
    wire.run(110.5)
    assert second.knows_door()
    assert door.told[2:] == [(109.5, "registering", 408), (109.5, "registered", 200)]
    assert "secondary" in door.last.reason


def test_one_that_dies_a_second_after_it_took_the_door_is_left_as_soon() -> None:
    wire, door, first, second = at_two()
    door.start()
    wire.run(1.0)
    first.alive = False
    wire.run(11.0)
    assert second.knows_door()


def test_a_server_that_is_gone_is_left_at_the_next_keep_alive() -> None:
    wire, door, _, second = at_two()
    door.start()
    wire.run(101.0)
    wire.detach(PRIMARY)
    wire.run(110.0)
    assert second.knows_door()
    assert door.told[2:] == [(105.5, "registering", 503), (105.5, "registered", 200)]


def test_a_connection_that_is_lost_is_replaced_at_once() -> None:
    wire, door, first, _ = at_two(transport="tcp")
    door.start()
    wire.run(7.0)
    wire.at(8.0, lambda: wire.cut(DOOR, PRIMARY))
    wire.run(8.0)
    assert wire.ladder.times("REGISTER")[2:] == [8.0]
    assert first.knows_door()
    flow = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>";reg-id=1'
    assert flow in field(first.registers[-1], "Contact"), "the same flow as before (RFC 5626 §4.5)"
    assert field(first.registers[-1], "Supported") == "path, outbound"


def test_a_server_that_takes_us_and_closes_every_time_is_not_asked_in_a_loop() -> None:
    wire, door, first = at_one(transport="tcp")
    door.start()
    for second in range(100):
        wire.run(second + 0.5)
        wire.cut(DOOR, PRIMARY)
    assert len(first.registers) < 10


def test_it_returns_to_the_primary_makes_before_it_breaks_and_confirms() -> None:
    wire, door, first, second = at_two(SipSettings(failback_s=30))
    first.alive = False
    door.start()
    wire.run(10.0)
    assert door.told[-1] == (4.0, "registered", 200)
    first.alive = True
    wire.run(35.0)
    assert door.told[-1] == (34.0, "registered", 200)
    assert door.last.server == "192.0.2.11:5060"
    assert first.knows_door()
    assert not second.knows_door(), "the old binding is removed, and only after the new one is made"
    removed = next(rung.at for rung in wire.ladder.pick("REGISTER") if b"Expires: 0\r\n" in rung.data)
    assert removed == 34.0
    at_first = [rung for rung in wire.ladder.pick("REGISTER") if rung.receiver == "pbx" and rung.at == 34.0]
    assert len(at_first) == 3, "asked for the password, accepted, and confirmed after the old one is gone"


def test_servers_that_share_one_table_of_contacts_still_know_the_door_after_the_return() -> None:
    wire, door, first, second = at_two(SipSettings(failback_s=30))
    second.bindings = first.bindings
    first.alive = False
    door.start()
    wire.run(10.0)
    first.alive = True
    wire.run(100.0)
    assert door.last.server == "192.0.2.11:5060"
    assert first.knows_door()


def test_on_demand_it_registers_asks_and_returns_before_its_timers_do() -> None:
    wire, door, first, second = at_two()
    first.alive = False
    door.start()
    (registration,) = door.accounts.registrations
    wire.run(10.0)
    assert (door.last.state, door.last.server) == ("registered", "192.0.2.12:5060")
    count = len(second.registers)
    wire.at(10.1, lambda: registration.refresh(wire.now))
    wire.at(10.2, lambda: registration.probe(wire.now))
    wire.run(10.3)
    assert len(second.registers) == count + 1
    assert wire.ladder.times("OPTIONS", "door")[-1] == 10.2
    first.alive = True
    wire.at(11.0, lambda: registration.fail_back(wire.now))
    wire.at(11.5, lambda: registration.fail_back(wire.now))
    wire.run(12.0)
    assert (door.last.at, door.last.server) == (11.0, "192.0.2.11:5060")
    assert len(wire.ladder.pick("200 REGISTER")) == 5, "the second twice; the first, off the second, the first"


def test_on_demand_the_wait_after_an_attempt_in_vain_is_over() -> None:
    wire, door, pbx = at_one()
    pbx.alive = False
    door.start()
    wire.run(6.0)
    assert door.last.state == "problem"
    pbx.alive = True
    wire.at(7.0, lambda: door.accounts.refresh("office", wire.now))
    wire.run(8.0)
    assert (door.last.at, door.last.state) == (7.0, "registered")
    assert [at for at in wire.ladder.times("REGISTER") if at > 4.0] == [7.0, 7.0]


def test_while_the_primary_stays_away_the_secondary_keeps_the_door() -> None:
    wire, door, first, second = at_two(SipSettings(failback_s=30))
    first.alive = False
    door.start()
    for until in range(5, 300, 5):
        wire.run(float(until))
        assert second.knows_door()
    assert door.told[2:] == [], "trying the primary is no news"


def test_a_primary_that_dies_soon_after_each_return_is_returned_to_ever_later() -> None:
    wire, door, first, _ = at_two(SipSettings(failback_s=10))
    door.start()
    wire.run(10.0)
    returns: list[float] = []
    for _ in range(5):
        first.alive = False
        wire.run(wire.now + 10.0)
        assert door.last.server == "192.0.2.12:5060"
        first.alive, left_at = True, door.last.at
        while door.last.server != "192.0.2.11:5060":
            wire.run(wire.now + 1.0)
        returns.append(round(door.last.at - left_at))
        wire.run(wire.now + 20.0)
    assert returns == [10, 20, 40, 80, 160]


def test_the_secondary_dying_while_the_primary_is_asked_leaves_no_gap_in_the_search() -> None:
    wire, door, first, second = at_two(SipSettings(failback_s=30), keep_alive_interval_s=4)
    first.alive = False
    door.start()
    wire.run(32.5)
    second.alive = False  # noticed at 36 + 4 s, while the primary was asked from 34 to 38 s
    wire.at(37.0, lambda: setattr(first, "alive", True))
    wire.run(60.0)
    assert door.last.server == "192.0.2.11:5060"


def test_a_server_that_never_answers_options_is_kept_alive_by_register() -> None:
    wire, door, pbx = at_one()
    deaf = pbx.receive
    pbx.receive = lambda data, source, now: None if data.startswith(b"OPTIONS") else deaf(data, source, now)  # type: ignore[method-assign]  # this one server is deaf to OPTIONS
    door.start()
    wire.run(300.0)
    assert door.told == [(0.0, "registering", 0), (0.0, "registered", 200)]
    asked = wire.ladder.times("REGISTER")
    assert asked[2:5] == [4.5, 34.5, 64.5]
    pbx.alive = False
    wire.run(340.0)
    assert door.last.state == "problem"


def test_a_changed_address_is_registered_and_the_old_contact_removed() -> None:
    wire, door, pbx = at_one()
    door.start()
    wire.run(7.0)
    door.address = Address("203.0.113.7", 40000)
    wire.run(11.0)
    assert list(pbx.bindings) == ["sip:door@203.0.113.7:40000"]
    assert wire.ladder.times("REGISTER")[2:] == [10.5]


def test_service_route_is_kept_in_its_order_until_the_next_answer() -> None:
    wire, door, pbx = at_one()
    pbx.more = ("Service-Route: <sip:edge.example;lr>, <sip:home.example;lr>",)
    door.start()
    wire.run(1.0)
    binding = door.accounts.registrations[0].binding
    assert binding is not None
    assert binding.granted.service_route == ("<sip:edge.example;lr>", "<sip:home.example;lr>")
    pbx.more = ()
    wire.run(541.0)
    assert binding.granted.service_route == ()


def test_proxies_are_passed_in_order_with_their_own_passwords() -> None:
    proxies = [{"address": "192.0.2.11:5060", "user": "edge", "password": "edgepw"}, {"address": "inner.example"}]
    wire, door, proxy = at_one(registrar="pbx.far.example", proxies=proxies)
    proxy.password = ""
    door.start()
    wire.run(0.0)
    sent = proxy.registers[0]
    assert sent.startswith(b"REGISTER sip:pbx.far.example SIP/2.0")
    assert field(sent, "Route") == "<sip:192.0.2.11:5060;lr>"
    assert b"Route: <sip:inner.example;lr>\r\n" in sent or b"Route: <sip:192.0.2.11:5060;lr>, <sip:inner" in sent


def test_behind_a_proxy_an_answer_that_the_server_is_dead_counts_as_dead() -> None:
    wire, door, proxy = at_one(registrar="pbx.far.example", proxies=[{"address": "192.0.2.11"}])
    proxy.password = ""
    door.start()
    wire.run(7.0)
    proxy.answer = lambda request: response_to(request, "504 Gateway Time-out")
    wire.run(20.0)
    assert (door.last.state, door.last.status) == ("problem", 504)


def test_stopping_removes_the_binding_within_a_second() -> None:
    wire, door, pbx = at_one()
    door.start()
    wire.run(7.0)
    wire.at(8.0, lambda: door.accounts.stop(8.0))
    wire.run(8.0)
    assert not pbx.knows_door()
    assert door.accounts.stopped
    assert door.last.state == "unregistered"
    assert door.endpoint.counts()["outside"] == 0


def test_stopping_at_a_dead_server_takes_no_longer_than_a_second() -> None:
    wire, door, pbx = at_one()
    door.start()
    wire.run(7.0)
    pbx.alive = False
    wire.at(8.0, lambda: door.accounts.stop(8.0))
    wire.run(8.9)
    assert not door.accounts.stopped
    wire.run(9.0)
    assert door.accounts.stopped
    wire.run(60.0)
    assert door.next_deadline() is None


def test_stopping_while_a_register_is_under_way_leaves_no_binding_behind() -> None:
    wire, door, pbx = at_one()
    pbx.alive = False
    door.start()
    wire.at(0.2, lambda: door.accounts.stop(0.2))
    wire.at(0.3, lambda: setattr(pbx, "alive", True))
    wire.run(40.0)
    assert len(pbx.registers) >= 2
    assert not pbx.knows_door()
    assert door.accounts.stopped


def test_stopping_ends_the_walk() -> None:
    wire, door, first, second = at_two()
    first.alive = False
    first.answer = lambda request: response_to(request, "500 Oops")
    door.start()
    wire.at(0.2, lambda: door.accounts.stop(0.2))
    wire.at(0.3, lambda: setattr(first, "alive", True))
    wire.run(40.0)
    assert first.registers
    assert second.registers == []
    assert door.accounts.stopped


def test_an_account_without_server_says_so_and_a_peer_to_peer_one_does_not_register() -> None:
    wire = Wire()
    nowhere = AccountSettings(name="nowhere", type="registered")
    door = RegisteringDoor(wire, AccountSettings(name="lan"), nowhere)
    door.start()
    assert [(event.account, event.state, event.status, event.reason) for event in door.changes] == [
        ("lan", "unregistered", 0, "Does not register"),
        ("nowhere", "problem", 0, "does not register: neither registrar nor domain is set"),
    ]
    wire.run(100.0)
    assert wire.ladder == []


def test_the_table_names_every_state_and_leaves_no_way_without_end() -> None:
    assert {state for state, _ in TABLE} == set(State)
    assert {happened for _, happened in TABLE} == set(Input)
    for state in set(State) - {State.STOPPED, State.LEAVING}:
        assert TABLE[state, Input.STOP][0] in (State.LEAVING, State.STOPPED)
