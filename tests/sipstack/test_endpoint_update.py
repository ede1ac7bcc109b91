"""UPDATE (RFC 3311): both sides, early and confirmed, in each other's way, refused, lost, and before its time."""

from __future__ import annotations

from collections.abc import Callable

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
    tag_of,
    two_agents,
)
from tests.support.wire import Link, Wire
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import (
    CallAnswered,
    CallConfirmed,
    CallProgress,
    EndCause,
    IncomingCall,
    ReinviteAnswered,
    ReinviteReceived,
    SessionEnded,
    UpdateAnswered,
    UpdateReceived,
)
from voipnode.sipstack.transport import Address, Hop

HOLD = OFFER + b"a=sendonly\r\n"
Standing = tuple[Wire, Agent, Agent, str, str]
HELD = ANSWER + b"a=recvonly\r\n"


def answer_updates(agent: Agent, body: bytes = HELD) -> None:
    def act(event: object, now: float) -> None:
        if isinstance(event, UpdateReceived):
            agent.endpoint.accept_update(event.session, body, now)

    agent.on_event = act


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


def early(link: Link | None = None) -> tuple[Wire, Agent, Agent, str, str]:
    """A call from Alice that rings at Bob since 0.5 s, with its first exchange complete in a reliable 183."""
    wire, alice, bob = two_agents(link)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.5)
    incoming = bob.one(IncomingCall).session
    bob.endpoint.ring(incoming, 0.5, 183, None, ANSWER, reliable=True)
    wire.run(until=1.0)
    return wire, alice, bob, session, incoming


@pytest.mark.parametrize("by_caller", [True, False])
@pytest.mark.parametrize("stage", [early, call_up], ids=["early", "confirmed"])
def test_either_side_may_change_the_session_at_any_stage(stage: Callable[[Link], Standing], by_caller: bool) -> None:
    wire, alice, bob, session, incoming = stage(Link(delay_s=0.05))
    asker, asked = (alice, bob) if by_caller else (bob, alice)
    ours = session if by_caller else incoming
    answer_updates(asked)
    before = len(wire.ladder)
    token = asker.endpoint.update(ours, HOLD, 1.0)
    wire.run(until=5.0)
    assert [(round(rung.at, 3), rung.what) for rung in wire.ladder[before:]] == [(1.0, "UPDATE"), (1.05, "200 UPDATE")]
    assert asked.one(UpdateReceived).offer == HOLD
    assert asker.one(UpdateAnswered) == UpdateAnswered(ours, token, 200, "OK", HELD)
    request, answer = wire.ladder[before].data, wire.ladder[before + 1].data
    assert field(request, "Contact")
    assert field(answer, "Contact")
    assert "UPDATE" in field(request, "Allow")
    asker.endpoint.update(ours, OFFER, 5.0)  # and once more
    wire.run(until=6.0)
    assert len(asker.told(UpdateAnswered)) == 2
    alice.endpoint.hang_up(session, 6.0)
    wire.run(until=200.0)
    assert alice.forgot_all(), alice.endpoint.counts()
    assert bob.forgot_all(), bob.endpoint.counts()


def test_the_call_is_answered_without_sdp_after_early_changes() -> None:
    """RFC 3311 §8."""
    wire, alice, bob, session, incoming = early()
    answer_updates(bob)
    alice.endpoint.update(session, HOLD, 1.0)
    wire.run(until=1.0)
    bob.endpoint.accept(incoming, ANSWER, 2.0)
    wire.run(until=3.0)
    assert wire.ladder.pick("200 INVITE")[0].data.endswith(b"\r\n\r\n")
    assert alice.one(CallAnswered).body is None
    bob.one(CallConfirmed)


def test_an_update_without_an_offer_is_answered_by_itself_and_moves_the_target() -> None:
    wire, alice, bob, session, incoming = call_up()
    bob.endpoint.update(incoming, None, 1.0)
    wire.run(until=1.0)
    assert alice.told(UpdateReceived) == []
    assert bob.one(UpdateAnswered).status == 200
    moved = wire.ladder.pick("UPDATE")[0].data.replace(f"<sip:bob@{BOB}>".encode(), b"<sip:bob@192.0.2.2:5070>")
    assert b"5070" in moved
    moved = moved.replace(field(moved, "CSeq").encode(), b"2 UPDATE", 1).replace(b"branch=z9hG4bK", b"branch=z9hG4bKm")
    wire.inject(moved, wire.attach("bob", BOB, bob), ALICE)
    alice.endpoint.hang_up(session, 1.0)
    wire.flush()
    assert wire.ladder.pick("BYE")[0].data.startswith(b"BYE sip:bob@192.0.2.2:5070")


# ---- refused, lost, gone


def test_a_refused_update_leaves_the_session_as_it_was() -> None:
    wire, alice, bob, session, incoming = call_up()
    alice.endpoint.update(session, HOLD, 1.0)
    wire.run(until=1.0)
    bob.endpoint.reject_update(incoming, 488, 1.0, (("Warning", '304 bob "no"'),))
    wire.run(until=1.0)
    assert alice.one(UpdateAnswered).status == 488
    assert alice.told(SessionEnded) == []
    alice.endpoint.update(session, HOLD, 1.0)
    alice.endpoint.hang_up(session, 1.0)


