"""Provisional responses that are acknowledged (RFC 3262): both sides, lost and doubled, late, refused, and in forks."""

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
    has_field,
    in_dialog,
    invite_from,
    response_to,
    tag_of,
    two_agents,
)
from tests.support.wire import Link, Rung, Wire
from voipnode.sipstack.config import EndpointConfig, Extension
from voipnode.sipstack.digest import Credentials
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import (
    CallAnswered,
    CallConfirmed,
    CallProgress,
    EarlyAnswer,
    EndCause,
    IncomingCall,
    ReinviteAnswered,
    SessionEnded,
    UpdateReceived,
)

OFF = EndpointConfig(reliable=Extension.OFF)
REQUIRED = EndpointConfig(reliable=Extension.REQUIRED)
DELAY_S = 0.05
OTHER_OFFER = OFFER.replace(b"m=audio 4000", b"m=audio 4002")
OTHER_ANSWER = ANSWER.replace(b"m=audio 4000", b"m=audio 4002")


def rings_and_answers(bob: Agent, at: float, *, body: bytes | None = ANSWER, reliable: bool = True) -> None:
    """Bob rings at once, reliably, and answers after `at` seconds."""

    def act(event: object, now: float) -> None:
        if isinstance(event, IncomingCall):
            bob.endpoint.ring(event.session, now, 183, None, body, reliable=reliable)

    bob.on_event = act


def hang_up_and_forget(wire: Wire, alice: Agent, bob: Agent, session: str) -> None:
    alice.endpoint.hang_up(session, wire.now)
    wire.run(until=wire.now + 200)
    assert alice.forgot_all(), alice.endpoint.counts()
    assert bob.forgot_all(), bob.endpoint.counts()


# ---- the whole ladder between two of ours


def test_an_answer_in_a_reliable_183_is_acknowledged_and_the_200_holds_none() -> None:
    wire, alice, bob = two_agents(Link(delay_s=DELAY_S))
    rings_and_answers(bob, 0)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=2.0)
    incoming = bob.one(IncomingCall).session
    progress = alice.one(CallProgress)
    assert (progress.status, progress.body, progress.reliable, progress.is_offer) == (183, ANSWER, True, False)
    bob.endpoint.accept(incoming, ANSWER, 2.0)
    wire.run(until=10.0)
    assert [(round(rung.at, 3), rung.what) for rung in wire.ladder] == [
        (0.0, "INVITE"),
        (0.05, "100 INVITE"),
        (0.05, "183 INVITE"),
        (0.1, "PRACK"),
        (0.15, "200 PRACK"),
        (2.0, "200 INVITE"),
        (2.05, "ACK"),
    ]
    ringing, prack, answer = (wire.ladder.pick(what)[0].data for what in ("183 INVITE", "PRACK", "200 INVITE"))
    assert "100rel" in field(wire.ladder[0].data, "Supported")
    assert field(ringing, "Require") == "100rel"
    assert 1 <= int(field(ringing, "RSeq")) <= 2**31 - 1
    assert field(prack, "RAck") == f"{field(ringing, 'RSeq')} 1 INVITE"
    assert field(prack, "CSeq") == "2 PRACK"
    assert answer.endswith(b"\r\n\r\n")  # RFC 6337 §3.1.1
    assert alice.one(CallAnswered).body is None
    bob.one(CallConfirmed)
    hang_up_and_forget(wire, alice, bob, session)


def test_nobody_who_asks_for_it_gets_plain_provisional_responses() -> None:
    wire, alice, bob = two_agents()
    rings_and_answers(bob, 0, reliable=False)
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    assert not has_field(wire.ladder.pick("183 INVITE")[0].data, "RSeq")
    assert wire.ladder.pick("PRACK") == []
    assert alice.one(CallProgress).reliable is False


def test_a_caller_that_cannot_acknowledge_gets_plain_ones_whatever_is_asked() -> None:
    wire, alice, bob = two_agents(alice=OFF)
    rings_and_answers(bob, 0)
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    assert b"100rel" not in wire.ladder[0].data
    assert not has_field(wire.ladder.pick("183 INVITE")[0].data, "Require")


