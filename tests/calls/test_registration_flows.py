"""The flow under a registration: lost, silent, seen elsewhere, or closed to us for a while."""

from __future__ import annotations

import pytest

from tests.support.registrar import DOOR, PASSWORD, PRIMARY, SECONDARY, RegisteringDoor, Registrar, account
from tests.support.sip_agents import field
from tests.support.wire import Wire
from voipnode.calls.account_settings import complete_accounts
from voipnode.calls.settings import SipSettings
from voipnode.sipstack.events import HopFailed
from voipnode.sipstack.transport import Address, Hop

NAMES = {"pbx.example": [PRIMARY], "pbx2.example": [SECONDARY]}
OUTBOUND = ("Require: outbound", "Flow-Timer: 120")
ROUTER = Address("203.0.113.7", 40000)


def doors_and_servers(
    settings: SipSettings | None = None, **more: object
) -> tuple[Wire, RegisteringDoor, Registrar, Registrar]:
    wire = Wire()
    door = RegisteringDoor(
        wire, account(secondary={"registrar": "pbx2.example"}, **more), names=NAMES, settings=settings
    )
    first = Registrar(wire, "pbx", PRIMARY, password=PASSWORD)
    return wire, door, first, Registrar(wire, "pbx2", SECONDARY, password=PASSWORD)


# ---- connections


def test_a_server_that_closes_the_connection_is_registered_at_anew_at_once() -> None:
    wire, door, first, _ = doors_and_servers(transport="tcp")
    door.start()
    wire.run(7.0)
    wire.at(7.2, lambda: wire.cut(DOOR, PRIMARY))
    wire.run(7.2)
    assert wire.ladder.times("REGISTER")[2:] == [7.2]
    assert first.knows_door()
    assert door.told[2:] == [(7.2, "registering", 503), (7.2, "registered", 200)]


def test_one_that_goes_away_with_its_connection_is_left_for_the_secondary_at_once() -> None:
    wire, door, _, second = doors_and_servers(transport="tcp")
    door.start()
    wire.run(7.0)
    wire.detach(PRIMARY)
    wire.at(7.2, lambda: wire.cut(DOOR, PRIMARY))
    wire.run(7.2)
    assert second.knows_door()
    assert door.told[2:] == [(7.2, "registering", 503), (7.2, "registered", 200)]


def test_another_connection_with_the_server_may_come_and_go() -> None:
    wire, door, first, _ = doors_and_servers(transport="tcp")
    door.start()
    wire.run(7.0)
    wire.at(7.2, lambda: door.connection_closed(Hop("TCP", PRIMARY, 77), 7.2))  # one that the server opened
    wire.run(8.0)
    assert len(first.registers) == 2
    assert door.last.state == "registered"


def test_a_connection_over_which_nobody_answers_is_closed_and_not_taken_again() -> None:
    wire = Wire()
    door = RegisteringDoor(wire, account(transport="tcp"), names=NAMES)
    first = Registrar(wire, "pbx", PRIMARY, password=PASSWORD)
    door.start()
    wire.run(7.0)
    binding = door.accounts.registrations[0].binding
    assert binding is not None
    first.lost_connection = binding.flow.connection  # a router forgot it, and tells nobody
    wire.run(14.5)
    assert door.told[2:] == [(14.5, "registering", 408), (14.5, "registered", 200)]
    now = door.accounts.registrations[0].binding
    assert now is not None
    assert now.flow.connection != binding.flow.connection


# ---- the address that the server sees


def test_behind_a_router_the_contact_is_put_right_at_once() -> None:
    wire, door, first, _ = doors_and_servers()
    first.sees = ROUTER
    door.start()
    wire.run(0.0)
    assert [field(sent, "Contact") for sent in first.registers] == [
        "<sip:door@192.168.1.10:5060>",
        "<sip:door@192.168.1.10:5060>",
        "<sip:door@203.0.113.7:40000>",
    ]
    assert b"Contact: <sip:door@192.168.1.10:5060>;expires=0\r\n" in first.registers[2]
    assert list(first.bindings) == ["sip:door@203.0.113.7:40000"]
    wire.run(100.0)
    assert len(first.registers) == 3
    assert door.told == [(0.0, "registering", 0), (0.0, "registered", 200)]


def test_a_router_that_moves_us_is_followed_as_soon_as_any_answer_tells() -> None:
    wire, door, first, _ = doors_and_servers()
    door.start()
    wire.run(7.0)
    first.sees = ROUTER
    wire.run(11.0)
    assert list(first.bindings) == ["sip:door@203.0.113.7:40000"]
    assert wire.ladder.times("REGISTER")[2:] == [10.5], "with the answer to the keep-alive"


def test_a_router_with_a_new_port_for_every_packet_does_not_have_us_register_for_ever() -> None:
    wire, door, first, _ = doors_and_servers()
    door.start()
    for step in range(300):
        first.sees = Address(ROUTER.host, 40000 + step)
        wire.run(float(step))
    assert 5 <= len(first.registers) <= 10, "once a minute"
    assert door.last.state == "registered"


# ---- pings


def test_a_server_that_keeps_flows_is_pinged_and_not_asked() -> None:
    wire, door, first, _ = doors_and_servers(transport="tcp")
    first.more = OUTBOUND
    door.start()
    wire.run(21.0)
    assert first.pings == [0.5, 5.5, 10.5, 15.5, 20.5]
    assert first.of("OPTIONS") == []


