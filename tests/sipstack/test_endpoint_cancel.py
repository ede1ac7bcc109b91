"""CANCEL from both sides, and 2xx responses that cross it or come from more than one fork."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import (
    ALICE,
    ANSWER,
    BOB,
    agent_and_far_side,
    call_to,
    field,
    invite_from,
    message,
    response_to,
    status_of,
    tag_of,
    two_agents,
)
from tests.support.wire import Link
from voipnode.sipstack.events import (
    CallAnswered,
    CallProgress,
    EndCause,
    IncomingCall,
    Refused,
    SessionEnded,
)

BOB_CONTACT = "Contact: <sip:bob@192.0.2.2:5060>"


def test_hanging_up_while_it_rings_cancels_the_call() -> None:
    wire, alice, bob = two_agents(Link(delay_s=0.01))
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.at(1.0, lambda: bob.endpoint.ring(bob.one(IncomingCall).session, 1.0))
    wire.at(2.0, lambda: alice.endpoint.hang_up(session, 2.0, (("Reason", "SIP;cause=200"),)))
    wire.run(until=100)
    assert wire.ladder.messages()[3:] == [
        ("alice", "CANCEL"),
        ("bob", "200 CANCEL"),
        ("bob", "487 INVITE"),
        ("alice", "ACK"),
    ]
    assert alice.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert bob.one(SessionEnded).cause is EndCause.CANCELLED
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_the_cancel_is_built_from_its_invite() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB, routes=("<sip:192.0.2.2;lr>",)), 0.0)
    wire.run(until=0.0)
    invite = far.last("INVITE")
    far.say(response_to(invite, "180 Ringing", BOB_CONTACT), ALICE)
    wire.run(until=1.0)
    alice.endpoint.hang_up(session, 1.0)
    wire.run(until=1.0)
    cancel = far.last("CANCEL")
    assert cancel.split(b" ")[1] == invite.split(b" ")[1]
    for name in ("Via", "From", "To", "Call-ID", "Route"):  # RFC 3261 §9.1
        assert field(cancel, name) == field(invite, name)
    assert field(cancel, "CSeq") == "1 CANCEL"


def test_both_answers_to_a_cancelled_invite_carry_the_tag_of_its_180() -> None:
    wire, alice, far = agent_and_far_side()
    invite = invite_from(BOB)
    far.say(invite, ALICE)
    wire.run(until=0.0)
    alice.endpoint.ring(alice.one(IncomingCall).session, 0.0)
    wire.run(until=0.0)
    far.say(invite.replace(b"INVITE sip:alice", b"CANCEL sip:alice").replace(b"1 INVITE", b"1 CANCEL"), ALICE)
    wire.run(until=0.0)
    tags = {tag_of(field(far.last(f"SIP/2.0 {status}"), "To")) for status in (180, 200, 487)}
    assert len(tags) == 1  # RFC 3261 §9.2


def test_cancel_waits_for_a_provisional_response() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.2)
    alice.endpoint.hang_up(session, 0.2)
    wire.run(until=1.0)
    assert wire.ladder.pick("CANCEL") == []  # RFC 3261 §9.1
    far.say(response_to(far.last("INVITE"), "100 Trying", tag=""), ALICE)
    wire.run(until=1.0)
    assert wire.ladder.times("CANCEL") == [1.0]


def test_a_call_given_up_that_nobody_hears_ends_with_its_time_out_and_no_cancel() -> None:
    wire, alice, _ = two_agents()
    wire.drop = lambda rung: True
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.at(1.0, lambda: alice.endpoint.hang_up(session, 1.0))
    wire.run(until=100)
    assert wire.ladder.pick("CANCEL") == []
    assert alice.events == [(32.0, SessionEnded(session, EndCause.LOCAL_HANGUP))]
    assert alice.forgot_all()


def test_a_final_refusal_that_beats_the_waiting_cancel_ends_the_call_without_one() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    alice.endpoint.hang_up(session, 0.0)
    far.say(response_to(far.last("INVITE"), "486 Busy Here"), ALICE)
    wire.run(until=100.0)
    assert wire.ladder.pick("CANCEL") == []
    assert alice.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert alice.forgot_all()


@pytest.mark.parametrize("provisional", [True, False])
def test_a_2xx_that_crosses_the_cancel_gets_ack_and_bye(provisional: bool) -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    invite = far.last("INVITE")
    if provisional:
        far.say(response_to(invite, "180 Ringing", BOB_CONTACT), ALICE)
        wire.run(until=0.0)
    alice.endpoint.hang_up(session, 0.0)
    wire.run(until=0.0)
    far.say(response_to(invite, "200 OK", BOB_CONTACT, body=ANSWER), ALICE)
    wire.run(until=0.0)
    sent = [what for sender, what in wire.ladder.messages() if sender == "alice"]
    assert sent == ["INVITE", *(["CANCEL"] if provisional else []), "ACK", "BYE"]
    assert alice.told(CallAnswered) == []
    assert alice.one(SessionEnded) == SessionEnded(session, EndCause.LOCAL_HANGUP)
    if provisional:
        far.say(response_to(far.last("CANCEL"), "200 OK"), ALICE)
    far.say(response_to(far.last("BYE"), "200 OK"), ALICE)
    wire.run(until=100)
    assert alice.forgot_all()


def test_a_cancelled_call_without_a_final_response_is_over_after_32_s() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("INVITE"), "180 Ringing", BOB_CONTACT), ALICE)
    wire.run(until=1.0)
    alice.endpoint.hang_up(session, 1.0)
    wire.run(until=1.0)
    far.say(response_to(far.last("CANCEL"), "200 OK"), ALICE)
    wire.run(until=100)
    assert alice.when(SessionEnded) == [33.0]  # an RFC 2543 peer sends no 487 (RFC 3261 §9.1)
    assert alice.forgot_all()


def test_hanging_up_twice_does_no_harm() -> None:
    wire, alice, bob = two_agents()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    alice.endpoint.hang_up(session, 0.0)
    alice.endpoint.hang_up(session, 0.0)
    wire.run(until=100)
    assert len(wire.ladder.pick("CANCEL")) == 1
    bob.one(SessionEnded)


def test_progress_of_a_call_given_up_is_not_told() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    alice.endpoint.hang_up(session, 0.0)
    far.say(response_to(far.last("INVITE"), "180 Ringing", BOB_CONTACT), ALICE)
    wire.run(until=1.0)
    assert alice.told(CallProgress) == []


# ---- the called side


def test_a_cancel_of_nothing_is_481() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB).replace(b"INVITE sip:alice", b"CANCEL sip:alice").replace(b"1 INVITE", b"1 CANCEL"), ALICE)
    wire.run(until=0.0)
    assert [status_of(data) for data in far.got] == [481]
    assert alice.one(Refused).status == 481


def test_a_cancel_after_the_answer_is_200_and_changes_nothing() -> None:
    wire, alice, far = agent_and_far_side()
    invite = invite_from(BOB)
    far.say(invite, ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept(alice.one(IncomingCall).session, ANSWER, 0.0)
    wire.run(until=0.1)
    far.say(invite.replace(b"INVITE sip:alice", b"CANCEL sip:alice").replace(b"1 INVITE", b"1 CANCEL"), ALICE)
    wire.run(until=0.2)
    assert field(far.got[-1], "CSeq") == "1 CANCEL"
    assert status_of(far.got[-1]) == 200
    assert alice.told(SessionEnded) == []


def test_a_cancel_after_the_refusal_is_200_and_changes_nothing() -> None:
    wire, alice, far = agent_and_far_side()
    invite = invite_from(BOB)
    far.say(invite, ALICE)
    wire.run(until=0.0)
    alice.endpoint.reject(alice.one(IncomingCall).session, 486, 0.0)
    wire.run(until=0.1)
    far.say(invite.replace(b"INVITE sip:alice", b"CANCEL sip:alice").replace(b"1 INVITE", b"1 CANCEL"), ALICE)
    wire.run(until=0.2)
    assert (status_of(far.got[-1]), field(far.got[-1], "CSeq")) == (200, "1 CANCEL")
    alice.one(SessionEnded)


# ---- forks


def test_forks_ring_apart_and_the_first_answer_wins() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    invite = far.last("INVITE")
    for tag in ("one", "two"):
        far.say(response_to(invite, "183 Progress", BOB_CONTACT, tag=tag, body=ANSWER), ALICE)
    wire.run(until=1.0)
    assert [event.tag for event in alice.told(CallProgress)] == ["one", "two"]
    assert alice.endpoint.counts()["dialogs"] == 2
    far.say(response_to(invite, "200 OK", BOB_CONTACT, tag="two", body=ANSWER), ALICE)
    wire.run(until=2.0)
    assert alice.one(CallAnswered).tag == "two"
    assert alice.endpoint.counts()["dialogs"] == 1
    far.say(response_to(invite, "200 OK", BOB_CONTACT, tag="one", body=ANSWER), ALICE)
    wire.run(until=2.0)
    late = [data for data in far.got if data.startswith((b"ACK", b"BYE")) and tag_of(field(data, "To")) == "one"]
    assert [data[:3] for data in late] == [b"ACK", b"BYE"]  # RFC 3261 §13.2.2.4
    assert len(alice.told(CallAnswered)) == 1
    assert alice.told(SessionEnded) == []
    alice.endpoint.hang_up(session, 2.0)
    wire.run(until=2.0)
    assert tag_of(field(far.last("BYE"), "To")) == "two"


def test_a_fork_that_answers_when_the_call_is_over_gets_ack_and_bye() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    invite = far.last("INVITE")
    far.say(response_to(invite, "200 OK", BOB_CONTACT, tag="one", body=ANSWER), ALICE)
    wire.run(until=1.0)
    alice.endpoint.hang_up(session, 1.0)
    wire.run(until=2.0)
    late = response_to(invite, "200 OK", BOB_CONTACT, tag="two", body=ANSWER)
    far.say(late, ALICE)
    far.say(late, ALICE)
    wire.run(until=2.0)
    after = [(data[:3], tag_of(field(data, "To"))) for data in far.got if data.startswith((b"ACK", b"BYE"))]
    assert after[-3:] == [(b"ACK", "two"), (b"BYE", "two"), (b"ACK", "two")]
    wire.run(until=100)
    assert alice.forgot_all()
    alice.one(SessionEnded)


def test_more_forks_than_anybody_has_are_not_all_remembered() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    for number in range(200):
        far.say(response_to(far.last("INVITE"), "180 Ringing", BOB_CONTACT, tag=f"t{number}"), ALICE)
    wire.run(until=1.0)
    assert alice.endpoint.counts()["dialogs"] == 16


def test_a_merged_invite_is_482_and_the_first_goes_on() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB, branch="z9hG4bKone"), ALICE)
    far.say(invite_from(BOB, branch="z9hG4bKtwo"), ALICE)  # the same call by another path (RFC 3261 §8.2.2.2)
    wire.run(until=0.0)
    assert sorted(status_of(data) for data in far.got) == [100, 482]
    assert "z9hG4bKtwo" in field(far.last("SIP/2.0 482"), "Via")
    alice.one(IncomingCall)


def test_a_repeated_invite_is_not_a_second_call() -> None:
    wire, alice, far = agent_and_far_side()
    for _ in range(3):
        far.say(invite_from(BOB), ALICE)
    wire.run(until=0.0)
    assert [status_of(data) for data in far.got] == [100, 100, 100]
    alice.one(IncomingCall)


def test_a_response_that_is_not_for_us_or_has_passed_a_proxy_too_many_is_dropped() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    ok = response_to(far.last("INVITE"), "200 OK", BOB_CONTACT, body=ANSWER)
    far.say(ok.replace(b"UDP 192.0.2.1:5060", b"UDP 192.0.2.66:5060"), ALICE)  # RFC 3261 §18.1.2
    far.say(ok.replace(b"\r\nFrom:", b"\r\nVia: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKz\r\nFrom:"), ALICE)  # §8.1.3.3
    far.say(ok.replace(b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=", b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=x"), ALICE)
    wire.run(until=0.1)
    assert alice.told(CallAnswered) == []
    assert wire.ladder.pick("ACK") == []


def test_an_ack_that_belongs_to_nothing_is_never_answered() -> None:
    wire, _, far = agent_and_far_side()
    ack = message(
        "ACK sip:alice@192.0.2.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {BOB};branch=z9hG4bKstray",
        "From: <sip:bob@192.0.2.2>;tag=x",
        "To: <sip:alice@192.0.2.1>;tag=y",
        "Call-ID: nothing",
        "CSeq: 1 ACK",
    )
    far.say(ack, ALICE)
    far.say(ack.replace(b"CSeq: 1 ACK", b"CSeq: one ACK"), ALICE)
    far.say(ack.replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1), ALICE)
    wire.run(until=1.0)
    assert far.got == []
