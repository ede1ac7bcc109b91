"""Requests that would not fit a datagram (RFC 3261 §18.1.1): TCP for once, and UDP after all where TCP is refused."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import (
    ANSWER,
    BOB,
    OFFER,
    Agent,
    agent_and_far_side,
    call_to,
    field,
    has_field,
    in_dialog,
    invite_from,
    response_to,
    tag_of,
    two_agents,
    uri,
)
from tests.support.wire import Wire
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.digest import Credentials
from voipnode.sipstack.endpoint import EndpointConfig
from voipnode.sipstack.events import CallAnswered, IncomingCall, RequestFinished, SessionEnded
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.long_requests import REMEMBERED_S
from voipnode.sipstack.transport import Hop, Packet

LONG = (("X-Padding", "p" * 1300),)


def without_tcp(wire: Wire, agent: Agent, answer: bool = True) -> None:
    """The far side resets every connection; the agent's sockets tell it so at once."""
    wire.refuses = lambda packet: packet.hop.transport == "TCP"
    if answer:
        wire.refused = lambda packet: tell(wire, agent, packet)


def tell(wire: Wire, agent: Agent, packet: Packet) -> None:
    """As sockets do: in a later turn, at the same time."""
    wire.at(wire.now, lambda: agent.endpoint.send_failed(packet.transaction, wire.now, "Connection refused"))


def transports(wire: Wire, what: str) -> list[str]:
    return [rung.transport for rung in wire.ladder.pick(what, sender="alice")]


def size_of_a_short_invite() -> int:
    wire, alice, _ = two_agents()
    alice.endpoint.invite(call_to(BOB, headers=(("X-Padding", ""),)), 0.0)
    wire.run(until=0.0)
    return len(wire.ladder.pick("INVITE")[0].data)


@pytest.mark.parametrize(("over", "transport"), [(0, "UDP"), (1, "TCP")])
def test_1300_bytes_go_over_udp_and_one_more_over_tcp(over: int, transport: str) -> None:
    wire, alice, _ = two_agents()
    padding = "p" * (1300 - size_of_a_short_invite() + over)
    alice.endpoint.invite(call_to(BOB, headers=(("X-Padding", padding),)), 0.0)
    wire.run(until=0.0)
    invite = wire.ladder.pick("INVITE", sender="alice")[0]
    assert (len(invite.data), invite.transport) == (1300 + over, transport)
    assert field(invite.data, "Via").startswith(f"SIP/2.0/{transport} 192.0.2.1:5060;")
    assert invite.data.count(b"\r\nVia:") == 1


def test_the_limit_can_be_taken_away() -> None:
    wire, alice, _ = two_agents(alice=EndpointConfig(tcp_above_bytes=0))
    alice.endpoint.invite(call_to(BOB, headers=LONG), 0.0)
    wire.run(until=0.0)
    assert transports(wire, "INVITE") == ["UDP"]


def test_the_switch_is_for_one_request_alone() -> None:
    """Our Contact stays that of UDP, and what is short goes over UDP again where the far side's Contact allows it."""
    wire, alice, far = agent_and_far_side()

    def answers(data: bytes, source: Hop) -> None:
        if not data.startswith(b"ACK"):
            ok = response_to(data, "200 OK", "Contact: <sip:bob@192.0.2.2>", body=ANSWER)
            far.say(ok, source.remote, source.transport)

    far.on_message = answers
    session = alice.endpoint.invite(call_to(BOB, headers=LONG), 0.0)
    wire.run(until=1.0)
    alice.endpoint.hang_up(session, 1.0)
    wire.run(until=40.0)
    by = [(rung.what, rung.transport) for rung in wire.ladder.pick(sender="alice")]
    assert by == [("INVITE", "TCP"), ("ACK", "UDP"), ("BYE", "UDP")]
    assert field(wire.ladder[0].data, "Contact") == "<sip:alice@192.0.2.1:5060>"