def test_a_caller_that_requires_it_gets_every_provisional_response_reliably() -> None:
    wire, alice, bob = two_agents(alice=REQUIRED)
    rings_and_answers(bob, 0, body=None, reliable=False)
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    assert field(wire.ladder[0].data, "Require") == "100rel"
    assert not has_field(wire.ladder.pick("100 INVITE")[0].data, "Require")  # §3: never the 100
    assert field(wire.ladder.pick("183 INVITE")[0].data, "Require") == "100rel"
    assert len(wire.ladder.pick("200 PRACK")) == 1


def test_a_caller_that_requires_what_is_switched_off_is_refused_420() -> None:
    wire, alice, bob = two_agents(alice=REQUIRED, bob=OFF)
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    assert field(wire.ladder.pick("420 INVITE")[0].data, "Unsupported") == "100rel"
    assert bob.events[0][1].__class__.__name__ == "Refused"
    assert alice.one(SessionEnded).status == 420


def test_where_it_is_required_here_every_caller_that_can_gets_it() -> None:
    wire, alice, bob = two_agents(bob=REQUIRED)
    rings_and_answers(bob, 0, reliable=False)
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    assert len(wire.ladder.pick("200 PRACK")) == 1


# ---- what is lost and what comes twice


def test_without_any_prack_it_is_repeated_with_doubling_intervals_and_then_504() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB, extra=("Supported: 100rel",)), ALICE)
    wire.run(until=0.0)
    alice.endpoint.ring(alice.one(IncomingCall).session, 0.0, reliable=True)
    wire.run(until=100.0)
    # RFC 3262 §3: T1, doubling; not capped at T2 as a 2xx is.
    assert wire.ladder.times("180 INVITE") == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert wire.ladder.times("504 INVITE")[0] == 32.0
    assert len({rung.data for rung in wire.ladder.pick("180 INVITE")}) == 1
    assert alice.one(SessionEnded).cause is EndCause.TIMEOUT
    assert alice.when(SessionEnded) == [32.0]
    assert alice.forgot_all(), alice.endpoint.counts()


def test_a_lost_183_is_repeated_and_acknowledged_once() -> None:
    wire, alice, bob = two_agents(Link(delay_s=DELAY_S))
    lost: list[Rung] = []

    def drop(rung: Rung) -> bool:
        if rung.what == "183 INVITE" and len(lost) < 2:
            lost.append(rung)
            return True
        return False

    wire.drop = drop
    rings_and_answers(bob, 0)
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=60.0)
    assert wire.ladder.times("183 INVITE") == [0.05, 0.55, 1.55]
    assert wire.ladder.times("PRACK") == [1.6]
    alice.one(CallProgress)


def test_a_lost_prack_is_repeated_by_itself_and_the_repeated_183_gets_no_second_one() -> None:
    wire, alice, bob = two_agents(Link(delay_s=DELAY_S))
    wire.drop = lambda rung: rung.what == "PRACK" and rung.at < 1.0
    rings_and_answers(bob, 0)
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=30.0)
    assert wire.ladder.times("PRACK") == [0.1, 0.6, 1.6]  # timer E of one transaction
    assert len({rung.data for rung in wire.ladder.pick("PRACK")}) == 1
    assert wire.ladder.times("183 INVITE") == [0.05, 0.55, 1.55]  # the last crosses the PRACK that arrives at 1.65
    alice.one(CallProgress)  # told once


def test_a_lost_200_to_prack_is_repeated_by_its_transaction() -> None:
    wire, alice, bob = two_agents(Link(delay_s=DELAY_S))
    wire.drop = lambda rung: rung.what == "200 PRACK" and rung.at < 0.5
    rings_and_answers(bob, 0)
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=30.0)
    assert wire.ladder.times("200 PRACK") == [0.15, 0.65]
    assert wire.ladder.times("183 INVITE") == [0.05]


@pytest.mark.parametrize("seed", range(12))
def test_reliable_calls_survive_a_bad_network_and_everything_is_forgotten(seed: int) -> None:
    link = Link(delay_s=0.04, jitter_s=0.1, loss=0.25, duplication=0.2)
    wire, alice, bob = two_agents(link, seed=seed)
    rings_and_answers(bob, 0)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=8.0)
    incoming = bob.one(IncomingCall).session
    bob.endpoint.ring(incoming, 8.0, 180, reliable=True)
    bob.endpoint.accept(incoming, ANSWER, 8.5)
    wire.run(until=60.0)
    if alice.told(CallAnswered):
        reliable = [event for event in alice.told(CallProgress) if event.reliable]
        assert reliable[0].body == ANSWER
        assert [event.status for event in reliable] in ([183], [183, 180])
        alice.endpoint.hang_up(session, 60.0)
    wire.run(until=400.0)
    assert len(alice.told(SessionEnded)) == len(bob.told(SessionEnded)) == 1
    assert alice.forgot_all(), alice.endpoint.counts()
    assert bob.forgot_all(), bob.endpoint.counts()


