"""REFER in both roles: blind and attended, refused, silent, and what is left of it when the call ends first."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import (
    ALICE,
    ANSWER,
    BOB,
    Agent,
    FarSide,
    agent_and_far_side,
    call_to,
    field,
    has_field,
    in_dialog,
    invite_from,
    message,
    response_to,
    status_of,
    tag_of,
    two_agents,
    uri,
)
from tests.support.wire import Link, Wire
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import (
    CallAnswered,
    IncomingCall,
    ReferralEnded,
    ReferReceived,
    SessionEnded,
    TransferProgress,
)
from voipnode.sipstack.gate import TurnedAway
from voipnode.sipstack.message import Request
from voipnode.sipstack.replaces import Replaces
from voipnode.sipstack.transport import Hop

CAROL_URI = uri("sip:carol@192.0.2.3")


class Closed:
    """A gate that nobody passes."""

    def request(self, request: Request, source: Hop, now: float) -> TurnedAway | None:
        return TurnedAway(403, "Forbidden", "closed")

    def answers(self, source: Hop, now: float) -> bool:
        return False


def call_up(link: Link | None = None) -> tuple[Wire, Agent, Agent, str, str]:
    """A call from Alice to Bob that stands at 1 s."""
    wire, alice, bob = two_agents(link)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.5)
    incoming = bob.one(IncomingCall).session
    bob.endpoint.accept(incoming, ANSWER, 0.5)
    wire.run(until=1.0)
    alice.one(CallAnswered)
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
    return wire, alice, far, session, tag


def refer(tag: str, cseq: int, *fields: str, to: str = "Refer-To: <sip:carol@192.0.2.3>") -> bytes:
    return in_dialog("REFER", tag, cseq, f"Contact: <sip:bob@{BOB}>", to, *fields)


def notify(tag: str, cseq: int, state: str, fragment: str, event: str = "refer") -> bytes:
    fields = (f"Contact: <sip:bob@{BOB}>", f"Event: {event}", f"Subscription-State: {state}")
    data = in_dialog("NOTIFY", tag, cseq, *fields, body=fragment.encode())
    return data.replace(b"application/dtmf-relay", b"message/sipfrag;version=2.0")


def progress(agent: Agent) -> list[tuple[float, int, bool]]:
    return [(at, event.status, event.final) for at, event in agent.events if isinstance(event, TransferProgress)]


def test_a_blind_transfer_as_rfc_5589_draws_it() -> None:
    wire, alice, bob, session, incoming = call_up(Link(delay_s=0.01))
    token = alice.endpoint.refer(session, CAROL_URI, 1.0, referred_by="<sip:alice@192.0.2.1>")
    wire.run(until=1.2)
    asked = bob.one(ReferReceived)
    assert (asked.session, asked.refer_to, asked.replaces) == (incoming, CAROL_URI, None)
    assert asked.referred_by == "<sip:alice@192.0.2.1>"
    bob.endpoint.accept_refer(asked.token, 1.2)
    wire.at(2.0, lambda: bob.endpoint.refer_progress(asked.token, 180, "Ringing", 2.0))
    wire.at(3.0, lambda: bob.endpoint.refer_progress(asked.token, 200, "OK", 3.0))
    wire.at(3.5, lambda: alice.endpoint.hang_up(session, 3.5))
    wire.run(until=4.0)
    assert [(rung.sender, rung.what) for rung in wire.ladder[4:]] == [
        ("alice", "REFER"),
        ("bob", "202 REFER"),
        ("bob", "NOTIFY"),
        ("alice", "200 NOTIFY"),
        ("bob", "NOTIFY"),
        ("alice", "200 NOTIFY"),
        ("bob", "NOTIFY"),
        ("alice", "200 NOTIFY"),
        ("alice", "BYE"),
        ("bob", "200 BYE"),
    ]
    notifies = [rung.data for rung in wire.ladder.pick("NOTIFY")]
    assert [field(data, "Subscription-State") for data in notifies] == [
        "active;expires=180",
        "active;expires=179",
        "terminated;reason=noresource",
    ]
    assert notifies[0].partition(b"\r\n\r\n")[2] == b"SIP/2.0 100 Trying\r\n"
    assert {field(data, "Event") for data in notifies} == {"refer"}
    assert progress(alice) == [(1.21, 100, False), (2.01, 180, False), (3.01, 200, True)]
    assert alice.told(TransferProgress)[-1] == TransferProgress(session, token, 200, "OK", True)
    assert bob.when(ReferralEnded) == [3.02]
    wire.run(until=200)
    assert alice.forgot_all(), alice.endpoint.counts()
    assert bob.forgot_all(), bob.endpoint.counts()


def test_attended_transfer_names_the_other_dialog_as_its_far_side_sees_it() -> None:
    wire, alice, bob, session, _ = call_up()
    other = alice.endpoint.invite(call_to(BOB), 1.0)
    wire.run(until=1.0)
    bob.endpoint.accept(bob.told(IncomingCall)[1].session, ANSWER, 1.0)
    wire.run(until=2.0)
    alice.endpoint.refer(session, None, 2.0, replaces=other)
    wire.run(until=2.0)
    sent = wire.ladder.pick("REFER")[0].data
    assert field(sent, "Refer-To").startswith("<sip:bob@192.0.2.2:5060?Replaces=alice-call-6%3Bto-tag%3Dbob-tag-")
    asked = bob.one(ReferReceived)
    invited = bob.told(IncomingCall)[1].request
    assert asked.replaces is not None
    assert (asked.replaces.call_id, asked.replaces.from_tag) == (invited.call_id, invited.from_tag)
    assert asked.refer_to == uri("sip:bob@192.0.2.2:5060")
    assert Replaces.parse(str(asked.replaces)) == asked.replaces


@pytest.mark.parametrize("status", [403, 603])
def test_a_refused_refer_ends_the_transfer_and_not_the_call(status: int) -> None:
    wire, alice, bob, session, _ = call_up()
    alice.endpoint.refer(session, CAROL_URI, 1.0)
    wire.run(until=1.0)
    bob.endpoint.reject_refer(bob.one(ReferReceived).token, status, 1.0)
    wire.run(until=100)
    assert progress(alice) == [(1.0, status, True)]
    assert alice.told(SessionEnded) == []
    alice.endpoint.refer(session, CAROL_URI, 100.0)  # and may be tried again
    wire.run(until=100)
    assert len(bob.told(ReferReceived)) == 2


def test_one_refer_at_a_time_and_only_in_an_answered_call() -> None:
    wire, alice, bob = two_agents()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    with pytest.raises(LocalError, match="no transfer while CALLING"):
        alice.endpoint.refer(session, CAROL_URI, 0.0)
    wire.run(until=0.0)
    bob.endpoint.accept(bob.one(IncomingCall).session, ANSWER, 0.0)
    wire.run(until=1.0)
    alice.endpoint.refer(session, CAROL_URI, 1.0)
    with pytest.raises(LocalError, match="another REFER"):
        alice.endpoint.refer(session, CAROL_URI, 1.0)
    with pytest.raises(LocalError, match="no REFER"):
        bob.endpoint.accept_refer("r99", 1.0)


def test_a_202_with_nothing_after_it_is_given_up_after_64_t1() -> None:
    wire, alice, far, session, _ = far_side_up()
    alice.endpoint.refer(session, CAROL_URI, 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("REFER"), "202 Accepted"), ALICE)
    wire.run(until=100)
    assert progress(alice) == [(32.0, 408, True)]  # RFC 6665 §4.1.2.4, Timer N
    assert alice.endpoint.counts()["references"] == alice.endpoint.counts()["watches"] == 0


def test_a_referral_that_is_never_ended_is_given_up_after_its_own_time() -> None:
    wire, alice, far, session, tag = far_side_up()
    alice.endpoint.refer(session, CAROL_URI, 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("REFER"), "202 Accepted"), ALICE)
    far.say(notify(tag, 2, "active;expires=4294967295", "SIP/2.0 180 Ringing\r\n"), ALICE)
    wire.run(until=1000)
    assert progress(alice) == [(0.0, 180, False), (332.0, 408, True)]


def test_a_notify_that_overtakes_the_202_counts_and_a_stray_one_is_481() -> None:
    wire, alice, far, session, tag = far_side_up()
    far.say(notify(tag, 2, "active", "SIP/2.0 100 Trying\r\n"), ALICE)
    wire.run(until=0.0)
    assert status_of(far.last("SIP/2.0 481")) == 481
    alice.endpoint.refer(session, CAROL_URI, 0.0)
    wire.run(until=0.0)
    far.say(notify(tag, 3, "terminated;reason=noresource", "SIP/2.0 486 Busy Here\r\n", "refer;id=1"), ALICE)
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 200"), "CSeq") == "3 NOTIFY"
    far.say(response_to(far.last("REFER"), "202 Accepted"), ALICE)
    wire.run(until=100)
    assert progress(alice) == [(0.0, 486, True)]


@pytest.mark.parametrize(
    ("event", "state", "body", "status"),
    [
        ("refer;id=77", "active", "SIP/2.0 200 OK\r\n", 481),
        ("refer", "", "SIP/2.0 200 OK\r\n", 400),
        ("refer", "active", "hello", 400),
        ("presence", "active", "x", 481),
    ],
)
def test_notifies_that_say_nothing_usable(event: str, state: str, body: str, status: int) -> None:
    wire, alice, far, session, tag = far_side_up()
    alice.endpoint.refer(session, CAROL_URI, 0.0)
    data = notify(tag, 2, state, body, event)
    far.say(data if state else data.replace(b"Subscription-State: \r\n", b""), ALICE)
    wire.run(until=0.0)
    assert far.last(f"SIP/2.0 {status}")
    assert progress(alice) == []


def test_nobody_else_reports_on_our_transfer() -> None:
    wire, alice, _, session, tag = far_side_up()
    stranger = FarSide(ALICE._replace(host="192.0.2.66"))
    wire.attach("stranger", stranger.address, stranger)
    alice.endpoint.refer(session, CAROL_URI, 0.0)
    stranger.say(notify(tag, 2, "terminated", "SIP/2.0 200 OK\r\n"), ALICE)
    wire.run(until=0.0)
    assert progress(alice) == []
    assert [status_of(data) for data in stranger.got] == [403]


def test_norefersub_on_our_side_means_success_without_notify() -> None:
    wire, alice, far, session, _ = far_side_up()
    alice.endpoint.refer(session, CAROL_URI, 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("REFER"), "200 OK", "Refer-Sub: false"), ALICE)
    wire.run(until=0.0)
    assert progress(alice) == [(0.0, 200, True)]  # RFC 4488 §4


def test_norefersub_of_the_far_side_keeps_us_quiet() -> None:
    wire, alice, far, _, tag = far_side_up()
    far.say(refer(tag, 2, "Refer-Sub: false"), ALICE)
    wire.run(until=0.0)
    token = alice.one(ReferReceived).token
    alice.endpoint.accept_refer(token, 0.0)
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 202"), "Refer-Sub") == "false"
    assert not alice.endpoint.refer_progress(token, 180, "Ringing", 0.0)
    assert not alice.endpoint.refer_progress(token, 200, "OK", 0.0)
    wire.run(until=1.0)
    assert not any(data.startswith(b"NOTIFY") for data in far.got)
    assert alice.endpoint.counts()["referrals"] == 0


@pytest.mark.parametrize(
    ("to", "status"),
    [
        ("Refer-To: <tel:+4912345>", 416),
        ("Refer-To: <http://192.0.2.3/>", 416),
        ("Refer-To: <sip:a@192.0.2.3>, <sip:b@192.0.2.3>", 400),
        ("Refer-To: <sip:a@192.0.2.3>\r\nRefer-To: <sip:b@192.0.2.3>", 400),
        ("X-Nothing: 1", 400),
        ("Refer-To: <sip:a@192.0.2.3;method=BYE>", 603),
        ("Refer-To: <sip:a@192.0.2.3?Replaces=x>", 400),
        ("Refer-To: <sip:a@192.0.2.3?Replaces=x%0D%0AEvil:1%3Bto-tag%3D1%3Bfrom-tag%3D2>", 400),
        ("Refer-To: <sip:a@192.0.2.3?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=y%3Bto-tag%3D1>", 400),
        ("Refer-To: <sip:a@192.0.2.3>\r\nReferred-By: nonsense<", 400),
    ],
)
def test_refers_that_nobody_is_asked_about(to: str, status: int) -> None:
    wire, alice, far, session, tag = far_side_up()
    far.say(refer(tag, 2, to=to), ALICE)
    wire.run(until=0.0)
    assert far.last(f"SIP/2.0 {status}")
    assert alice.told(ReferReceived) == []
    assert alice.endpoint.counts()["referrals"] == 0
    assert alice.endpoint.knows(session)


def test_refer_outside_a_call_or_from_elsewhere_is_refused() -> None:
    wire, alice, far, _, tag = far_side_up()
    outside = message(
        "REFER sip:alice@192.0.2.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {BOB};branch=z9hG4bKout",
        "From: <sip:bob@192.0.2.2>;tag=x",
        "To: <sip:alice@192.0.2.1>",
        "Call-ID: other",
        "CSeq: 1 REFER",
        "Max-Forwards: 70",
        "Refer-To: <sip:carol@192.0.2.3>",
    )
    far.say(outside, ALICE)
    wire.run(until=0.0)
    assert far.last("SIP/2.0 403")
    stranger = FarSide(ALICE._replace(host="192.0.2.66"))
    wire.attach("stranger", stranger.address, stranger)
    stranger.say(refer(tag, 2), ALICE)
    wire.run(until=0.0)
    assert alice.told(ReferReceived) == []


def test_a_refer_that_the_layer_above_forgets_is_answered_480() -> None:
    wire, alice, far, _, tag = far_side_up()
    far.say(refer(tag, 2), ALICE)
    wire.run(until=100)
    assert wire.ladder.times("480 REFER") == [16.0]
    assert alice.endpoint.counts()["referrals"] == 0


def test_the_second_refer_of_a_call_has_an_id_and_a_fifth_is_too_many() -> None:
    wire, alice, far, _, tag = far_side_up()
    for cseq in range(2, 7):
        far.say(refer(tag, cseq), ALICE)
        wire.run(until=0.0)
        for event in alice.told(ReferReceived)[cseq - 2 :]:
            alice.endpoint.accept_refer(event.token, 0.0)
        wire.run(until=0.0)
    sent = [data for data in far.got if data.startswith(b"NOTIFY")]
    assert [field(data, "Event") for data in sent] == ["refer", "refer;id=3", "refer;id=4", "refer;id=5"]
    assert field(far.last("SIP/2.0 503"), "Retry-After") == "10"


def test_notifies_go_one_at_a_time_and_the_newest_state_waits() -> None:
    wire, alice, far, _, tag = far_side_up()
    far.say(refer(tag, 2), ALICE)
    wire.run(until=0.0)
    token = alice.one(ReferReceived).token
    alice.endpoint.accept_refer(token, 0.0)
    for status in (180, 183, 200):
        alice.endpoint.refer_progress(token, status, "x", 0.0)
    wire.run(until=0.1)
    sent = [data for data in far.got if data.startswith(b"NOTIFY")]
    assert len(sent) == 1
    far.say(response_to(sent[0], "200 OK"), ALICE)
    wire.run(until=0.1)
    last = far.last("NOTIFY")
    assert last.endswith(b"SIP/2.0 200 x\r\n")
    assert alice.told(ReferralEnded) == []
    far.say(response_to(last, "200 OK"), ALICE)
    wire.run(until=0.2)
    assert alice.one(ReferralEnded).token == token
    assert not alice.endpoint.refer_progress(token, 200, "OK", 0.2)


@pytest.mark.parametrize("answer", ["481 Gone", None])
def test_a_notify_that_nobody_takes_ends_the_subscription_alone(answer: str | None) -> None:
    wire, alice, far, session, tag = far_side_up()
    far.say(refer(tag, 2), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept_refer(alice.one(ReferReceived).token, 0.0)
    wire.run(until=0.0)
    if answer:
        far.say(response_to(far.last("NOTIFY"), answer), ALICE)
    wire.run(until=100)
    assert alice.when(ReferralEnded) == [0.0 if answer else 32.0]
    assert alice.endpoint.knows(session)  # RFC 5057 §5.1
    assert alice.endpoint.counts()["subscriptions"] == 0


def test_the_far_side_may_hang_up_after_the_202_and_still_hears_the_end() -> None:
    wire, alice, far, _, tag = far_side_up()
    far.say(refer(tag, 2), ALICE)
    wire.run(until=0.0)
    token = alice.one(ReferReceived).token
    alice.endpoint.accept_refer(token, 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("NOTIFY"), "200 OK"), ALICE)
    far.say(in_dialog("BYE", tag, 3), ALICE)
    wire.run(until=1.0)
    alice.one(SessionEnded)
    assert alice.endpoint.refer_progress(token, 200, "OK", 1.0)
    wire.run(until=1.0)
    assert far.last("NOTIFY").endswith(b"SIP/2.0 200 OK\r\n")
    far.say(response_to(far.last("NOTIFY"), "200 OK"), ALICE)
    wire.run(until=200)
    assert alice.forgot_all(), alice.endpoint.counts()


def test_a_notify_after_our_bye_still_tells_how_the_transfer_went() -> None:
    wire, alice, far, session, tag = far_side_up()
    alice.endpoint.refer(session, CAROL_URI, 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("REFER"), "202 Accepted"), ALICE)
    wire.run(until=0.5)
    alice.endpoint.hang_up(session, 0.5)
    wire.run(until=0.5)
    far.say(response_to(far.last("BYE"), "200 OK"), ALICE)
    alice.endpoint.screen(Closed())  # what we asked for passes, even from a stranger
    far.say(notify(tag, 2, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n"), ALICE)
    wire.run(until=1.0)
    assert progress(alice) == [(0.5, 200, True)]
    wire.run(until=200)
    assert alice.forgot_all(), alice.endpoint.counts()


def test_the_far_side_may_end_or_prolong_its_subscription() -> None:
    wire, alice, far, _, tag = far_side_up()
    far.say(refer(tag, 2), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept_refer(alice.one(ReferReceived).token, 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("NOTIFY"), "200 OK"), ALICE)
    wire.run(until=100.0)
    far.say(in_dialog("SUBSCRIBE", tag, 3, "Event: refer", "Expires: 900"), ALICE)
    wire.run(until=100.0)
    assert field(far.last("SIP/2.0 200"), "Expires") == "600"
    assert field(far.last("NOTIFY"), "Subscription-State") == "active;expires=600"
    far.say(response_to(far.last("NOTIFY"), "200 OK"), ALICE)
    far.say(in_dialog("SUBSCRIBE", tag, 4, "Event: refer", "Expires: 0"), ALICE)
    wire.run(until=101.0)
    assert field(far.last("NOTIFY"), "Subscription-State") == "terminated;reason=timeout"
    far.say(response_to(far.last("NOTIFY"), "200 OK"), ALICE)
    wire.run(until=102.0)
    alice.one(ReferralEnded)
    far.say(in_dialog("SUBSCRIBE", tag, 5, "Event: refer", "Expires: 60"), ALICE)
    wire.run(until=102.0)
    assert far.last("SIP/2.0 481")


def test_a_subscription_that_nobody_ends_ends_by_itself() -> None:
    wire, alice, far, _, tag = far_side_up()
    far.say(refer(tag, 2), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept_refer(alice.one(ReferReceived).token, 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("NOTIFY"), "200 OK"), ALICE)
    far.on_message = lambda data, source: data.startswith(b"NOTIFY") and far.say(response_to(data, "200 OK"), ALICE)
    wire.run(until=300)
    assert alice.when(ReferralEnded) == [180.0]
    assert field(far.last("NOTIFY"), "Subscription-State") == "terminated;reason=timeout"
    assert alice.endpoint.counts()["referrals"] == 0


@pytest.mark.parametrize(("package", "status"), [("refer", 403), ("dialog", 489), ("presence", 489)])
def test_nothing_can_be_subscribed_to_from_outside(package: str, status: int) -> None:
    wire, alice, far = agent_and_far_side()
    request = message(
        "SUBSCRIBE sip:alice@192.0.2.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {BOB};branch=z9hG4bKsub",
        "From: <sip:bob@192.0.2.2>;tag=x",
        "To: <sip:alice@192.0.2.1>",
        "Call-ID: sub",
        "CSeq: 1 SUBSCRIBE",
        "Max-Forwards: 70",
        f"Event: {package}",
    )
    far.say(request, ALICE)
    wire.run(until=0.0)
    answer = far.last(f"SIP/2.0 {status}")
    assert has_field(answer, "Allow-Events") == (status == 489)
    without = request.replace(f"Event: {package}\r\n".encode(), b"").replace(b": sub", b": sub2")
    far.say(without.replace(b"bKsub", b"bKsub2"), ALICE)
    wire.run(until=0.0)
    assert far.last("SIP/2.0 489")
    wire.run(until=100)
    assert alice.forgot_all()


def test_nobody_else_ends_the_subscription_of_the_far_side() -> None:
    wire, alice, far, _, tag = far_side_up()
    far.say(refer(tag, 2), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept_refer(alice.one(ReferReceived).token, 0.0)
    stranger = FarSide(ALICE._replace(host="192.0.2.66"))
    wire.attach("stranger", stranger.address, stranger)
    stranger.say(in_dialog("SUBSCRIBE", tag, 9, "Event: refer", "Expires: 0"), ALICE)
    wire.run(until=0.1)
    assert stranger.last("SIP/2.0 403")
    assert field(far.last("NOTIFY"), "Subscription-State").startswith("active")


@pytest.mark.parametrize("seed", range(12))
def test_transfers_over_a_bad_network_come_to_an_end_and_leave_nothing(seed: int) -> None:
    bad = Link(delay_s=0.03, jitter_s=0.2, loss=0.25, duplication=0.1)
    wire, alice, bob = two_agents(bad, seed=seed)

    def carry_out(event: object, now: float) -> None:
        if isinstance(event, IncomingCall):
            bob.endpoint.accept(event.session, ANSWER, now)
        elif isinstance(event, ReferReceived):
            bob.endpoint.accept_refer(event.token, now)
            wire.at(now + 1.0, lambda: bob.endpoint.refer_progress(event.token, 180, "Ringing", wire.now))
            wire.at(now + 2.0, lambda: bob.endpoint.refer_progress(event.token, 200, "OK", wire.now))

    def ask(event: object, now: float) -> None:
        if isinstance(event, CallAnswered):
            alice.endpoint.refer(event.session, CAROL_URI, now)
        elif isinstance(event, TransferProgress) and event.final and alice.endpoint.knows(event.session):
            alice.endpoint.hang_up(event.session, now)

    bob.on_event, alice.on_event = carry_out, ask
    for _ in range(10):
        alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=700.0)
    answered = len(alice.told(CallAnswered))
    finals = [event for event in alice.told(TransferProgress) if event.final]
    assert len(finals) == answered
    assert sum(event.status == 200 for event in finals) >= answered - 3
    for session in {event.session for event in alice.told(CallAnswered)}:
        if alice.endpoint.knows(session):
            alice.endpoint.hang_up(session, 700.0)
    wire.run(until=1000.0)
    for agent in (alice, bob):
        counts = agent.endpoint.counts()
        assert not any(counts[what] for what in ("references", "referrals", "watches", "subscriptions")), counts
        assert counts["transactions"] == 0


def test_a_refer_may_overtake_the_ack() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept(alice.one(IncomingCall).session, ANSWER, 0.0)
    wire.run(until=0.0)
    tag = tag_of(field(far.last("SIP/2.0 200"), "To"))
    far.say(refer(tag, 2), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept_refer(alice.one(ReferReceived).token, 0.0)
    wire.run(until=0.0)
    assert far.last("SIP/2.0 202")