def test_where_tcp_is_refused_the_same_request_goes_over_udp() -> None:
    wire, alice, bob = two_agents()
    without_tcp(wire, alice)
    bob.on_event = lambda event, now: (
        bob.endpoint.accept(event.session, ANSWER, now) if isinstance(event, IncomingCall) else None
    )
    session = alice.endpoint.invite(call_to(BOB, headers=LONG), 0.0)
    wire.run(until=1.0)
    first, second = wire.ladder.pick("INVITE", sender="alice")
    assert [(rung.at, rung.transport, rung.fate) for rung in (first, second)] == [
        (0.0, "TCP", "refused"),
        (0.0, "UDP", "sent"),
    ]
    vias = [field(rung.data, "Via") for rung in (first, second)]
    assert [via.partition(";")[0] for via in vias] == ["SIP/2.0/TCP 192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1:5060"]
    assert vias[0].partition("branch=")[2] != vias[1].partition("branch=")[2]
    for same in ("Call-ID", "CSeq", "From"):
        assert field(first.data, same) == field(second.data, same)
    assert second.data.count(b"\r\nVia:") == 1
    assert alice.one(CallAnswered).session == session
    alice.endpoint.hang_up(session, 1.0)
    wire.run(until=40.0)
    assert alice.forgot_all()


def test_where_tcp_was_refused_it_is_not_tried_again_for_ten_minutes() -> None:
    wire, alice, bob = two_agents()
    without_tcp(wire, alice)
    bob.on_event = lambda event, now: (
        bob.endpoint.accept(event.session, ANSWER, now) if isinstance(event, IncomingCall) else None
    )
    for at in (0.0, 60.0, 599.0, 601.0):
        wire.run(until=at)
        session = alice.endpoint.invite(call_to(BOB, headers=LONG), at)
        wire.run(until=at + 1.0)
        alice.endpoint.hang_up(session, at + 1.0)
    wire.run(until=700.0)
    tried = [(rung.at, rung.transport) for rung in wire.ladder.pick("INVITE", sender="alice")]
    assert tried == [(0.0, "TCP"), (0.0, "UDP"), (60.0, "UDP"), (599.0, "UDP"), (601.0, "TCP"), (601.0, "UDP")]