# ---- in order (UAC)


def far_provisional(
    invite: bytes, rseq: int | None, *, status: str = "183 Session Progress", tag: str = "far", body: bytes = b""
) -> bytes:
    reliable = () if rseq is None else ("Require: 100rel", f"RSeq: {rseq}")
    return response_to(invite, status, f"Contact: <sip:{tag}@{BOB}>", *reliable, tag=tag, body=body)


def calling_far_side(offer: bytes | None = OFFER) -> tuple[Wire, Agent, FarSide, str, bytes]:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB, offer), 0.0)
    wire.run(until=0.0)
    return wire, alice, far, session, far.last("INVITE")


def racks(far: FarSide) -> list[str]:
    return [field(data, "RAck") for data in far.got if data.startswith(b"PRACK")]


def test_a_gap_is_neither_acknowledged_nor_told_until_it_is_filled() -> None:
    wire, alice, far, _, invite = calling_far_side()
    for rseq, status in ((10, "183 A"), (12, "182 C"), (11, "180 B"), (11, "180 B"), (10, "183 A"), (12, "182 C")):
        far.say(far_provisional(invite, rseq, status=status), ALICE)
        wire.run(until=wire.now)
    assert racks(far) == ["10 1 INVITE", "11 1 INVITE", "12 1 INVITE"]
    assert [event.status for event in alice.told(CallProgress)] == [183, 180, 182]


def test_each_fork_counts_for_itself() -> None:
    wire, alice, far, _, invite = calling_far_side()
    far.say(far_provisional(invite, 100, tag="one", body=ANSWER), ALICE)
    far.say(far_provisional(invite, 7, tag="two", body=OTHER_ANSWER), ALICE)
    far.say(far_provisional(invite, 101, tag="one"), ALICE)
    wire.run(until=0.0)
    assert racks(far) == ["100 1 INVITE", "7 1 INVITE", "101 1 INVITE"]
    pracks = [data for data in far.got if data.startswith(b"PRACK")]
    assert [tag_of(field(data, "To")) for data in pracks] == ["one", "two", "one"]
    assert [data.split(b" ")[1] for data in pracks[:2]] == [b"sip:one@192.0.2.2:5060", b"sip:two@192.0.2.2:5060"]
    assert [event.body for event in alice.told(CallProgress)] == [ANSWER, OTHER_ANSWER, None]


def test_a_100_is_never_acknowledged_and_nonsense_is_no_answer() -> None:
    wire, _, far, _, invite = calling_far_side()
    far.say(response_to(invite, "100 Trying", "Require: 100rel", "RSeq: 1", tag="far"), ALICE)
    far.say(response_to(invite, "180 Ringing", "Require: 100rel", "RSeq: one", tag="far"), ALICE)
    far.say(response_to(invite, "180 Ringing", "Require: 100rel", "RSeq: 4294967296", tag="far"), ALICE)
    wire.run(until=0.0)
    assert racks(far) == []


def test_sdp_after_the_answer_is_ignored() -> None:
    """RFC 6337 §3.1.1: "any SDP in subsequent responses be ignored"."""
    wire, alice, far, _, invite = calling_far_side()
    far.say(far_provisional(invite, None, body=OTHER_ANSWER), ALICE)  # a preview
    far.say(far_provisional(invite, 1, body=ANSWER), ALICE)
    far.say(far_provisional(invite, 2, body=OTHER_ANSWER), ALICE)
    far.say(response_to(invite, "200 OK", f"Contact: <sip:far@{BOB}>", body=OTHER_ANSWER), ALICE)
    wire.run(until=0.0)
    assert [event.body for event in alice.told(CallProgress)] == [OTHER_ANSWER, ANSWER, None]
    assert alice.one(CallAnswered).body is None


# ---- what a PRACK comes to (UAC)


