"""re-INVITE in both directions: accepted, refused, cancelled, in each other's way, and never acknowledged."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import (
    ALICE,
    ANSWER,
    BOB,
    OFFER,
    Agent,
    FarSide,
    agent_and_far_side,
    call_to,
    field,
    in_dialog,
    invite_from,
    response_to,
    status_of,
    tag_of,
    two_agents,
)
from tests.support.wire import Link, Wire
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import (
    CallAnswered,
    CallConfirmed,
    EndCause,
    IncomingCall,
    ReinviteAnswered,
    ReinviteCancelled,
    ReinviteConfirmed,
    ReinviteReceived,
    SessionEnded,
)

HOLD = OFFER + b"a=sendonly\r\n"


def call_up(link: Link | None = None) -> tuple[Wire, Agent, Agent, str, str]:
    """A call from Alice to Bob that stands at 1 s, with the names both have for it."""
    wire, alice, bob = two_agents(link)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.5)
    incoming = bob.one(IncomingCall).session
    bob.endpoint.accept(incoming, ANSWER, 0.5)
    wire.run(until=1.0)
    alice.one(CallAnswered)
    bob.one(CallConfirmed)
    return wire, alice, bob, session, incoming


def far_side_up() -> tuple[Wire, Agent, FarSide, str, str]:
    """A call from a far side to Alice that stands; gives her name for it and her tag."""
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB), ALICE)
    wire.run(until=0.0)
    session = alice.one(IncomingCall).session
    alice.endpoint.accept(session, ANSWER, 0.0)
    wire.run(until=0.0)
    tag = tag_of(field(far.last("SIP/2.0 200"), "To"))
    far.say(in_dialog("ACK", tag, 1), ALICE)
    wire.run(until=0.0)
    alice.one(CallConfirmed)
    return wire, alice, far, session, tag


def far_reinvite(tag: str, cseq: int, contact: str = f"<sip:bob@{BOB}>", branch: str | None = None) -> bytes:
    request = in_dialog("INVITE", tag, cseq, f"Contact: {contact}", branch=branch, body=HOLD)
    return request.replace(b"application/dtmf-relay", b"application/sdp")


@pytest.mark.parametrize("by_caller", [True, False])
def test_either_side_may_change_the_session(by_caller: bool) -> None:
    wire, alice, bob, session, incoming = call_up(Link(delay_s=0.01))
    asker, asked = (alice, bob) if by_caller else (bob, alice)
    ours, theirs = (session, incoming) if by_caller else (incoming, session)
    token = asker.endpoint.reinvite(ours, HOLD, 1.0)
    wire.run(until=1.5)
    assert asked.one(ReinviteReceived) == ReinviteReceived(theirs, HOLD)
    asked.endpoint.accept_reinvite(theirs, ANSWER, 1.5)
    wire.run(until=60)
    assert asker.one(ReinviteAnswered) == ReinviteAnswered(ours, token, 200, "OK", ANSWER)
    assert asked.one(ReinviteConfirmed) == ReinviteConfirmed(theirs, None)
    assert [what for _, what in wire.ladder.messages()[4:]] == ["INVITE", "100 INVITE", "200 INVITE", "ACK"]
    asker.endpoint.hang_up(ours, 60.0)
    wire.run(until=200)
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_a_refused_change_leaves_the_session_as_it_was() -> None:
    wire, alice, bob, session, incoming = call_up()
    token = alice.endpoint.reinvite(session, HOLD, 1.0)
    wire.run(until=1.0)
    bob.endpoint.reject_reinvite(incoming, 488, 1.0, (("Warning", '304 bob "media type not available"'),))
    wire.run(until=100)
    assert alice.one(ReinviteAnswered) == ReinviteAnswered(session, token, 488, "Not Acceptable Here", None)
    assert field(wire.ladder.pick("488 INVITE")[0].data, "Warning").startswith("304")
    assert alice.told(SessionEnded) == []
    alice.endpoint.reinvite(session, OFFER, 100.0)  # and it may be tried again
    wire.run(until=100)
    assert len(bob.told(ReinviteReceived)) == 2


def test_a_reinvite_without_offer_is_answered_in_the_ack() -> None:
    wire, alice, bob, session, incoming = call_up()
    alice.endpoint.reinvite(session, None, 1.0)
    wire.run(until=1.0)
    assert bob.one(ReinviteReceived).offer is None
    bob.endpoint.accept_reinvite(incoming, HOLD, 1.0)
    wire.run(until=1.6)
    assert alice.one(ReinviteAnswered).body == HOLD
    assert len(wire.ladder.pick("ACK")) == 1  # that of the first INVITE
    alice.endpoint.acknowledge(session, ANSWER, 1.6)
    wire.run(until=10)
    assert bob.one(ReinviteConfirmed).body == ANSWER


def test_reinvites_that_cross_are_both_answered_491_and_the_owner_of_the_call_id_waits_longer() -> None:
    wire, alice, bob, session, incoming = call_up(Link(delay_s=0.1))
    alice.endpoint.reinvite(session, HOLD, 1.0)
    bob.endpoint.reinvite(incoming, HOLD, 1.0)
    wire.run(until=10)
    assert len(wire.ladder.pick("491 INVITE")) == 2  # RFC 3261 §14.2
    ours, theirs = alice.one(ReinviteAnswered), bob.one(ReinviteAnswered)
    assert (ours.status, theirs.status) == (491, 491)
    assert 2.1 <= ours.retry_after_s <= 4.0  # §14.1: Alice made the Call-ID
    assert 0.0 <= theirs.retry_after_s <= 2.0
    assert alice.told(ReinviteReceived) == []
    assert alice.told(SessionEnded) == bob.told(SessionEnded) == []
    alice.endpoint.reinvite(session, HOLD, 10.0)
    wire.run(until=11)
    assert bob.one(ReinviteReceived).offer == HOLD


def test_a_second_reinvite_before_the_first_is_answered_is_500_with_retry_after() -> None:
    wire, alice, far, session, tag = far_side_up()
    far.say(far_reinvite(tag, 2), ALICE)
    far.say(far_reinvite(tag, 3), ALICE)
    wire.run(until=0.0)
    refusal = far.last("SIP/2.0 500")
    assert field(refusal, "CSeq") == "3 INVITE"
    assert 0 <= int(field(refusal, "Retry-After")) <= 10  # RFC 3261 §14.2
    alice.one(ReinviteReceived)
    alice.endpoint.accept_reinvite(session, ANSWER, 0.0)
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 200"), "CSeq") == "2 INVITE"


def test_no_reinvite_of_ours_while_another_invite_is_under_way() -> None:
    wire, alice, bob, session, incoming = call_up()
    alice.endpoint.reinvite(session, HOLD, 1.0)
    with pytest.raises(LocalError, match="under way"):
        alice.endpoint.reinvite(session, HOLD, 1.0)
    wire.run(until=1.0)
    with pytest.raises(LocalError, match="under way"):
        bob.endpoint.reinvite(incoming, HOLD, 1.0)


def test_a_reinvite_moves_the_remote_target_only_when_it_is_accepted() -> None:
    for accepted in (True, False):
        wire, alice, far, session, tag = far_side_up()
        far.say(far_reinvite(tag, 2, contact="<sip:moved@192.0.2.2:5070>"), ALICE)
        wire.run(until=0.0)
        if accepted:
            alice.endpoint.accept_reinvite(session, ANSWER, 0.0)
        else:
            alice.endpoint.reject_reinvite(session, 488, 0.0)
        far.say(in_dialog("ACK", tag, 2, branch="z9hG4bKINVITE2" if not accepted else None), ALICE)
        wire.run(until=0.0)
        alice.endpoint.hang_up(session, 0.0)
        wire.flush()
        bye = wire.ladder.pick("BYE")[0].data
        assert bye.startswith(b"BYE sip:moved@192.0.2.2:5070" if accepted else b"BYE sip:bob@192.0.2.2:5060")


def test_the_far_side_may_cancel_its_reinvite() -> None:
    wire, alice, far, session, tag = far_side_up()
    request = far_reinvite(tag, 2, branch="z9hG4bKre")
    far.say(request, ALICE)
    wire.run(until=0.0)
    far.say(request.replace(b"INVITE sip:", b"CANCEL sip:").replace(b"2 INVITE", b"2 CANCEL"), ALICE)
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 200"), "CSeq") == "2 CANCEL"
    assert field(far.last("SIP/2.0 487"), "CSeq") == "2 INVITE"
    assert alice.one(ReinviteCancelled).session == session
    with pytest.raises(LocalError):
        alice.endpoint.accept_reinvite(session, ANSWER, 0.0)
    assert alice.told(SessionEnded) == []


def test_a_2xx_to_a_reinvite_that_is_never_acknowledged_ends_the_call() -> None:
    wire, alice, far, session, tag = far_side_up()
    far.say(far_reinvite(tag, 2), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept_reinvite(session, ANSWER, 0.0)
    wire.run(until=100)
    assert alice.when(SessionEnded) == [32.0]  # RFC 3261 §14.2
    assert alice.one(SessionEnded).cause is EndCause.TIMEOUT
    assert wire.ladder.pick("BYE", sender="alice").times()[0] == 32.0
    assert alice.forgot_all()


def test_hanging_up_with_a_reinvite_unanswered_answers_it_487() -> None:
    wire, alice, far, session, tag = far_side_up()
    far.say(far_reinvite(tag, 2, branch="z9hG4bKre"), ALICE)
    wire.run(until=0.0)
    alice.endpoint.hang_up(session, 0.0)
    wire.run(until=0.0)
    assert far.last("BYE")
    assert field(far.last("SIP/2.0 487"), "CSeq") == "2 INVITE"
    far.say(response_to(far.last("BYE"), "200 OK"), ALICE)
    far.say(in_dialog("ACK", tag, 2, branch="z9hG4bKre"), ALICE)
    wire.run(until=100)
    assert alice.forgot_all()


def test_an_answer_to_our_reinvite_after_our_bye_is_still_acknowledged() -> None:
    wire, alice, far, session, _ = far_side_up()
    alice.endpoint.reinvite(session, HOLD, 0.0)
    wire.run(until=0.0)
    alice.endpoint.hang_up(session, 0.0)
    wire.run(until=0.0)
    reinvite = far.last("INVITE")
    far.say(response_to(far.last("BYE"), "200 OK"), ALICE)
    far.say(response_to(reinvite, "100 Trying"), ALICE)
    far.say(response_to(reinvite, "200 OK", f"Contact: <sip:bob@{BOB}>", body=ANSWER), ALICE)
    wire.run(until=0.0)
    assert field(far.last("ACK"), "CSeq") == "1 ACK"
    assert alice.told(ReinviteAnswered) == []
    wire.run(until=100)
    assert alice.forgot_all()


@pytest.mark.parametrize("provisional_at", [1.5, 3.0])
def test_a_reinvite_whose_answer_was_lost_with_its_call_is_forgotten(provisional_at: float) -> None:
    # A 100 stops Timer B, and a 2xx is repeated no longer than the call lasts: neither side would ever say more.
    wire, alice, far, session, _ = far_side_up()
    wire.at(1.0, lambda: alice.endpoint.reinvite(session, OFFER, wire.now))
    wire.at(provisional_at, lambda: far.say(response_to(far.last("INVITE"), 100), ALICE))
    wire.at(2.0, lambda: alice.endpoint.hang_up(session, wire.now))
    wire.at(2.1, lambda: far.say(response_to(far.last("BYE"), 200), ALICE))
    wire.run(until=30.0)
    assert not alice.forgot_all()
    wire.run(until=80.0)
    assert alice.forgot_all(), alice.endpoint.counts()


def test_a_reinvite_answered_481_ends_the_call() -> None:
    wire, alice, far, session, _ = far_side_up()
    alice.endpoint.reinvite(session, HOLD, 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("INVITE"), "481 Call/Transaction Does Not Exist"), ALICE)
    wire.run(until=0.0)
    assert alice.one(ReinviteAnswered).status == 481
    assert alice.one(SessionEnded).cause is EndCause.GONE
    assert far.last("BYE")


def test_a_reinvite_that_nobody_answers_ends_the_call() -> None:
    wire, alice, _, session, _ = far_side_up()
    wire.run(until=40.0)
    wire.drop = lambda rung: True
    alice.endpoint.reinvite(session, HOLD, 40.0)
    wire.run(until=200)
    assert alice.one(ReinviteAnswered).status == 408
    assert alice.when(SessionEnded) == [72.0]
    assert alice.forgot_all()


def test_a_reinvite_before_the_first_ack_is_491() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept(alice.one(IncomingCall).session, ANSWER, 0.0)
    wire.run(until=0.0)
    far.say(far_reinvite(tag_of(field(far.last("SIP/2.0 200"), "To")), 2), ALICE)
    wire.run(until=0.0)
    assert status_of(far.last("SIP/2.0 491")) == 491
    assert alice.told(ReinviteReceived) == []


def test_a_reinvite_with_a_body_that_is_no_sdp_is_415_and_harmless() -> None:
    wire, alice, far, _, tag = far_side_up()
    far.say(in_dialog("INVITE", tag, 2, f"Contact: <sip:bob@{BOB}>", body=b"Signal=1"), ALICE)
    wire.run(until=0.0)
    assert "application/sdp" in field(far.last("SIP/2.0 415"), "Accept")
    assert alice.told(ReinviteReceived) == []
    assert alice.told(SessionEnded) == []