def test_a_short_flow_timer_makes_pings_more_frequent() -> None:
    wire, door, first, _ = doors_and_servers(transport="tcp", keep_alive_interval_s=60)
    first.more = ("Require: outbound", "Flow-Timer: 10")
    door.start()
    wire.run(31.0)
    assert first.pings == [0.5, 10.5, 20.5, 30.5]


def test_over_udp_it_is_stun_where_the_server_keeps_the_flow_and_only_there() -> None:
    wire, door, first, second = doors_and_servers(outbound="on")
    first.more = OUTBOUND
    second.more = ("Flow-Timer: 120",)
    door.start()
    wire.run(11.0)
    assert first.pings == [0.5, 5.5, 10.5]
    assert first.of("OPTIONS") == []
    wire.detach(PRIMARY)
    wire.run(30.0)
    assert second.knows_door()
    assert second.pings == []
    assert second.of("OPTIONS")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_missing_pong_is_a_dead_flow_and_the_secondary_has_the_door_within_10_s(transport: str) -> None:
    wire, door, first, second = doors_and_servers(transport=transport, outbound="on")
    first.more = second.more = OUTBOUND
    door.start()
    wire.run(100.5)  # just after a pong: the longest way to the next one
    first.alive = False
    wire.run(110.5)
    assert second.knows_door()
    assert door.told[2:] == [(109.5, "registering", 408), (109.5, "registered", 200)]


def test_a_server_that_says_it_answers_pings_and_does_not_is_asked_by_options() -> None:
    wire, door, first, _ = doors_and_servers(transport="tcp")
    first.more = OUTBOUND
    first.pongs = False
    door.start()
    wire.run(21.0)
    assert first.pings == [0.5]
    assert wire.ladder.times("REGISTER")[2:] == [4.5], "which shows that it lives"
    assert wire.ladder.times("OPTIONS", "door")[:2] == [9.5, 14.5]
    assert door.told == [(0.0, "registering", 0), (0.0, "registered", 200)]


def test_a_flow_that_fails_again_and_again_is_formed_anew_ever_later() -> None:
    wire = Wire()
    door = RegisteringDoor(wire, account(transport="tcp"), names=NAMES)
    first = Registrar(wire, "pbx", PRIMARY, password=PASSWORD)
    first.more = OUTBOUND
    door.start()
    for second in range(200):
        wire.run(second + 0.2)
        wire.cut(DOOR, PRIMARY)
    # Each second at first; then RFC 5626 §4.5: 20, 40, 80 s after one that never lasted.
    assert len(first.registers) < 10


# ---- accounts of one name


def test_two_accounts_of_one_name_are_told_apart() -> None:
    wire = Wire()
    one, other = complete_accounts((account(user_id="100"), account(user_id="200", password="guess")))
    door = RegisteringDoor(wire, one, other, names=NAMES)
    Registrar(wire, "pbx", PRIMARY, password=PASSWORD)
    door.start()
    wire.run(1.0)
    last = {event.id: (event.account, event.state) for event in door.changes}
    assert last == {"office": ("office", "registered"), "office#2": ("office", "problem")}
    flows = [registration.hops() for registration in door.accounts.registrations]
    assert [hop.profile for hops in flows for hop in hops] == ["office", "office#2"], "each has its TLS settings"
    assert [door.accounts.named(name).user_id for name in ("office", "office#2", "")] == ["100", "200", "100"]


# ---- a server that wants no calls for a while


def calls_fail(door: RegisteringDoor, wire: Wire, retry_after_s: int | None) -> None:
    event = HopFailed("s1", Hop("UDP", PRIMARY), "503 Full", retry_after_s)
    wire.at(wire.now, lambda: door.accounts.on_event(event, wire.now))


def test_retry_after_to_a_call_holds_the_account_off_that_server() -> None:
    wire, door, first, second = doors_and_servers(SipSettings(failback_s=10))
    door.start()
    wire.run(7.0)
    calls_fail(door, wire, 60)
    wire.run(8.0)
    assert second.knows_door()
    assert door.told[2:] == [(7.0, "registering", 503), (7.0, "registered", 200)]
    assert "wants no calls for 60 s" in door.changes[2].reason
    before = len(first.got)
    wire.run(66.9)
    assert len(first.got) == before, "left alone, though the return is due every 10 s"
    wire.run(80.0)
    assert door.last.server == "192.0.2.11:5060"


def test_where_no_other_serves_the_binding_stays_and_the_server_is_asked_nothing() -> None:
    wire = Wire()
    door = RegisteringDoor(wire, account(), names=NAMES)
    first = Registrar(wire, "pbx", PRIMARY, password=PASSWORD)
    door.start()
    wire.run(7.0)
    calls_fail(door, wire, 60)
    wire.run(66.9)
    assert wire.ladder.times("OPTIONS", "door") == [0.5, 5.5]
    assert first.knows_door()
    wire.run(68.0)
    assert wire.ladder.times("OPTIONS", "door")[2:] == [67.0]
    assert door.last.state == "registered"


def test_a_server_that_only_failed_is_asked_at_once_whether_it_lives() -> None:
    wire, door, _, _ = doors_and_servers()
    door.start()
    wire.run(7.0)
    calls_fail(door, wire, None)
    wire.run(7.0)
    assert wire.ladder.times("OPTIONS", "door") == [0.5, 5.5, 7.0]
    assert door.last.state == "registered"