def test_a_prack_that_is_challenged_is_repeated_with_credentials() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.invite(call_to(BOB, credentials=(Credentials("alice", "secret"),)), 0.0)
    wire.run(until=0.0)
    far.say(far_provisional(far.last("INVITE"), 5), ALICE)
    wire.run(until=0.0)
    challenge = 'Digest realm="bob", nonce="n1", algorithm=MD5, qop="auth"'
    far.say(response_to(far.last("PRACK"), "401 Unauthorized", f"WWW-Authenticate: {challenge}"), ALICE)
    wire.run(until=0.0)
    again = far.last("PRACK")
    assert field(again, "CSeq") == "3 PRACK"
    assert field(again, "RAck") == "5 1 INVITE"
    assert 'username="alice"' in field(again, "Authorization")


@pytest.mark.parametrize("status", ["481 Call/Transaction Does Not Exist", "408 Request Timeout"])
def test_a_prack_to_a_dialog_that_is_gone_ends_the_call(status: str) -> None:
    wire, alice, far, _, invite = calling_far_side()
    far.say(far_provisional(invite, 5), ALICE)
    wire.run(until=0.0)
    far.say(response_to(far.last("PRACK"), status), ALICE)
    wire.run(until=0.0)
    far.say(response_to(far.last("CANCEL"), "200 OK"), ALICE)
    far.say(response_to(invite, "487 Request Terminated"), ALICE)
    wire.run(until=100.0)
    ended = alice.one(SessionEnded)
    assert (ended.cause, ended.status) == (EndCause.GONE, 487)
    assert alice.forgot_all(), alice.endpoint.counts()


def test_a_fork_that_is_gone_leaves_the_others_ringing() -> None:
    wire, alice, far, _, invite = calling_far_side()
    far.say(far_provisional(invite, 5, tag="one"), ALICE)
    wire.run(until=0.0)
    prack = far.last("PRACK")
    far.say(far_provisional(invite, 9, tag="two"), ALICE)
    far.say(response_to(prack, "481 Call/Transaction Does Not Exist"), ALICE)
    wire.run(until=0.0)
    assert "CANCEL" not in str(wire.ladder)
    assert alice.endpoint.counts()["dialogs"] == 1


def test_a_prack_that_was_refused_is_sent_anew_when_the_response_is_repeated() -> None:
    wire, alice, far, _, invite = calling_far_side()
    far.say(far_provisional(invite, 5), ALICE)
    wire.run(until=0.0)
    far.say(response_to(far.last("PRACK"), "500 Server Internal Error"), ALICE)
    far.say(far_provisional(invite, 5), ALICE)
    wire.run(until=0.0)
    assert racks(far) == ["5 1 INVITE", "5 1 INVITE"]
    assert field(far.last("PRACK"), "CSeq") == "3 PRACK"
    alice.one(CallProgress)


def test_a_prack_that_nobody_answers_ends_the_call_after_32_s() -> None:
    wire, alice, far, _, invite = calling_far_side()
    far.say(far_provisional(invite, 5), ALICE)
    wire.run(until=200.0)
    assert wire.ladder.times("CANCEL")[0] == 32.0
    assert alice.one(SessionEnded).cause is EndCause.GONE
    assert alice.forgot_all(), alice.endpoint.counts()


# ---- what a PRACK is answered with (UAS)


def ringing_far_side(*, body: bytes | None = None, offered: bool = True) -> tuple[Wire, Agent, FarSide, str, str, int]:
    """A far side's call that Alice rings reliably; gives her session, her tag and the RSeq."""
    wire, alice, far = agent_and_far_side()
    invite = invite_from(BOB, extra=("Supported: 100rel",))
    far.say(invite if offered else invite.partition(b"Content-Type")[0] + b"Content-Length: 0\r\n\r\n", ALICE)
    wire.run(until=0.0)
    session = alice.one(IncomingCall).session
    alice.endpoint.ring(session, 0.0, 180, None, body, reliable=True)
    wire.run(until=0.0)
    ringing = far.last("SIP/2.0 180")
    return wire, alice, far, session, tag_of(field(ringing, "To")), int(field(ringing, "RSeq"))


def prack(tag: str, cseq: int, rack: str, body: bytes = b"") -> bytes:
    data = in_dialog("PRACK", tag, cseq, f"RAck: {rack}", body=body)
    return data.replace(b"application/dtmf-relay", b"application/sdp")


