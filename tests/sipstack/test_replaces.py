"""INVITE with Replaces: which call it means, and when it is refused (RFC 3891 §3). Reasons that ends are given."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import (
    ALICE,
    ANSWER,
    BOB,
    CAROL,
    OFFER,
    Agent,
    FarSide,
    agent_and_far_side,
    call_to,
    field,
    in_dialog,
    invite_from,
    response_to,
    tag_of,
    uri,
)
from tests.support.wire import Wire
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.events import CallAnswered, IncomingCall, SessionEnded
from voipnode.sipstack.reason_field import Reason
from voipnode.sipstack.replaces import Replaces, referring_to, replaces_in


def replacing(*replaces: str, number: int = 1) -> bytes:
    """An INVITE with these Replaces fields."""
    data = invite_from(BOB, call_id=f"new{number}", branch=f"z9hG4bKnew{number}", extra=replaces)
    return data.replace(b"tag=far-tag", b"tag=new-tag")


def called() -> tuple[Wire, Agent, FarSide, str, str]:
    """Alice called the far side, which answered: her name for the call, and the Replaces that means it."""
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("INVITE"), "200 OK", f"Contact: <sip:bob@{BOB}>", body=ANSWER), ALICE)
    wire.run(until=0.0)
    alice.one(CallAnswered)
    return wire, alice, far, session, _replaces(far)


def _replaces(far: FarSide) -> str:
    invite = far.last("INVITE")
    return f"Replaces: {field(invite, 'Call-ID')};to-tag={tag_of(field(invite, 'From'))};from-tag=far"


def test_an_answered_call_is_found_by_its_tags() -> None:
    wire, alice, far, session, replaces = called()
    far.say(replacing(replaces), ALICE)
    wire.run(until=0.0)
    found = alice.one(IncomingCall).replaces
    assert found is not None
    assert (found.session, found.early, found.by_peer) == (session, False, True)


def test_who_comes_from_elsewhere_is_told_to_be_no_peer() -> None:
    wire, alice, _, session, replaces = called()
    carol = FarSide(CAROL)
    wire.attach("carol", CAROL, carol)
    carol.say(replacing(replaces).replace(str(BOB).encode(), str(CAROL).encode()), ALICE)
    wire.run(until=0.0)
    found = alice.one(IncomingCall).replaces
    assert found is not None
    assert (found.session, found.by_peer) == (session, False)


def test_a_call_of_ours_that_rings_may_be_picked_up() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("INVITE"), "180 Ringing", f"Contact: <sip:bob@{BOB}>"), ALICE)
    far.say(replacing(_replaces(far) + ";early-only"), ALICE)
    wire.run(until=0.0)
    found = alice.one(IncomingCall).replaces
    assert found is not None
    assert (found.session, found.early) == (session, True)


def test_what_cannot_be_replaced() -> None:
    wire, alice, far, session, replaces = called()
    swapped = replaces.replace("to-tag", "x").replace("from-tag", "to-tag").replace(";x=", ";from-tag=")
    for number, (fields, status) in enumerate(
        [
            ((replaces + ";early-only",), 486),
            ((replaces, replaces), 400),
            ((replaces, "Join: x;to-tag=1;from-tag=2"), 400),
            (("Replaces: nothing;to-tag=1;from-tag=2",), 481),
            ((swapped,), 481),
            (("Replaces: half",), 400),
        ]
    ):
        far.say(replacing(*fields, number=number), ALICE)
        wire.run(until=0.0)
        assert far.last(f"SIP/2.0 {status}"), fields
        assert field(far.got[-1], "Call-ID") == f"new{number}"
    assert alice.told(IncomingCall) == []
    alice.endpoint.hang_up(session, 0.0)
    far.say(replacing(replaces, number=90), ALICE)
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 603"), "Call-ID") == "new90"  # it is ending: nobody wants a call in its place
    far.say(response_to(far.last("BYE"), "200 OK"), ALICE)
    far.say(replacing(replaces, number=91), ALICE)
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 481"), "Call-ID") == "new91"


def test_a_call_that_rings_here_cannot_be_replaced() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB), ALICE)
    wire.run(until=0.0)
    alice.endpoint.ring(alice.one(IncomingCall).session, 0.0)
    wire.run(until=0.0)
    tag = tag_of(field(far.last("SIP/2.0 180"), "To"))
    far.say(replacing(f"Replaces: c1;to-tag={tag};from-tag=far-tag"), ALICE)
    wire.run(until=0.0)
    assert far.last("SIP/2.0 481")


def test_replaces_outside_an_invite_means_nothing_and_the_value_survives_a_refer_to() -> None:
    value = Replaces("a84b@h.example", "t1", "f1", early_only=True)
    target = referring_to(uri("sip:carol@192.0.2.3"), value)
    assert str(target).endswith("?Replaces=a84b%40h.example%3Bto-tag%3Dt1%3Bfrom-tag%3Df1%3Bearly-only")
    assert replaces_in(uri(str(target))) == value
    assert replaces_in(uri("sip:carol@192.0.2.3?Subject=hello")) is None
    # RFC 3891 §6.1 gives this one, folded
    parsed = Replaces.parse("98732@sip.example.com ;from-tag=r33th4x0r ;to-tag=ff87ff")
    assert parsed == Replaces("98732@sip.example.com", "ff87ff", "r33th4x0r")
    assert len(Replaces("c", "0", "f").dialog_ids) == 2
    with pytest.raises(ParseError):
        Replaces.parse("x;to-tag=1")


# ---- Reason (RFC 3326)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('SIP ;cause=200 ;text="Call completed elsewhere"', Reason("SIP", 200, "Call completed elsewhere")),
        ('Q.850 ;cause=16 ;text="Terminated"', Reason("Q.850", 16, "Terminated")),
        ("sip;cause=600", Reason("SIP", 600)),
        ("Preemption", Reason("PREEMPTION")),
    ],
)
def test_reasons_are_read_and_written(text: str, reason: Reason) -> None:
    assert Reason.parse(text) == reason
    assert Reason.parse(str(reason)) == reason


def test_a_bye_tells_why() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept(alice.one(IncomingCall).session, ANSWER, 0.0, (("Answer-Mode", "Auto"),))
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 200"), "Answer-Mode") == "Auto"
    tag = tag_of(field(far.last("SIP/2.0 200"), "To"))
    far.say(in_dialog("ACK", tag, 1), ALICE)
    far.say(in_dialog("BYE", tag, 2, 'Reason: SIP;cause=600;text="a, b", nonsense/x, Q.850;cause=17'), ALICE)
    wire.run(until=0.0)
    assert alice.one(SessionEnded).why == (Reason("SIP", 600, "a, b"), Reason("Q.850", 17))


def test_a_cancel_tells_why_and_so_does_a_rejection() -> None:
    wire, alice, far = agent_and_far_side()
    invite = invite_from(BOB)
    far.say(invite, ALICE)
    wire.run(until=0.0)
    cancel = invite.replace(b"INVITE sip", b"CANCEL sip").replace(b"1 INVITE", b"1 CANCEL").replace(OFFER, b"")
    cancel = cancel.replace(b"Content-Type: application/sdp\r\n", b'Reason: SIP;cause=200;text="elsewhere"\r\n')
    far.say(cancel.replace(f"Content-Length: {len(OFFER)}".encode(), b"Content-Length: 0"), ALICE)
    wire.run(until=0.0)
    assert alice.one(SessionEnded).why == (Reason("SIP", 200, "elsewhere"),)
    alice.events.clear()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("INVITE"), "480 Unavailable", "Reason: Q.850;cause=20"), ALICE)
    wire.run(until=0.0)
    assert alice.one(SessionEnded).why == (Reason("Q.850", 20),)


def test_the_contacts_of_a_redirect_come_most_wanted_first() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    contacts = "Contact: <sip:a@h>;q=0.1, <sip:b@h>;q=0.9, <sip:c@h>, <sip:d@h>;q=x, <sip:e@h>;q=0.9"
    far.say(response_to(far.last("INVITE"), "302 Moved Temporarily", contacts), ALICE)
    wire.run(until=0.0)
    assert alice.one(SessionEnded).contacts == ("sip:c@h", "sip:d@h", "sip:b@h", "sip:e@h", "sip:a@h")
