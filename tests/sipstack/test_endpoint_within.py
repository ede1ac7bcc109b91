"""What comes within a call: whose it must be, and in which order (RFC 3261 §12.2.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.sip_agents import (
    ALICE,
    ANSWER,
    BOB,
    CAROL,
    Agent,
    FarSide,
    agent_and_far_side,
    call_to,
    field,
    in_dialog,
    invite_from,
    message,
    response_to,
    status_of,
    tag_of,
    uri,
)
from tests.support.wire import Wire
from voipnode.sipstack.events import CallAnswered, IncomingCall, InfoReceived, SessionEnded
from voipnode.sipstack.transport import Address, Hop

PROXY, TWIN = BOB, Address("192.0.2.4", 5060)


def answered() -> tuple[Wire, Agent, FarSide, str]:
    """Bob called Alice; her tag."""
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept(alice.one(IncomingCall).session, ANSWER, 0.0)
    wire.run(until=0.0)
    tag = tag_of(field(far.last("SIP/2.0 200"), "To"))
    far.say(in_dialog("ACK", tag, 1), ALICE)
    wire.run(until=0.0)
    return wire, alice, far, tag


@pytest.mark.parametrize(
    ("method", "more", "status"),
    [
        ("PUBLISH", (), 405),
        ("INFO", ("Require: nonsense",), 420),
        ("NONSENSE", (), 501),
    ],
)
def test_a_request_that_is_refused_counts_in_its_dialog(method: str, more: tuple[str, ...], status: int) -> None:
    wire, alice, far, tag = answered()
    far.say(in_dialog(method, tag, 7, *more), ALICE)
    wire.run(until=0.0)
    assert status_of(far.got[-1]) == status
    far.say(in_dialog("INFO", tag, 6, body=b"Signal=1\r\n"), ALICE)
    wire.run(until=0.0)
    assert status_of(far.got[-1]) == 500  # it was overtaken
    far.say(in_dialog("INFO", tag, 8, body=b"Signal=1\r\n"), ALICE)
    wire.run(until=0.0)
    assert status_of(far.got[-1]) == 200
    alice.one(InfoReceived)


def test_a_refused_request_of_somebody_else_does_not_count() -> None:
    wire, alice, far, tag = answered()
    wire.inject(in_dialog("PUBLISH", tag, 4_000_000_000), Hop("UDP", CAROL), ALICE)
    far.say(in_dialog("INFO", tag, 2, body=b"Signal=1\r\n"), ALICE)
    wire.run(until=0.0)
    alice.one(InfoReceived)


def info_to(alice: Agent, invite: bytes, *, cseq: int = 2) -> bytes:
    """A digit from the called side, within the dialog that its answer made."""
    return message(
        "INFO sip:alice@192.0.2.1:5060 SIP/2.0",
        f"Via: SIP/2.0/UDP {BOB};branch=z9hG4bKinfo{cseq}",
        f"From: {field(invite, 'To')};tag=far",
        f"To: {field(invite, 'From')}",
        f"Call-ID: {field(invite, 'Call-ID')}",
        f"CSeq: {cseq} INFO",
        body=b"Signal=1\r\n",
        content_type="application/dtmf-relay",
    )


def called(*fields: str, name: str = "", hops: tuple[Hop, ...] = ()) -> tuple[Wire, Agent, bytes]:
    """Alice called through a proxy and was answered; her INVITE."""
    wire, alice, _ = agent_and_far_side()
    call = call_to(BOB, hops=hops)
    if name:
        call = replace(call, target=uri(f"sip:bob@{name}"))
    alice.endpoint.invite(call, 0.0)
    (invite,) = alice.outbox(0.0)
    wire.inject(response_to(invite.data, "200 OK", *fields, body=ANSWER), Hop("UDP", PROXY), ALICE)
    alice.one(CallAnswered)
    return wire, alice, invite.data


BEHIND = "Contact: <sip:bob@192.168.7.7:5060>"
ROUTED = "Record-Route: <sip:proxy.example.com;lr>"


@pytest.mark.parametrize("name", ["", "proxy.example.com"])
def test_a_call_through_a_proxy_takes_requests_from_the_proxy(name: str) -> None:
    wire, alice, invite = called(BEHIND, ROUTED, name=name)
    wire.inject(info_to(alice, invite), Hop("UDP", PROXY), ALICE)
    alice.one(InfoReceived)


@pytest.mark.parametrize("name", ["", "proxy.example.com"])
def test_and_from_nowhere_else_whatever_name_the_call_went_to(name: str) -> None:
    wire, alice, invite = called(BEHIND, ROUTED, name=name)
    for stranger in (CAROL, Address("192.168.7.7", 5060)):
        wire.inject(info_to(alice, invite, cseq=3), Hop("UDP", stranger), ALICE)
    assert alice.told(InfoReceived) == []


def test_a_call_without_record_route_takes_requests_from_the_telephone_itself() -> None:
    wire, alice, invite = called(BEHIND)
    wire.inject(info_to(alice, invite), Hop("UDP", Address("192.168.7.7", 5060)), ALICE)
    alice.one(InfoReceived)


def test_a_twin_of_the_server_may_take_over_where_the_call_could_have_gone_there() -> None:
    wire, alice, invite = called(BEHIND, ROUTED, hops=(Hop("UDP", PROXY), Hop("UDP", TWIN)))
    wire.inject(info_to(alice, invite), Hop("UDP", TWIN), ALICE)
    alice.one(InfoReceived)
    assert alice.told(SessionEnded) == []