def test_a_prack_that_matches_nothing_is_481_and_stops_nothing() -> None:
    wire, _, far, _, tag, rseq = ringing_far_side()
    wrong = [f"{rseq + 1} 1 INVITE", f"{rseq} 2 INVITE", f"{rseq} 1 invite", "1 1 INVITE"]
    for number, rack in enumerate(wrong, start=2):
        far.say(prack(tag, number, rack), ALICE)
        wire.run(until=wire.now)
        assert field(far.last("SIP/2.0 481"), "CSeq") == f"{number} PRACK"
    far.say(prack(tag, 9, "nonsense"), ALICE)
    wire.run(until=wire.now)
    assert field(far.last("SIP/2.0 400"), "CSeq") == "9 PRACK"
    wire.run(until=0.6)
    assert wire.ladder.times("180 INVITE") == [0.0, 0.5]
    far.say(prack(tag, 10, f"{rseq} 1 INVITE"), ALICE)
    far.say(prack(tag, 11, f"{rseq} 1 INVITE"), ALICE)
    wire.run(until=20.0)
    assert field(far.last("SIP/2.0 200"), "CSeq") == "10 PRACK"
    assert field(far.last("SIP/2.0 481"), "CSeq") == "11 PRACK"  # acknowledged already
    assert len(wire.ladder.pick("180 INVITE")) == 2


def test_a_second_reliable_response_waits_for_the_first_prack() -> None:
    wire, alice, far, session, tag, rseq = ringing_far_side()
    alice.endpoint.ring(session, 0.1, 181, reliable=True)
    alice.endpoint.ring(session, 0.1, 182, reliable=True)
    wire.run(until=0.2)
    assert wire.ladder.pick("181 INVITE") == []  # RFC 3262 §3: MUST NOT
    far.say(prack(tag, 2, f"{rseq} 1 INVITE"), ALICE)
    wire.run(until=0.2)
    assert field(far.last("SIP/2.0 181"), "RSeq") == str(rseq + 1)
    assert wire.ladder.pick("182 INVITE") == []
    far.say(prack(tag, 3, f"{rseq + 1} 1 INVITE"), ALICE)
    wire.run(until=0.2)
    assert field(far.last("SIP/2.0 182"), "RSeq") == str(rseq + 2)


def test_no_more_than_eight_wait() -> None:
    _, alice, _, session, _, _ = ringing_far_side()
    for _ in range(8):
        alice.endpoint.ring(session, 0.1, 182, reliable=True)
    with pytest.raises(LocalError, match="wait for a PRACK"):
        alice.endpoint.ring(session, 0.1, 182, reliable=True)


def test_the_200_waits_for_the_prack_of_a_response_with_sdp() -> None:
    wire, alice, far, session, tag, rseq = ringing_far_side(body=ANSWER)
    alice.endpoint.accept(session, ANSWER, 1.0)
    assert not alice.endpoint.is_waiting(session)
    with pytest.raises(LocalError, match="it is answered"):
        alice.endpoint.accept(session, ANSWER, 1.0)
    with pytest.raises(LocalError, match="it is answered"):
        alice.endpoint.reject(session, 486, 1.0)
    wire.run(until=2.0)
    assert wire.ladder.pick("200 INVITE") == []  # RFC 3262 §3, §5
    far.say(prack(tag, 2, f"{rseq} 1 INVITE"), ALICE)
    wire.run(until=2.0)
    assert [what for _, what in wire.ladder.messages()[-2:]] == ["200 PRACK", "200 INVITE"]
    far.say(in_dialog("ACK", tag, 1), ALICE)
    wire.run(until=3.0)
    assert alice.one(CallConfirmed).body is None


def test_the_200_does_not_wait_for_the_prack_of_a_response_without_sdp() -> None:
    wire, alice, far, session, tag, rseq = ringing_far_side()
    alice.endpoint.accept(session, ANSWER, 0.1)
    wire.run(until=0.1)
    assert far.last("SIP/2.0 200").endswith(ANSWER)
    far.say(in_dialog("ACK", tag, 1), ALICE)
    wire.run(until=5.0)
    assert wire.ladder.times("180 INVITE") == [0.0]  # not repeated after the final response
    far.say(prack(tag, 2, f"{rseq} 1 INVITE"), ALICE)
    wire.run(until=5.0)
    assert field(far.last("SIP/2.0 200"), "CSeq") == "2 PRACK"  # §3: "prepared to process PRACK"


