"""Subscriptions of ours: made by their NOTIFY, refreshed, refused, ended; and news without a subscription."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import (
    ALICE,
    BOB,
    CAROL,
    Agent,
    FarSide,
    address,
    agent_and_far_side,
    field,
    has_field,
    message,
    response_to,
    tag_of,
    uri,
)
from tests.support.wire import Wire
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.digest import Credentials
from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.events import NoticeReceived, NotifyReceived, SubscriptionEnded
from voipnode.sipstack.message_summary import CONTENT_TYPE, PACKAGE, MessageSummary
from voipnode.sipstack.subscription_table import TABLE, Action, Input, State
from voipnode.sipstack.transport import Address, Hop

SUMMARY = b"Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n"


def subscribed(expires_s: int = 3600, **more: object) -> tuple[Wire, Agent, FarSide, str]:
    """Alice asks the far side how her mailbox stands; it has not answered yet."""
    wire, alice, far = agent_and_far_side()
    call = OutsideRequest(
        "SUBSCRIBE",
        uri("sip:alice@192.0.2.2"),
        address("<sip:alice@192.0.2.2>"),
        headers=(("Contact", "<sip:alice@192.0.2.1:5060>"),),
        **more,  # type: ignore[arg-type]  # a test names the fields it wants
    )
    name = alice.endpoint.subscribe(call, PACKAGE, 0.0, accept=CONTENT_TYPE, expires_s=expires_s)
    wire.run(until=0.0)
    return wire, alice, far, name


def notify(far: FarSide, cseq: int, state: str, *, tag: str = "far", body: bytes = b"", sender: Address = BOB) -> bytes:
    asked = far.last("SUBSCRIBE")
    return message(
        "NOTIFY sip:alice@192.0.2.1:5060 SIP/2.0",
        f"Via: SIP/2.0/UDP {sender};branch=z9hG4bKnotify{tag}{cseq}",
        "Max-Forwards: 70",
        f"From: <sip:alice@192.0.2.2>;tag={tag}",
        f"To: <sip:alice@192.0.2.2>;tag={tag_of(field(asked, 'From'))}",
        f"Call-ID: {field(asked, 'Call-ID')}",
        f"CSeq: {cseq} NOTIFY",
        f"Contact: <sip:mwi@{sender}>",
        "Event: message-summary",
        f"Subscription-State: {state}",
        body=body,
        content_type=CONTENT_TYPE,
    )


def accept(far: FarSide, wire: Wire, expires_s: int = 3600) -> None:
    far.say(response_to(far.last("SUBSCRIBE"), "200 OK", f"Expires: {expires_s}"), ALICE)
    wire.run(until=wire.now)


def tell(far: FarSide, wire: Wire, cseq: int, state: str, **more: object) -> None:
    far.say(notify(far, cseq, state, **more), ALICE)  # type: ignore[arg-type]  # as above
    wire.run(until=wire.now)


def ended(agent: Agent) -> list[tuple[float, int, str, float | None]]:
    return [
        (at, event.status, event.reason, event.again_after_s)
        for at, event in agent.events
        if isinstance(event, SubscriptionEnded)
    ]


def test_every_pair_is_listed_or_without_effect() -> None:
    assert {state for state, _ in TABLE} == set(State) - {State.ENDED}
    assert {happened for _, happened in TABLE} == set(Input)
    assert all((action is Action.END) == (state is State.ENDED) for state, action in TABLE.values())


def test_a_subscription_is_asked_for_refreshed_and_ended() -> None:
    wire, alice, far, name = subscribed()
    asked = far.last("SUBSCRIBE")
    assert (field(asked, "Event"), field(asked, "Expires"), field(asked, "Accept")) == (PACKAGE, "3600", CONTENT_TYPE)
    accept(far, wire)
    tell(far, wire, 1, "active;expires=3600", body=SUMMARY)
    assert alice.one(NotifyReceived) == NotifyReceived(name, PACKAGE, CONTENT_TYPE, SUMMARY)
    wire.run(until=4000)
    times = wire.ladder.times("SUBSCRIBE")
    assert times[:2] == [0.0, 3540.0]
    again = far.last("SUBSCRIBE")
    assert again.startswith(f"SUBSCRIBE sip:mwi@{BOB} SIP/2.0".encode())
    assert tag_of(field(again, "To")) == "far"
    assert field(again, "CSeq") == "2 SUBSCRIBE"
    # nobody answered: 32 s after it there was no NOTIFY (RFC 6665 §4.1.2.2, Timer N)
    assert [(at, status) for at, status, *_ in ended(alice)] == [(3572.0, 408)]
    assert alice.forgot_all(), alice.endpoint.counts()


def test_refreshes_go_on_and_unsubscribing_waits_for_the_last_word() -> None:
    wire, alice, far, name = subscribed(expires_s=60)
    accept(far, wire, 60)
    tell(far, wire, 1, "active;expires=60", body=SUMMARY)
    for number in range(2, 5):
        wire.run(until=(number - 1) * 30.0)
        accept(far, wire, 60)
        tell(far, wire, number, "active;expires=60")
    assert wire.ladder.times("SUBSCRIBE") == [0.0, 30.0, 60.0, 90.0]
    alice.endpoint.unsubscribe(name, 90.0)
    wire.run(until=91.0)
    assert field(far.last("SUBSCRIBE"), "Expires") == "0"
    accept(far, wire, 0)
    tell(far, wire, 9, "terminated;reason=timeout")
    assert ended(alice) == [(91.0, 0, "timeout", 0.0)]
    with pytest.raises(LocalError):
        alice.endpoint.unsubscribe(name, 91.0)
    wire.run(until=200)
    assert alice.forgot_all(), alice.endpoint.counts()


def test_a_notify_may_come_before_the_2xx_and_of_a_fork_the_first_counts() -> None:
    wire, alice, far, _ = subscribed()
    tell(far, wire, 1, "active;expires=600", tag="one", body=SUMMARY)
    tell(far, wire, 1, "active;expires=600", tag="two", body=SUMMARY)
    assert len(alice.told(NotifyReceived)) == 1
    assert far.last("SIP/2.0 481")
    accept(far, wire)
    assert ended(alice) == []


def test_nothing_but_a_2xx_is_no_subscription() -> None:
    wire, alice, far, _ = subscribed()
    accept(far, wire)
    wire.run(until=100)
    assert ended(alice) == [(32.0, 408, "No NOTIFY Came", 300.0)]
    assert alice.forgot_all()


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        ("deactivated", 0.0),
        ("probation;retry-after=77", 77.0),
        ("giveup", 300.0),
        ("rejected", None),
        ("rejected;retry-after=5", None),
        ("noresource", None),
        ("strange", 300.0),
    ],
)
def test_the_reason_of_the_last_notify_says_whether_to_ask_again(reason: str, again: float | None) -> None:
    wire, alice, far, _ = subscribed()
    tell(far, wire, 1, f"terminated;reason={reason}")
    assert ended(alice) == [(0.0, 0, reason.partition(";")[0], again)]  # RFC 6665 §4.1.3
    accept(far, wire)
    wire.run(until=100)
    assert alice.forgot_all()


@pytest.mark.parametrize(
    ("status", "again"), [("489 Bad Event", None), ("403 Forbidden", None), ("503 Busy", 17.0), ("500 Oops", 300.0)]
)
def test_refusals(status: str, again: float | None) -> None:
    wire, alice, far, _ = subscribed()
    fields = ("Retry-After: 17",) if again == 17.0 else ()
    far.say(response_to(far.last("SUBSCRIBE"), status, *fields), ALICE)
    wire.run(until=100)
    assert [(at, code, wait) for at, code, _, wait in ended(alice)] == [(0.0, int(status[:3]), again)]
    assert alice.forgot_all()


def test_too_brief_an_interval_is_asked_for_longer_and_a_silly_one_is_not() -> None:
    wire, alice, far, _ = subscribed(expires_s=60)
    far.say(response_to(far.last("SUBSCRIBE"), "423 Interval Too Brief", "Min-Expires: 900"), ALICE)
    wire.run(until=0.0)
    assert field(far.last("SUBSCRIBE"), "Expires") == "900"
    assert field(far.last("SUBSCRIBE"), "CSeq") == "2 SUBSCRIBE"
    far.say(response_to(far.last("SUBSCRIBE"), "423 Interval Too Brief", "Min-Expires: 4000000000"), ALICE)
    wire.run(until=100)
    assert [status for _, status, *_ in ended(alice)] == [423]
    assert alice.forgot_all()


def test_a_challenge_is_answered_and_the_refresh_brings_credentials_along() -> None:
    wire, _, far, _ = subscribed(credentials=(Credentials("alice", "secret"),))
    challenge = 'WWW-Authenticate: Digest realm="pbx", nonce="n1", qop="auth", algorithm=MD5'
    far.say(response_to(far.last("SUBSCRIBE"), "401 Unauthorized", challenge), ALICE)
    wire.run(until=0.0)
    assert 'username="alice"' in field(far.last("SUBSCRIBE"), "Authorization")
    accept(far, wire)
    tell(far, wire, 1, "active;expires=100")
    wire.run(until=51.0)
    assert field(far.last("SUBSCRIBE"), "CSeq") == "3 SUBSCRIBE"
    assert "nc=00000002" in field(far.last("SUBSCRIBE"), "Authorization")


@pytest.mark.parametrize(("status", "gone_at"), [("481 Gone", 50.0), ("500 Oops", 100.0)])
def test_a_refused_refresh_ends_it_at_once_or_when_its_time_is_up(status: str, gone_at: float) -> None:
    wire, alice, far, _ = subscribed()
    accept(far, wire, 100)
    tell(far, wire, 1, "active;expires=100")
    wire.run(until=50.0)
    far.say(response_to(far.last("SUBSCRIBE"), status), ALICE)
    wire.run(until=300)
    assert [(at, code) for at, code, *_ in ended(alice)] == [(gone_at, int(status[:3]))]  # RFC 6665 §4.1.2.2
    assert alice.forgot_all()


def test_giving_up_before_the_first_notify_leaves_it_to_481() -> None:
    wire, alice, far, name = subscribed()
    alice.endpoint.unsubscribe(name, 0.0)
    assert alice.endpoint.counts()["subscribing"] == 0
    tell(far, wire, 1, "active;expires=600", body=SUMMARY)
    assert far.last("SIP/2.0 481")
    accept(far, wire)
    wire.run(until=100)
    assert alice.told(NotifyReceived) == []
    assert alice.forgot_all()


def test_nobody_else_tells_of_our_mailbox() -> None:
    wire, alice, far, _ = subscribed()
    carol = FarSide(CAROL)
    wire.attach("carol", CAROL, carol)
    carol.say(notify(far, 1, "active", body=SUMMARY, sender=CAROL), ALICE)
    wire.run(until=0.0)
    assert carol.last("SIP/2.0 403")
    assert alice.told(NotifyReceived) == []


# ---- without a subscription


def unasked(package: str = PACKAGE, number: int = 1) -> bytes:
    return message(
        "NOTIFY sip:alice@192.0.2.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {BOB};branch=z9hG4bKun{number}",
        "Max-Forwards: 70",
        "From: <sip:pbx@192.0.2.2>;tag=pbx",
        "To: <sip:alice@192.0.2.1>",
        f"Call-ID: un{number}",
        "CSeq: 1 NOTIFY",
        f"Event: {package}",
        "Subscription-State: active",
        body=SUMMARY,
        content_type=CONTENT_TYPE,
    )


def test_notices_are_taken_from_whom_they_are_welcome() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(unasked(), ALICE)
    wire.run(until=0.0)
    assert has_field(far.last("SIP/2.0 489"), "Allow-Events")
    welcome: list[Hop] = [Hop("UDP", BOB)]
    alice.endpoint.welcome_notices(PACKAGE, lambda source: source in welcome)
    far.say(unasked(number=2), ALICE)
    wire.run(until=0.0)
    assert alice.one(NoticeReceived).body == SUMMARY
    welcome.clear()
    far.say(unasked(number=3), ALICE)
    far.say(unasked("presence", number=4), ALICE)
    wire.run(until=0.0)
    assert far.last("SIP/2.0 481")
    assert field(far.last("SIP/2.0 489"), "Allow-Events") == "refer, message-summary"
    assert len(alice.told(NoticeReceived)) == 1


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        (SUMMARY, MessageSummary(True, "sip:alice@vmail.example.com", 2, 8, 0, 2)),  # RFC 3842 §4
        (b"Messages-Waiting: no", MessageSummary(False)),
        (b"messages-waiting:YES\nvoice-message:4/0\nFax-Message: 1/1\n", MessageSummary(True, "", 4, 0)),
        (b"Messages-Waiting: yes\r\nVoice-Message: many\r\n", MessageSummary(True)),
    ],
)
def test_summaries(body: bytes, summary: MessageSummary) -> None:
    assert MessageSummary.parse(body) == summary


@pytest.mark.parametrize("body", [b"", b"Messages-Waiting: maybe", b"Voice-Message: 1/1", b"\xff\x00"])
def test_what_is_no_summary(body: bytes) -> None:
    with pytest.raises(ParseError):
        MessageSummary.parse(body)