@pytest.mark.parametrize("status", [481, 408])
def test_an_update_to_a_call_that_is_gone_ends_it(status: int) -> None:
    wire, alice, bob, session, incoming = call_up()
    alice.endpoint.update(session, HOLD, 1.0)
    wire.run(until=1.0)
    bob.endpoint.reject_update(incoming, status, 1.0)
    wire.run(until=1.0)
    assert alice.one(SessionEnded).cause is EndCause.GONE
    assert wire.ladder.pick("BYE", sender="alice")


def test_an_update_that_nobody_answers_ends_the_call_after_32_s() -> None:
    wire, alice, _, session, _ = call_up()
    wire.run(until=40.0)
    wire.drop = lambda rung: True
    alice.endpoint.update(session, HOLD, 40.0)
    wire.run(until=200.0)
    # Timer E: T1, doubling up to T2.
    assert wire.ladder.times("UPDATE") == [40.0, 40.5, 41.5, 43.5, 47.5, 51.5, 55.5, 59.5, 63.5, 67.5, 71.5]
    assert alice.one(UpdateAnswered).status == 408
    assert alice.when(SessionEnded) == [72.0]
    assert alice.forgot_all(), alice.endpoint.counts()


def test_an_early_dialog_that_is_gone_ends_the_call() -> None:
    wire, alice, bob, session, incoming = early()
    bob.endpoint.update(incoming, HOLD, 1.0)
    wire.run(until=1.0)
    alice.endpoint.reject_update(session, 481, 1.0)
    wire.run(until=100.0)
    assert bob.one(SessionEnded).cause is EndCause.GONE
    assert alice.one(SessionEnded).status == 480
    assert alice.forgot_all()
    assert bob.forgot_all()


# ---- in each other's way (§5.2)


def test_updates_that_cross_are_both_491_and_the_owner_of_the_call_id_waits_longer() -> None:
    wire, alice, bob, session, incoming = call_up(Link(delay_s=0.1))
    alice.endpoint.update(session, HOLD, 1.0)
    bob.endpoint.update(incoming, HOLD, 1.0)
    wire.run(until=10.0)
    ours, theirs = alice.one(UpdateAnswered), bob.one(UpdateAnswered)
    assert (ours.status, theirs.status) == (491, 491)
    assert 2.1 <= ours.retry_after_s <= 4.0
    assert 0.0 <= theirs.retry_after_s <= 2.0
    assert alice.told(UpdateReceived) == bob.told(UpdateReceived) == []
    answer_updates(bob)
    alice.endpoint.update(session, HOLD, 10.0)
    wire.run(until=11.0)
    assert alice.told(UpdateAnswered)[-1].status == 200


def test_an_update_and_a_reinvite_that_cross_are_both_491() -> None:
    """RFC 6337 §4.2."""
    wire, alice, bob, session, incoming = call_up(Link(delay_s=0.1))
    alice.endpoint.update(session, HOLD, 1.0)
    bob.endpoint.reinvite(incoming, HOLD, 1.0)
    wire.run(until=10.0)
    assert alice.one(UpdateAnswered).status == bob.one(ReinviteAnswered).status == 491
    assert alice.told(ReinviteReceived) == bob.told(UpdateReceived) == []


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
    return wire, alice, far, session, tag


def far_update(tag: str, cseq: int, body: bytes = HOLD) -> bytes:
    data = in_dialog("UPDATE", tag, cseq, f"Contact: <sip:bob@{BOB}>", body=body)
    return data.replace(b"application/dtmf-relay", b"application/sdp")


def test_an_update_before_the_last_one_is_answered_is_500_with_retry_after() -> None:
    wire, alice, far, session, tag = far_side_up()
    far.say(far_update(tag, 2), ALICE)
    far.say(far_update(tag, 3, b""), ALICE)  # one without an offer, too
    wire.run(until=0.0)
    refusal = far.last("SIP/2.0 500")
    assert field(refusal, "CSeq") == "3 UPDATE"
    assert 0 <= int(field(refusal, "Retry-After")) <= 10
    alice.one(UpdateReceived)
    alice.endpoint.accept_update(session, HELD, 0.0)
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 200"), "CSeq") == "2 UPDATE"


def test_an_update_while_a_reinvite_is_being_answered_is_500() -> None:
    wire, alice, far, _, tag = far_side_up()
    reinvite = in_dialog("INVITE", tag, 2, f"Contact: <sip:bob@{BOB}>", body=HOLD)
    far.say(reinvite.replace(b"application/dtmf-relay", b"application/sdp"), ALICE)
    far.say(far_update(tag, 3), ALICE)
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 500"), "CSeq") == "3 UPDATE"
    assert alice.told(UpdateReceived) == []