@pytest.mark.parametrize("how", ["cancel", "hang up", "bye"])
def test_a_held_200_is_dropped_with_its_call(how: str) -> None:
    wire, alice, far, session, tag, rseq = ringing_far_side(body=ANSWER)
    alice.endpoint.accept(session, ANSWER, 1.0)
    wire.now = 1.0
    if how == "cancel":
        cancel = invite_from(BOB).partition(b"Content-Type")[0].replace(b"INVITE", b"CANCEL")
        far.say(cancel + b"Content-Length: 0\r\n\r\n", ALICE)
    elif how == "bye":
        far.say(in_dialog("BYE", tag, 2), ALICE)
    else:
        alice.endpoint.hang_up(session, 1.0)
    wire.run(until=1.0)
    far.say(prack(tag, 3, f"{rseq} 1 INVITE"), ALICE)
    wire.run(until=1.0)
    assert "200 INVITE" not in str(wire.ladder)
    assert field(far.last("SIP/2.0 4"), "CSeq") == "1 INVITE"
    wire.run(until=100.0)
    alice.one(SessionEnded)
    assert alice.forgot_all(), alice.endpoint.counts()


def test_a_prack_that_crosses_the_refusal_is_still_200() -> None:
    wire, alice, far, session, tag, rseq = ringing_far_side()
    alice.endpoint.reject(session, 486, 0.1)
    wire.run(until=0.2)
    far.say(prack(tag, 2, f"{rseq} 1 INVITE"), ALICE)
    wire.run(until=0.2)
    assert field(far.last("SIP/2.0 200"), "CSeq") == "2 PRACK"
    far.say(prack(tag, 3, f"{rseq} 1 INVITE"), ALICE)
    wire.run(until=0.2)
    assert field(far.last("SIP/2.0 481"), "CSeq") == "3 PRACK"
    wire.run(until=100.0)
    assert alice.forgot_all(), alice.endpoint.counts()


def test_a_prack_that_never_comes_after_a_refusal_is_not_waited_for_for_ever() -> None:
    wire, alice, _, session, _, _ = ringing_far_side()
    alice.endpoint.reject(session, 486, 0.0)
    wire.run(until=31.9)
    assert alice.endpoint.counts()["late_pracks"] == 1
    wire.run(until=100.0)
    assert alice.forgot_all(), alice.endpoint.counts()


def test_a_long_ringing_is_renewed_every_two_and_a_half_minutes_with_the_next_rseq() -> None:
    wire, _, far, _, tag, rseq = ringing_far_side()
    far.say(prack(tag, 2, f"{rseq} 1 INVITE"), ALICE)
    wire.run(until=150.0)
    assert wire.ladder.times("180 INVITE") == [0.0, 150.0]  # RFC 3262 §3
    assert field(far.last("SIP/2.0 180"), "RSeq") == str(rseq + 1)


# ---- offers and answers in them


def test_a_call_without_an_offer_gets_it_in_the_first_reliable_response_and_answers_in_the_prack() -> None:
    wire, alice, bob = two_agents(Link(delay_s=DELAY_S))
    rings_and_answers(bob, 0, body=OFFER)
    session = alice.endpoint.invite(call_to(BOB, None), 0.0)
    wire.run(until=1.0)
    progress = alice.one(CallProgress)
    assert (progress.body, progress.reliable, progress.is_offer) == (OFFER, True, True)
    assert wire.ladder.pick("PRACK") == []  # it waits for the answer
    alice.endpoint.acknowledge(session, ANSWER, 1.0, progress.tag)
    wire.run(until=2.0)
    assert wire.ladder.pick("PRACK")[0].data.endswith(ANSWER)
    assert bob.one(EarlyAnswer).body == ANSWER
    bob.endpoint.accept(bob.one(IncomingCall).session, OFFER, 2.0)
    wire.run(until=3.0)
    assert alice.one(CallAnswered).body is None
    assert len(wire.ladder.pick("ACK")) == 1  # nothing is due: the ACK went out at once
    hang_up_and_forget(wire, alice, bob, session)