def test_over_udp_it_is_repeated_and_times_out_as_ever() -> None:
    wire, alice, _ = agent_and_far_side()
    without_tcp(wire, alice)
    alice.endpoint.invite(call_to(BOB, headers=LONG), 0.0)
    wire.run(until=100.0)
    assert transports(wire, "INVITE") == ["TCP"] + ["UDP"] * 7
    assert wire.ladder.times("INVITE", "alice") == [0.0, 0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert alice.when(SessionEnded) == [32.0]
    assert alice.forgot_all()


def test_where_udp_is_refused_too_the_call_is_over() -> None:
    wire, alice, _ = agent_and_far_side()
    wire.refuses = lambda packet: True
    wire.refused = lambda packet: tell(wire, alice, packet)
    alice.endpoint.invite(call_to(BOB, headers=LONG), 0.0)
    wire.run(until=100.0)
    assert transports(wire, "INVITE") == ["TCP", "UDP"]
    assert alice.when(SessionEnded) == [0.0]
    assert alice.forgot_all()


def test_a_connection_that_fails_after_a_ringing_phone_was_heard_is_a_lost_call() -> None:
    wire, alice, far = agent_and_far_side()
    far.on_message = lambda data, source: far.say(response_to(data, "180 Ringing"), source.remote, "TCP")
    session = alice.endpoint.invite(call_to(BOB, headers=LONG), 0.0)
    wire.run(until=1.0)
    alice.endpoint.hang_up(session, 1.0)  # the CANCEL has the way of its INVITE, however short it is
    without_tcp(wire, alice)
    wire.run(until=40.0)
    assert transports(wire, "CANCEL") == ["TCP", "TCP"]  # over the connection, and over a new one when that is gone
    assert transports(wire, "INVITE") == ["TCP"]


def test_an_invite_that_was_given_up_is_not_sent_again() -> None:
    wire, alice, _ = agent_and_far_side()
    without_tcp(wire, alice, answer=False)
    session = alice.endpoint.invite(call_to(BOB, headers=LONG), 0.0)
    wire.run(until=0.5)
    alice.endpoint.hang_up(session, 0.5)
    (transaction,) = alice.endpoint._core.layer._by_id
    alice.endpoint.send_failed(transaction, 1.0)
    wire.run(until=100.0)
    assert transports(wire, "INVITE") == ["TCP"]
    assert alice.forgot_all()


@pytest.mark.parametrize(("refused", "expected"), [(False, ["TCP", "TCP"]), (True, ["TCP", "UDP", "UDP"])])
def test_a_challenge_is_answered_by_the_way_it_came(refused: bool, expected: list[str]) -> None:
    wire, alice, far = agent_and_far_side()
    if refused:
        without_tcp(wire, alice)
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n"'

    def answers(data: bytes, source: Hop) -> None:
        if not has_field(data, "Authorization"):
            far.say(response_to(data, "401 Unauthorized", challenge), source.remote, source.transport)

    far.on_message = answers
    request = OutsideRequest(
        "OPTIONS",
        uri("sip:bob@192.0.2.2"),
        NameAddr.parse("<sip:alice@192.0.2.1>"),
        credentials=(Credentials("alice", "secret"),),
        headers=LONG,
    )
    alice.endpoint.request(request, 0.0)
    wire.run(until=0.1)
    assert transports(wire, "OPTIONS") == expected


def test_a_long_reinvite_and_a_long_outside_request_fall_back_too() -> None:
    wire, alice, far = agent_and_far_side()
    without_tcp(wire, alice)
    far.say(invite_from(BOB), alice.address)
    wire.run(until=0.0)
    session = alice.one(IncomingCall).session
    alice.endpoint.accept(session, ANSWER, 0.0)
    wire.run(until=0.0)
    far.say(in_dialog("ACK", tag_of(field(far.last("SIP/2.0 200"), "To")), 1), alice.address)
    wire.run(until=0.1)
    alice.endpoint.reinvite(session, OFFER + b"a=x:" + b"y" * 1300 + b"\r\n", 0.1)
    wire.run(until=0.1)
    assert transports(wire, "INVITE") == ["TCP", "UDP"]
    far.on_message = lambda data, source: far.say(response_to(data, "200 OK"), source.remote)
    request = OutsideRequest(
        "MESSAGE", uri("sip:bob@192.0.2.2"), NameAddr.parse("<sip:alice@192.0.2.1>"), body=b"m" * 1300
    )
    later = REMEMBERED_S + 1.0  # that TCP was refused is known until then
    wire.run(until=later)
    alice.endpoint.request(request, later)
    wire.run(until=later)
    assert transports(wire, "MESSAGE") == ["TCP", "UDP"]
    assert [event.status for event in alice.told(RequestFinished)] == [200]


def test_a_request_that_was_heard_of_over_tcp_is_not_sent_again_over_udp() -> None:
    wire, alice, far = agent_and_far_side()
    far.on_message = lambda data, source: far.say(response_to(data, "100 Trying"), source.remote, "TCP")
    request = OutsideRequest(
        "MESSAGE", uri("sip:bob@192.0.2.2"), NameAddr.parse("<sip:alice@192.0.2.1>"), body=b"m" * 1300
    )
    alice.endpoint.request(request, 0.0)
    wire.run(until=1.0)
    (transaction,) = alice.endpoint._core.layer._by_id
    alice.endpoint.send_failed(transaction, 1.0, "reset")
    wire.run(until=40.0)
    assert transports(wire, "MESSAGE") == ["TCP"]
    assert [event.status for event in alice.told(RequestFinished)] == [503]