def test_a_reinvite_while_an_update_is_being_answered_is_500() -> None:
    wire, alice, far, _, tag = far_side_up()
    far.say(far_update(tag, 2), ALICE)
    reinvite = in_dialog("INVITE", tag, 3, f"Contact: <sip:bob@{BOB}>", body=HOLD)
    far.say(reinvite.replace(b"application/dtmf-relay", b"application/sdp"), ALICE)
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 500"), "CSeq") == "3 INVITE"
    assert alice.told(ReinviteReceived) == []


def test_an_update_before_the_first_exchange_is_complete_is_refused() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB), ALICE)
    wire.run(until=0.0)
    alice.endpoint.ring(alice.one(IncomingCall).session, 0.0)
    wire.run(until=0.0)
    far.say(far_update(tag_of(field(far.last("SIP/2.0 180"), "To")), 2), ALICE)
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 500"), "CSeq") == "2 UPDATE"  # its own offer has no answer yet


def test_an_update_of_no_dialog_is_481_and_one_from_elsewhere_403() -> None:
    wire, alice, far, _, tag = far_side_up()
    far.say(far_update("other", 2), ALICE)
    wire.run(until=0.0)
    assert far.last("SIP/2.0 481")
    stranger = FarSide(Address("192.0.2.66", 5060))
    wire.attach("stranger", stranger.address, stranger)
    wire.inject(
        far_update(tag, 2).replace(b"192.0.2.2:5060;branch", b"192.0.2.66:5060;branch"),
        Hop("UDP", stranger.address),
        ALICE,
    )
    wire.run(until=0.0)
    assert stranger.last("SIP/2.0 403")
    assert alice.told(UpdateReceived) == []


def test_an_update_that_the_layer_above_never_answers_is_forgotten() -> None:
    wire, alice, far, session, tag = far_side_up()
    far.say(far_update(tag, 2), ALICE)
    wire.run(until=60.0)
    assert alice.endpoint.counts()["updates"] == 0
    with pytest.raises(LocalError, match="no UPDATE"):
        alice.endpoint.accept_update(session, HELD, 60.0)
    alice.endpoint.reinvite(session, OFFER, 60.0)  # nothing stands in the way


# ---- before its time (§5.1)


def test_no_offer_of_ours_before_the_first_exchange_is_complete() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    with pytest.raises(LocalError, match="no dialog"):
        alice.endpoint.update(session, HOLD, 0.0)
    far.say(response_to(far.last("INVITE"), "183 Session Progress", f"Contact: <sip:far@{BOB}>", body=ANSWER), ALICE)
    wire.run(until=0.0)
    alice.one(CallProgress)
    with pytest.raises(LocalError, match="an offer is under way"):
        alice.endpoint.update(session, HOLD, 0.0)  # an unreliable answer is none (RFC 6337 §3.1.1)
    alice.endpoint.update(session, None, 0.0)
    with pytest.raises(LocalError, match="another UPDATE"):
        alice.endpoint.update(session, None, 0.0)


def test_no_offer_of_ours_before_the_prack_has_come_or_been_answered() -> None:
    wire, alice, bob = two_agents(Link(delay_s=0.1))
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.1)
    incoming = bob.one(IncomingCall).session
    bob.endpoint.ring(incoming, 0.1, 183, None, ANSWER, reliable=True)
    with pytest.raises(LocalError, match="an offer is under way"):
        bob.endpoint.update(incoming, HOLD, 0.1)
    wire.run(until=0.2)  # the PRACK has left
    with pytest.raises(LocalError, match="an offer is under way"):
        alice.endpoint.update(session, HOLD, 0.2)
    wire.run(until=0.35)
    bob.endpoint.update(incoming, HOLD, 0.35)
    wire.run(until=0.4)
    with pytest.raises(LocalError):
        bob.endpoint.reinvite(incoming, HOLD, 0.4)


def test_no_reinvite_of_ours_while_our_update_has_an_offer_open() -> None:
    _, alice, _, session, _ = call_up()
    alice.endpoint.update(session, HOLD, 1.0)
    with pytest.raises(LocalError, match="an offer is under way"):
        alice.endpoint.reinvite(session, HOLD, 1.0)


@pytest.mark.parametrize("seed", range(8))
def test_updates_survive_a_bad_network(seed: int) -> None:
    wire, alice, bob = two_agents(Link(delay_s=0.03, jitter_s=0.1, loss=0.2, duplication=0.2), seed=seed)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=10.0)
    bob.endpoint.ring(bob.one(IncomingCall).session, 10.0, 183, None, ANSWER, reliable=True)
    answer_updates(bob)
    answer_updates(alice)
    wire.run(until=20.0)
    alice.endpoint.update(session, HOLD, 20.0)
    wire.run(until=40.0)
    bob.endpoint.update(bob.one(IncomingCall).session, HOLD, 40.0)
    wire.run(until=60.0)
    assert [event.status for event in alice.told(UpdateAnswered) + bob.told(UpdateAnswered)] == [200, 200]
    assert (len(bob.told(UpdateReceived)), len(alice.told(UpdateReceived))) == (1, 1)
    alice.endpoint.hang_up(session, 60.0)
    wire.run(until=300.0)
    assert alice.forgot_all(), alice.endpoint.counts()
    assert bob.forgot_all(), bob.endpoint.counts()