def test_forks_may_each_offer_and_each_is_answered() -> None:
    wire, alice, far, session, invite = calling_far_side(None)
    far.say(far_provisional(invite, 1, tag="one", body=OFFER), ALICE)
    far.say(far_provisional(invite, 1, tag="two", body=OTHER_OFFER), ALICE)
    wire.run(until=0.0)
    alice.endpoint.acknowledge(session, OTHER_ANSWER, 0.0, "two")
    alice.endpoint.acknowledge(session, ANSWER, 0.0, "one")
    with pytest.raises(LocalError):
        alice.endpoint.acknowledge(session, ANSWER, 0.0, "one")
    wire.run(until=0.0)
    pracks = [data for data in far.got if data.startswith(b"PRACK")]
    assert [(tag_of(field(data, "To")), data.endswith(ANSWER)) for data in pracks] == [("two", False), ("one", True)]


def test_the_first_reliable_response_to_a_call_without_an_offer_must_hold_ours() -> None:
    wire, alice, far = agent_and_far_side()
    invite = invite_from(BOB, extra=("Require: 100rel",))
    far.say(invite.partition(b"Content-Type")[0] + b"Content-Length: 0\r\n\r\n", ALICE)
    wire.run(until=0.0)
    session = alice.one(IncomingCall).session
    with pytest.raises(LocalError, match="holds our offer"):
        alice.endpoint.ring(session, 0.0)
    alice.endpoint.ring(session, 0.0, 180, None, OFFER)
    wire.run(until=0.0)
    assert far.last("SIP/2.0 180").endswith(OFFER)


def test_a_prack_without_the_answer_that_it_owes_is_told_as_none() -> None:
    wire, alice, far, _, tag, rseq = ringing_far_side(body=OFFER, offered=False)
    far.say(prack(tag, 2, f"{rseq} 1 INVITE"), ALICE)
    wire.run(until=0.0)
    assert alice.one(EarlyAnswer).body is None


def test_an_offer_in_a_prack_is_answered_in_its_200() -> None:
    """RFC 3262 §5; the 2xx to the INVITE then comes behind it."""
    wire, alice, far, session, tag, rseq = ringing_far_side(body=ANSWER)
    far.say(prack(tag, 2, f"{rseq} 1 INVITE", OTHER_OFFER), ALICE)
    wire.run(until=0.0)
    assert alice.one(UpdateReceived).offer == OTHER_OFFER
    assert wire.ladder.pick("200 PRACK") == []
    alice.endpoint.accept_update(session, OTHER_ANSWER, 0.0)
    alice.endpoint.accept(session, None, 0.0)
    wire.run(until=0.0)
    assert wire.ladder.pick("200 PRACK")[0].data.endswith(OTHER_ANSWER)
    assert [what for _, what in wire.ladder.messages()[-2:]] == ["200 PRACK", "200 INVITE"]


def test_the_last_reliable_response_of_a_reinvite_is_acknowledged_and_its_answer_told_with_the_2xx() -> None:
    wire, alice, far, session, invite = calling_far_side()
    far.say(response_to(invite, "200 OK", f"Contact: <sip:far@{BOB}>", body=ANSWER), ALICE)
    wire.run(until=0.0)
    alice.endpoint.reinvite(session, OTHER_OFFER, 1.0)
    wire.run(until=1.0)
    again = far.last("INVITE")
    far.say(far_provisional(again, 77, body=OTHER_ANSWER), ALICE)
    wire.run(until=1.0)
    assert racks(far) == ["77 2 INVITE"]
    far.say(response_to(again, "200 OK", f"Contact: <sip:far@{BOB}>"), ALICE)
    wire.run(until=1.0)
    assert alice.one(ReinviteAnswered).body == OTHER_ANSWER
    assert field(far.last("ACK"), "CSeq") == "2 ACK"


def test_a_reinvite_that_asks_for_an_offer_does_not_invite_reliable_responses() -> None:
    wire, alice, far, session, invite = calling_far_side()
    far.say(response_to(invite, "200 OK", f"Contact: <sip:far@{BOB}>", body=ANSWER), ALICE)
    wire.run(until=0.0)
    alice.endpoint.reinvite(session, None, 1.0)
    wire.run(until=1.0)
    assert b"100rel" not in far.last("INVITE")
