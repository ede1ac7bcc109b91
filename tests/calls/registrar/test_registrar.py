"""REGISTER at the node, clause by clause (RFC 3261 §10.3, RFC 3327, RFC 5626 §6), and who is reached by it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.extensions import OUTBOUND, Memory, Telephone, contacts_of, expires_of, extension
from tests.support.sip_agents import FarSide, field, has_field, message, status_of
from tests.support.switchboard import DOOR, Switchboard, answers, rings
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import ExtensionChanged, Problem
from voipnode.calls.registrar.settings import RegistrarSettings
from voipnode.calls.settings import SipSettings
from voipnode.sipstack import events as sip
from voipnode.sipstack.digest import Credentials, DigestSession
from voipnode.sipstack.message import Response, parse_message
from voipnode.sipstack.transport import Address, Hop

INSTANCE = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'
ANNA, BEN = "192.168.1.20", "192.168.1.21"


def board(
    *numbers: str, memory: Memory | None = None, registrar: dict[str, Any] | None = None, **more: Any
) -> Switchboard:
    settings = SipSettings(registrar=RegistrarSettings(**(registrar or {})))
    extensions = tuple(extension(number, **more) for number in numbers or ("101", "102"))
    return Switchboard(extensions=extensions, memory=memory, settings=settings)


def changes(house: Switchboard) -> list[tuple[str, list[str]]]:
    """Of each ExtensionChanged the number and where its devices are."""
    return [
        (event.number, [device["address"] for device in event.devices])
        for event in house.events
        if isinstance(event, ExtensionChanged)
    ]


def hops(house: Switchboard, number: str) -> list[Hop]:
    return [way.hops[0] for way in house.switch.registrar.ways_to(number)]


# ---- who may


def test_without_extensions_there_is_no_registrar() -> None:
    house = Switchboard()
    answer = Telephone(house, "101", ANNA).register()
    assert (answer.status, "REGISTER" in (answer.headers.get("Allow") or "")) == (405, False)


def test_a_telephone_registers_with_its_password() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    answer = anna.register()
    assert house.wire.ladder.messages() == [
        (anna.name, "REGISTER"),
        ("door", "401 REGISTER"),
        (anna.name, "REGISTER"),
        ("door", "200 REGISTER"),
    ]
    assert (contacts_of(answer), expires_of(answer)) == ([f"sip:101@{ANNA}"], [600])
    assert answer.headers.get("Date") == "Sun, 22 Nov 2026 00:00:00 GMT"
    assert not {"Record-Route", "Service-Route", "Require", "Flow-Timer"} & {name for name, _ in answer.headers.items()}
    assert changes(house) == [("101", [f"{ANNA}:5060"])]
    house.wire.run(40.0)
    assert house.endpoint.counts()["transactions"] == 0


@pytest.mark.parametrize(
    ("number", "password", "user"),
    [("101", "wrong battery", "101"), ("999", "correct horse", "999"), ("999", "correct horse", "101")],
)
def test_who_has_no_password_hears_the_same_whoever_he_says_he_is(number: str, password: str, user: str) -> None:
    house = board()
    answer = Telephone(house, number, ANNA, password=password).register(user=user)
    assert (answer.status, "stale" in (answer.headers.get("WWW-Authenticate") or "")) == (401, False)
    assert changes(house) == []


def test_nobody_registers_for_somebody_else() -> None:
    house = board()
    assert Telephone(house, "102", BEN).register(user="101").status == 403
    assert hops(house, "101") == []


def test_from_outside_nothing_is_answered() -> None:
    house = board()
    stranger = Telephone(house, "101", "203.0.113.5")
    with pytest.raises(ValueError, match="not enough values"):
        stranger.register()
    assert house.wire.ladder.pick(sender="door") == []


# ---- what is bound (§10.3 steps 6 to 8)


def test_a_refresh_is_told_to_nobody_and_prolongs() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    anna.register(expires=60)
    house.wire.run(50.0)
    anna.register(expires=60)
    house.wire.run(100.0)
    assert len(hops(house, "101")) == 1
    house.wire.run(111.1)
    assert hops(house, "101") == []
    assert changes(house) == [("101", [f"{ANNA}:5060"]), ("101", [])]


def test_a_telephone_leaves() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    anna.register()
    assert contacts_of(anna.register(expires=0)) == []
    assert changes(house)[-1] == ("101", [])


def test_several_telephones_of_one_extension_are_listed_newest_first() -> None:
    house = board()
    Telephone(house, "101", ANNA).register()
    answer = Telephone(house, "101", BEN).register(expires=300)
    assert (contacts_of(answer), expires_of(answer)) == ([f"sip:101@{BEN}", f"sip:101@{ANNA}"], [300, 599])
    assert hops(house, "101") == [Hop("UDP", Address(BEN, 5060)), Hop("UDP", Address(ANNA, 5060))]


def test_a_question_changes_nothing() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    anna.register()
    assert contacts_of(anna.register("", expires=None)) == [f"sip:101@{ANNA}"]


def test_all_at_once_with_a_star() -> None:
    house = board()
    Telephone(house, "101", ANNA).register()
    ben = Telephone(house, "101", BEN)
    assert ben.register("*", expires=60).status == 400
    assert ben.register("*", expires=None).status == 400
    assert len(hops(house, "101")) == 1
    answer = ben.register("*", expires=0)
    assert (answer.status, contacts_of(answer)) == (200, [])
    assert hops(house, "101") == []


@pytest.mark.parametrize(
    ("asked", "status", "granted"),
    [(59, 423, []), (1, 423, []), (60, 200, [60]), (3600, 200, [3600]), (86_400, 200, [3600]), (None, 200, [3600])],
)
def test_how_long_is_within_limits(asked: int | None, status: int, granted: list[int]) -> None:
    answer = Telephone(board(), "101", ANNA).register(expires=asked)
    assert (answer.status, expires_of(answer) if status == 200 else []) == (status, granted)
    assert answer.headers.get("Min-Expires") == ("60" if status == 423 else None)


def test_the_contacts_own_time_comes_before_the_requests() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    assert expires_of(anna.register(anna.contact(expires=120), expires=600)) == [120]
    assert expires_of(anna.register(f"{anna.contact()};expires=soon", expires=600)) == [3600]  # §10.2.1.1


def test_a_minimum_above_an_hour_refuses_nobody_who_asks_for_an_hour() -> None:
    house = board(registrar={"min_expires_s": 3600, "max_expires_s": 7200})
    anna = Telephone(house, "101", ANNA)
    assert anna.register(expires=3599).status == 423
    assert expires_of(anna.register(expires=3600)) == [3600]


def test_what_was_said_earlier_does_not_undo_what_was_said_later() -> None:
    """Same Call-ID, a CSeq that is not higher: the request fails, and nothing of it is done."""
    house = board()
    anna = Telephone(house, "101", ANNA)
    anna.register()
    anna.series.cseq -= 2
    answer = anna.register(anna.contact(expires=0), "<sip:101@192.168.1.99>")
    assert answer.status == 500
    assert hops(house, "101") == [Hop("UDP", Address(ANNA, 5060))]
    anna.series.cseq += 2
    assert anna.register("*", expires=0).status == 200


def test_with_another_call_id_the_order_is_not_asked_for() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    anna.register()
    anna.series = anna.endpoint.series(anna.credentials)  # the telephone was switched off and on
    assert contacts_of(anna.register(expires=0)) == []


def test_all_or_nothing() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    assert anna.register(anna.contact(), "<sip:101@192.168.1.99>;expires=5").status == 423
    assert hops(house, "101") == []


def test_one_telephone_too_many_is_refused_and_one_that_moved_is_not() -> None:
    house = board(max_devices=2)
    anna, ben = Telephone(house, "101", ANNA), Telephone(house, "101", BEN)
    anna.register()
    ben.register()
    refused = Telephone(house, "101", "192.168.1.22").register()
    assert refused.status == 403
    assert refused.headers.get("Warning") == '399 voipnode "2 devices may register here"'
    moved = anna.register("<sip:101@192.168.1.20:5070>")  # by its Call-ID it is the same telephone
    assert contacts_of(moved) == ["sip:101@192.168.1.20:5070", f"sip:101@{BEN}"]


@pytest.mark.parametrize(
    "contact",
    [
        "<tel:+43123>",
        f"<sip:101@{ANNA};{'x' * 800}>",
        ", ".join(f"<sip:101@192.168.1.{number}>" for number in range(1, 18)),
    ],
)
def test_what_cannot_be_bound(contact: str) -> None:
    house = board()
    assert Telephone(house, "101", ANNA).register(contact).status == 400
    assert hops(house, "101") == []


def test_a_registrar_requires_what_it_knows() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    assert anna.register(headers=(("Require", "path, outbound"),)).status == 200
    refused = anna.register(headers=(("Require", "gruu"),))
    assert (refused.status, refused.headers.get("Unsupported")) == (420, "gruu")


# ---- Path (RFC 3327) and outbound (RFC 5626)


def test_a_path_is_kept_told_and_gone_along() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    path = (("Path", "<sip:edge.example;lr>, <sip:inner@192.168.1.5;lr>"), ("Supported", "path"))
    answer = anna.register(headers=path)
    assert [value for _, value in path[:1]] == [", ".join(answer.headers.get_all("Path"))]
    (way,) = house.switch.registrar.ways_to("101")
    assert way.routes == ("<sip:edge.example;lr>", "<sip:inner@192.168.1.5;lr>")


def test_a_path_that_the_telephone_knows_nothing_of_is_refused() -> None:
    answer = Telephone(board(), "101", ANNA).register(headers=(("Path", "<sip:edge.example;lr>"),))
    assert (answer.status, answer.headers.get("Unsupported")) == (420, "path")


def test_a_flow_is_bound_by_instance_and_number_and_not_by_address() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    answer = anna.register(anna.contact(params=f"{INSTANCE};reg-id=1"), headers=OUTBOUND)
    assert (answer.headers.get("Require"), answer.headers.get("Flow-Timer")) == ("outbound", "25")
    answer = anna.register(f"<sip:101@{ANNA}:5070>{INSTANCE};reg-id=1", headers=OUTBOUND)
    assert contacts_of(answer) == [f"sip:101@{ANNA}:5070"]
    assert 'sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>";reg-id=1' in (
        answer.headers.get("Contact") or ""
    )


def test_of_two_flows_of_one_telephone_the_newest_rings_and_the_other_stands_by() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    for number in (1, 2):
        anna.register(f"<sip:101@{ANNA}:507{number}>{INSTANCE};reg-id={number}", headers=OUTBOUND)
    (way,) = house.switch.registrar.ways_to("101")
    assert way.hops == (Hop("UDP", Address(ANNA, 5072)),)
    assert [detour.hops for detour in way.detours] == [(Hop("UDP", Address(ANNA, 5071)),)]


@pytest.mark.parametrize(
    ("params", "headers", "status"),
    [
        (f"{INSTANCE};reg-id=1", (), 200),  # it does not say that it can: the reg-id is nothing
        (";reg-id=1", OUTBOUND, 200),  # without an instance, too
        (INSTANCE, OUTBOUND, 200),
    ],
)
def test_where_outbound_is_not_applied_it_is_not_promised(params: str, headers: Any, status: int) -> None:
    anna = Telephone(board(), "101", ANNA)
    answer = anna.register(anna.contact(params=params), headers=headers)
    assert (answer.status, answer.headers.get("Require")) == (status, None)


def test_two_flows_in_one_request_are_one_too_many() -> None:
    anna = Telephone(board(), "101", ANNA)
    flows = [f"<sip:101@{ANNA}:507{number}>{INSTANCE};reg-id={number}" for number in (1, 2)]
    assert anna.register(*flows, headers=OUTBOUND).status == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [("<sip:edge@192.168.1.5;lr>", 439), ("<sip:edge@192.168.1.5;lr;ob>", 200), ("", 439)],
)
def test_a_first_hop_without_outbound_is_named_as_the_one_that_lacks_it(path: str, status: int) -> None:
    """RFC 5626 §6: there are two Vias, so that somebody stands between; his Path says whether he keeps flows."""
    house = board()
    edge = FarSide(Address("192.168.1.5", 5060))
    house.wire.attach("edge", edge.address, edge)
    client = DigestSession((Credentials("101", "correct horse"),))
    proof: list[tuple[str, str]] = []
    for number in (1, 2):
        edge.say(through_edge(number, path, *(f"{name}: {value}" for name, value in proof)), DOOR)
        house.wire.run(house.wire.now + 0.1)
        challenge = parse_message(edge.got[-1])
        if number == 1:
            assert isinstance(challenge, Response)
            asked = [("WWW-Authenticate", challenge.headers.get("WWW-Authenticate") or "")]
            proof = list(client.respond(asked, method="REGISTER", uri="sip:192.168.1.10", cnonce="c"))
    assert status_of(edge.got[-1]) == status
    assert has_field(edge.got[-1], "Flow-Timer") is False, "the edge has its own with the telephone"
    if status == 200:
        assert (field(edge.got[-1], "Require"), field(edge.got[-1], "Path")) == ("outbound", path)
        assert hops(house, "101") == [Hop("UDP", edge.address)]


def through_edge(number: int, path: str, *more: str) -> bytes:
    """A REGISTER as a proxy sends it on."""
    return message(
        "REGISTER sip:192.168.1.10 SIP/2.0",
        f"Via: SIP/2.0/UDP 192.168.1.5;branch=z9hG4bKedge{number}",
        f"Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKphone{number}",
        "From: <sip:101@192.168.1.10>;tag=x",
        "To: <sip:101@192.168.1.10>",
        "Call-ID: edge",
        f"CSeq: {number} REGISTER",
        "Max-Forwards: 69",
        f"Contact: <sip:101@10.0.0.7>{INSTANCE};reg-id=1",
        "Supported: path, outbound",
        *((f"Path: {path}",) if path else ()),
        *more,
    )


# ---- where a telephone is


@pytest.mark.parametrize(
    ("contact", "port"),
    [
        ("sip:101@172.17.0.2:5099", 5060),  # behind a NAT: where its REGISTER came from
        ("sip:101@8.8.8.8", 5060),  # an address that nobody has proven to be his
        ("sip:101@phone.invalid", 5060),
        ("sip:101@192.168.1.20:5099", 5099),  # it listens at another port than it sends from
        ("sip:101@192.168.1.20:5099;transport=sctp", 5060),
        ("sip:101@192.168.1.20:5099;transport=tcp", 5060),
    ],
)
def test_a_telephone_is_where_its_register_came_from(contact: str, port: int) -> None:
    house = board()
    Telephone(house, "101", ANNA).register(f"<{contact}>")
    assert hops(house, "101") == [Hop("UDP", Address(ANNA, port))]


def test_a_telephone_behind_a_nat_is_called_and_spoken_with_where_it_is_seen() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA, plan=answers)
    anna.register("<sip:101@172.17.0.2:5099>")
    house.switch.ring(house.switch.registrar.reach("101"), house.wire.now, authorised=True)
    house.wire.flush()
    house.wire.run(5.0)
    assert house.states[-1] == "Active"
    for session in anna.of(sip.IncomingCall):
        anna.endpoint.hang_up(session.session, house.wire.now)
    house.wire.flush()
    house.wire.run(6.0)
    door = [rung for rung in house.wire.ladder.pick(sender="door") if rung.what in ("INVITE", "ACK")]
    assert [(rung.what, rung.receiver) for rung in door] == [("INVITE", anna.name), ("ACK", anna.name)]
    assert door[0].data.startswith(b"INVITE sip:101@172.17.0.2:5099 SIP/2.0\r\n")


def test_over_a_connection_a_telephone_is_reached_by_it_and_gone_with_it() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA, transport="TCP")
    answer = anna.register(anna.contact(params=f"{INSTANCE};reg-id=1"), headers=OUTBOUND)
    assert answer.headers.get("Flow-Timer") == "120"
    (hop,) = hops(house, "101")
    assert (hop.transport, hop.connection is not None) == ("TCP", True)
    house.wire.cut(DOOR, anna.address)
    assert hops(house, "101") == []
    assert changes(house)[-1] == ("101", [])
    bindings = house.switch.registrar.bindings
    assert (len(bindings._by_connection), len(bindings._by_host)) == (0, 0)


def test_over_a_connection_that_nobody_keeps_alive_a_telephone_registers_more_often() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA, transport="TCP")
    assert expires_of(anna.register(expires=3600)) == [540]
    answer = anna.register(anna.contact(params=f"{INSTANCE};reg-id=1"), expires=3600, headers=OUTBOUND)
    assert max(expires_of(answer)) == 3600


def test_over_a_new_connection_the_flow_is_the_new_one() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA, transport="TCP")
    flow = anna.contact(params=f"{INSTANCE};reg-id=1")
    anna.register(flow, headers=OUTBOUND)
    (before,) = hops(house, "101")
    ben = Telephone(house, "101", BEN, transport="TCP")  # the same telephone in another network
    ben.register(flow, headers=OUTBOUND)
    (after,) = hops(house, "101")
    assert (before.remote.host, after.remote.host) == (ANNA, BEN)
    house.wire.cut(DOOR, anna.address)
    assert hops(house, "101") == [after]


# ---- what is remembered


def test_after_a_restart_telephones_are_where_they_were() -> None:
    memory = Memory()
    house = board(memory=memory)
    Telephone(house, "101", ANNA).register(expires=600)
    Telephone(house, "102", BEN, transport="TCP").register()
    assert list(memory.records) == ["101"], "a connection does not outlive its node"
    again = board(memory=memory)
    asyncio.run(again.switch.registrar.restore(lambda: 0.0))
    assert hops(again, "101") == [Hop("UDP", Address(ANNA, 5060))]
    assert hops(again, "102") == []
    again.wire.run(599.0)
    assert len(hops(again, "101")) == 1
    again.wire.run(602.0)
    assert hops(again, "101") == []
    assert memory.records["101"] == []


def test_what_cannot_be_read_and_whom_nobody_knows_any_more_is_left_out() -> None:
    memory = Memory()
    Telephone(board(memory=memory), "101", ANNA).register()
    good = memory.records["101"][0]
    memory.records = {
        "101": [{**good, "source": ["UDP"]}, {**good, "uri": "tel:1"}, {}, {**good, "expires_utc_s": "x"}, good],
        "777": [good],
    }
    again = board(memory=memory)
    asyncio.run(again.switch.registrar.restore(lambda: 0.0))
    assert hops(again, "101") == [Hop("UDP", Address(ANNA, 5060))]
    assert memory.records["777"] == []
    assert [event for event in again.events if isinstance(event, Problem)] == []


# ---- whom the door calls


def test_who_has_no_telephone_or_wants_none_to_ring_is_said() -> None:
    house = board("101", do_not_disturb=False)
    with pytest.raises(NotNowError, match='"101" has no telephone'):
        house.switch.registrar.reach("101")
    quiet = board("101", do_not_disturb=True)
    Telephone(quiet, "101", ANNA).register()
    with pytest.raises(NotNowError, match="disturbed"):
        quiet.switch.registrar.reach("101")


def test_all_telephones_of_an_extension_ring_and_the_first_to_answer_has_the_door() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA, plan=rings)
    ben = Telephone(house, "101", BEN, plan=answers)
    anna.register()
    ben.register()
    house.switch.ring(house.switch.registrar.reach("101"), house.wire.now, authorised=True)
    house.wire.flush()
    house.wire.run(5.0)
    assert house.states[-1] == "Active"
    assert [event.cause for event in anna.of(sip.SessionEnded)] == [sip.EndCause.CANCELLED]
    assert house.switch.calls[0].account.id == "extension 101"


# ---- behind a NAT


def test_a_nat_is_kept_from_forgetting_a_telephone() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    Telephone(house, "102", BEN).register()
    anna.register("<sip:101@172.17.0.2:5099>")
    house.wire.run(100.0)
    asked = [(rung.at, rung.receiver, rung.data.split(b" ", 2)[1]) for rung in house.wire.ladder.pick("OPTIONS")]
    assert asked == [(at, anna.name, b"sip:101@172.17.0.2:5099") for at in (26.0, 51.0, 76.0)]
    anna.register("<sip:101@172.17.0.2:5099>", expires=0)
    house.wire.run(200.0)
    assert len(house.wire.ladder.pick("OPTIONS")) == 3
    assert house.endpoint.counts()["outside"] == 0


@pytest.mark.parametrize(
    ("contact", "interval_s"),
    [
        ("<sip:101@172.17.0.2:5099>", 0),
        (f"<sip:101@172.17.0.2:5099>{INSTANCE};reg-id=1", 25),
        (f"<sip:101@{ANNA}>", 25),
    ],
)
def test_who_needs_no_keep_alive_gets_none(contact: str, interval_s: int) -> None:
    house = board(registrar={"nat_keep_alive_s": interval_s})
    Telephone(house, "101", ANNA).register(contact, headers=OUTBOUND)
    house.wire.run(100.0)
    assert house.wire.ladder.pick("OPTIONS") == []


def test_who_calls_from_behind_a_nat_is_hung_up_where_he_is_seen() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    inside = Address("172.17.0.2", 5099)
    anna.endpoint._core.own_addresses._local = lambda hop: inside  # what it knows of itself
    anna.call_as("door")
    house.wire.run(1.0)
    (call,) = house.switch.calls
    house.switch.answer(call.id, house.wire.now)
    house.wire.run(2.0)
    invite = house.wire.ladder.pick("INVITE")[-1].data
    assert b"Contact: <sip:101@172.17.0.2:5099>" in invite
    house.switch.hang_up(call.id, house.wire.now)
    house.wire.run(3.0)
    (bye,) = house.wire.ladder.pick("BYE")
    assert (bye.receiver, bye.data.split(b" ", 2)[1]) == (anna.name, b"sip:101@172.17.0.2:5099")
    assert house.switch.calls == ()
