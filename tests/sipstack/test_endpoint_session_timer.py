"""Session timers (RFC 4028): agreed, refreshed by UPDATE or re-INVITE, refused as too short, and run out."""

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
from tests.support.wire import Link, Wire
from voipnode.sipstack.config import EndpointConfig, Extension
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import (
    CallAnswered,
    CallConfirmed,
    EndCause,
    IncomingCall,
    ReinviteAnswered,
    ReinviteReceived,
    SessionEnded,
    SessionRefreshed,
    UpdateAnswered,
    UpdateReceived,
)

OFF = EndpointConfig(session_timer=Extension.OFF)
ALWAYS = EndpointConfig(session_timer=Extension.REQUIRED, session_expires_s=100)
SHORT = EndpointConfig(session_expires_s=100)
LONG = EndpointConfig(min_se_s=300)


def call_up(
    alice: EndpointConfig | None = None, bob: EndpointConfig | None = None, link: Link | None = None
) -> tuple[Wire, Agent, Agent, str, str]:
    """A call from Alice to Bob, answered at 0 s, with the names both have for it."""
    wire, caller, called = two_agents(link, alice, bob)

    def answer(event: object, now: float) -> None:
        if isinstance(event, IncomingCall):
            called.endpoint.accept(event.session, ANSWER, now)

    called.on_event = answer
    session = caller.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.5)
    caller.one(CallAnswered)
    called.one(CallConfirmed)
    return wire, caller, called, session, called.one(IncomingCall).session


# ---- agreed


def test_the_caller_asks_and_refreshes_at_half_of_the_interval_by_update() -> None:
    wire, alice, bob, session, _ = call_up(SHORT)
    invite, answer = wire.ladder.pick("INVITE")[0].data, wire.ladder.pick("200 INVITE")[0].data
    assert field(invite, "Session-Expires") == "100"
    assert "timer" in field(invite, "Supported")
    assert field(answer, "Session-Expires") == "100;refresher=uac"
    assert field(answer, "Require") == "timer"
    wire.run(until=160.0)
    assert wire.ladder.times("UPDATE") == [50.0, 100.0, 150.0]
    refresh, done = wire.ladder.pick("UPDATE")[0].data, wire.ladder.pick("200 UPDATE")[0].data
    assert field(refresh, "Session-Expires") == field(done, "Session-Expires") == "100;refresher=uac"
    assert refresh.endswith(b"\r\n\r\n")  # §7.4: an UPDATE should hold no offer
    # The layer above hears nothing of it.
    assert alice.told(UpdateAnswered) == bob.told(UpdateReceived) == []
    alice.endpoint.hang_up(session, 160.0)
    wire.run(until=400.0)
    assert alice.forgot_all(), alice.endpoint.counts()
    assert bob.forgot_all(), bob.endpoint.counts()


def test_the_default_is_half_an_hour() -> None:
    wire, *_ = call_up()
    wire.run(until=2000.0)
    assert wire.ladder.times("UPDATE") == [900.0, 1800.0]


def test_switched_off_on_either_side_there_is_no_timer() -> None:
    for alice, bob in ((OFF, None), (None, OFF)):
        wire, caller, called, *_ = call_up(alice, bob)
        assert (b"timer" in wire.ladder.pick("INVITE")[0].data) is (alice is not OFF)
        assert not has_field(wire.ladder.pick("200 INVITE")[0].data, "Session-Expires")
        wire.run(until=4000.0)
        assert wire.ladder.pick("UPDATE") == []
        assert caller.told(SessionEnded) == called.told(SessionEnded) == []


def test_a_call_may_ask_for_its_own_interval_or_for_none() -> None:
    for wanted_s, asked in ((600, "600"), (0, None)):
        wire, alice, _ = two_agents()
        alice.endpoint.invite(call_to(BOB, session_expires_s=wanted_s), 0.0)
        wire.flush()
        invite = wire.ladder[0].data
        assert (field(invite, "Session-Expires") if asked else None) == asked
        assert has_field(invite, "Session-Expires") is (asked is not None)


def test_the_called_side_shortens_the_interval_to_its_own() -> None:
    wire, *_ = call_up(None, SHORT)
    assert field(wire.ladder.pick("200 INVITE")[0].data, "Session-Expires") == "100;refresher=uac"
    wire.run(until=60.0)
    assert wire.ladder.times("UPDATE") == [50.0]


# ---- 422


def test_an_interval_that_is_too_short_is_422_and_the_call_is_placed_again_with_a_longer_one() -> None:
    wire, alice, bob, *_ = call_up(SHORT, LONG, Link(delay_s=0.01))
    refusal = wire.ladder.pick("422 INVITE")[0].data
    assert field(refusal, "Min-SE") == "300"
    first, second = (rung.data for rung in wire.ladder.pick("INVITE"))
    assert field(second, "Session-Expires") == "300"
    assert field(second, "Min-SE") == "300"
    assert field(second, "Call-ID") == field(first, "Call-ID")
    assert field(second, "From") == field(first, "From")
    assert (field(first, "CSeq"), field(second, "CSeq")) == ("1 INVITE", "2 INVITE")  # §7.3
    bob.one(IncomingCall)
    wire.run(until=200.0)
    assert wire.ladder.times("UPDATE") == [pytest.approx(150.05, abs=0.1)]
    assert field(wire.ladder.pick("UPDATE")[0].data, "Min-SE") == "300"  # §7.4
    assert alice.told(SessionEnded) == []


@pytest.mark.parametrize("fields", [(), ("Min-SE: 90",), ("Min-SE: 86401",), ("Min-SE: soon",)])
def test_a_422_that_says_nothing_better_ends_the_call(fields: tuple[str, ...]) -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("INVITE"), "422 Session Interval Too Small", *fields), ALICE)
    wire.run(until=100.0)
    if fields != ("Min-SE: soon",):
        assert alice.one(SessionEnded).status == 422
        assert alice.forgot_all()


def test_one_that_always_wants_more_is_given_up_on() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.invite(call_to(BOB), 0.0)
    for least_s in (2000, 3000, 4000, 5000):
        wire.run(until=wire.now)
        far.say(response_to(far.last("INVITE"), "422 Too Small", f"Min-SE: {least_s}"), ALICE)
    wire.run(until=wire.now)
    assert len([data for data in far.got if data.startswith(b"INVITE")]) == 3
    assert alice.one(SessionEnded).status == 422


# ---- with a far side of plain text


def called_up(*answer_fields: str, config: EndpointConfig = SHORT) -> tuple[Wire, Agent, FarSide, str]:
    """Alice calls a far side whose 200 carries these fields."""
    wire, alice, far = agent_and_far_side(config)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    contact = f"Contact: <sip:far@{BOB}>"
    far.say(response_to(far.last("INVITE"), "200 OK", contact, *answer_fields, body=ANSWER), ALICE)
    wire.run(until=0.0)
    return wire, alice, far, session


def calling_up(*fields: str, config: EndpointConfig = SHORT) -> tuple[Wire, Agent, FarSide, str, str]:
    """A far side calls Alice with these fields; gives her session and her tag."""
    wire, alice, far = agent_and_far_side(config)
    far.say(invite_from(BOB, extra=fields), ALICE)
    wire.run(until=0.0)
    session = alice.one(IncomingCall).session
    alice.endpoint.accept(session, ANSWER, 0.0)
    wire.run(until=0.0)
    tag = tag_of(field(far.last("SIP/2.0 200"), "To"))
    far.say(in_dialog("ACK", tag, 1), ALICE)
    wire.run(until=0.0)
    return wire, alice, far, session, tag


def test_a_peer_without_update_is_refreshed_by_a_reinvite_that_changes_nothing() -> None:
    wire, alice, far, _ = called_up("Session-Expires: 100;refresher=uac", "Require: timer", "Allow: INVITE, ACK, BYE")
    wire.run(until=50.0)
    refresh = far.last("INVITE")
    assert field(refresh, "CSeq") == "2 INVITE"
    assert refresh.endswith(OFFER)  # the same o= line, byte for byte (§7.4)
    far.say(response_to(refresh, "200 OK", "Session-Expires: 100;refresher=uac", body=ANSWER), ALICE)
    wire.run(until=99.0)
    assert field(far.last("ACK"), "CSeq") == "2 ACK"
    assert alice.told(ReinviteAnswered) == alice.told(SessionRefreshed) == []
    assert len(wire.ladder.pick("INVITE")) == 2
    wire.run(until=100.0)
    assert len(wire.ladder.pick("INVITE")) == 3


def test_a_refresh_that_is_answered_otherwise_than_before_is_told() -> None:
    moved = ANSWER.replace(b"m=audio 4000", b"m=audio 4444")
    wire, alice, far, session = called_up("Session-Expires: 100;refresher=uac", "Require: timer")
    wire.run(until=50.0)
    far.say(response_to(far.last("INVITE"), "200 OK", "Session-Expires: 100;refresher=uac", body=moved), ALICE)
    wire.run(until=50.0)
    assert alice.one(SessionRefreshed) == SessionRefreshed(session, moved)


def test_a_peer_that_refuses_update_as_unknown_gets_a_reinvite_at_once() -> None:
    wire, _, far, _ = called_up("Session-Expires: 100;refresher=uac", "Require: timer", "Allow: INVITE, UPDATE")
    wire.run(until=50.0)
    far.say(response_to(far.last("UPDATE"), "501 Not Implemented"), ALICE)
    wire.run(until=50.0)
    assert field(far.last("INVITE"), "CSeq") == "3 INVITE"


def test_a_peer_that_knows_no_timers_has_none_unless_they_are_required_here() -> None:
    wire, alice, _, _ = called_up()
    wire.run(until=1000.0)
    assert len(wire.ladder.pick("INVITE")) == 1
    assert alice.told(SessionEnded) == []
    wire, alice, _, _ = called_up(config=ALWAYS)  # §7.2: "purely for its benefit alone"
    wire.run(until=50.0)
    assert wire.ladder.times("INVITE") == [0.0, 50.0]
    wire.run(until=200.0)  # and nobody answers that
    assert alice.one(SessionEnded).cause is EndCause.GONE
    assert alice.when(SessionEnded) == [82.0]
    assert alice.forgot_all()


def test_a_caller_that_knows_no_timers_has_none_unless_they_are_required_here() -> None:
    _, _, far, _, _ = calling_up()
    assert not has_field(far.last("SIP/2.0 200"), "Session-Expires")
    _, _, far, _, _ = calling_up(config=ALWAYS)
    assert field(far.last("SIP/2.0 200"), "Session-Expires") == "100;refresher=uas"
    assert not has_field(far.last("SIP/2.0 200"), "Require")


@pytest.mark.parametrize(
    ("fields", "answered"),
    [  # RFC 4028 table 2
        (("Session-Expires: 1800",), "100;refresher=uas"),  # a proxy asked for it
        (("Session-Expires: 1800", "Supported: timer"), "100;refresher=uac"),
        (("Session-Expires: 1800;refresher=uac", "Supported: timer"), "100;refresher=uac"),
        (("Session-Expires: 1800;refresher=uas", "Supported: timer"), "100;refresher=uas"),
        (("x: 95;refresher=UAS", "k: timer"), "95;refresher=uas"),  # never raised
        (("Supported: timer",), "100;refresher=uac"),
        (("Session-Expires: 1800", "Min-SE: 200", "Supported: timer"), "200;refresher=uac"),
        (("Min-SE: 200", "Supported: timer"), "200;refresher=uac"),
    ],
)
def test_what_a_caller_asks_for_and_what_it_gets(fields: tuple[str, ...], answered: str) -> None:
    _, _, far, _, _ = calling_up(*fields)
    answer = far.last("SIP/2.0 200")
    assert field(answer, "Session-Expires") == answered
    supports = any("timer" in value for value in fields)
    assert has_field(answer, "Require") is supports


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (("Session-Expires: 89", "Supported: timer"), "422"),
        (("Session-Expires: 0", "Supported: timer"), "422"),
        (("Session-Expires: soon",), "400"),
        (("Min-SE: -1",), "400"),
    ],
)
def test_what_cannot_be_granted_is_refused(fields: tuple[str, ...], status: str) -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB, extra=fields), ALICE)
    wire.run(until=0.0)
    refusal = far.last(f"SIP/2.0 {status}")
    assert alice.told(IncomingCall) == []
    assert status != "422" or field(refusal, "Min-SE") == "90"


# ---- time


def test_the_side_that_is_refreshed_hangs_up_before_the_interval_ends() -> None:
    wire, alice, far, _, _ = calling_up("Session-Expires: 300", "Supported: timer", config=EndpointConfig())
    wire.run(until=267.9)
    assert alice.told(SessionEnded) == []
    wire.run(until=268.0)  # 300 s less 32 s (§10)
    bye = far.last("BYE")
    assert field(bye, "Reason") == 'SIP;cause=408;text="Session timer expired"'
    assert alice.one(SessionEnded).cause is EndCause.EXPIRED
    far.say(response_to(bye, "200 OK"), ALICE)
    wire.run(until=400.0)
    assert alice.forgot_all()


def test_of_a_short_interval_a_third_is_left() -> None:
    wire, alice, _, _, _ = calling_up("Session-Expires: 90", "Supported: timer")
    wire.run(until=61.0)
    assert alice.when(SessionEnded) == [60.0]
    wire.run(until=200.0)


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_a_refresh_of_the_far_side_starts_the_time_anew(method: str) -> None:
    wire, alice, far, session, tag = calling_up("Session-Expires: 90", "Supported: timer")
    extra = ("Session-Expires: 90;refresher=uac", "Supported: timer", f"Contact: <sip:bob@{BOB}>")
    body = OFFER if method == "INVITE" else b""
    wire.run(until=45.0)
    request = in_dialog(method, tag, 2, *extra, body=body).replace(b"application/dtmf-relay", b"application/sdp")
    far.say(request, ALICE)
    wire.run(until=45.0)
    if method == "INVITE":
        assert alice.one(ReinviteReceived).offer == OFFER
        alice.endpoint.accept_reinvite(session, ANSWER, 45.0)
        wire.run(until=45.0)
        far.say(in_dialog("ACK", tag, 2), ALICE)
    assert field(far.last("SIP/2.0 200"), "Session-Expires") == "90;refresher=uac"
    wire.run(until=200.0)
    assert alice.when(SessionEnded) == [105.0]


def test_the_far_side_may_hand_the_refreshing_over() -> None:
    wire, _, far, _, tag = calling_up("Session-Expires: 90", "Supported: timer", "Allow: INVITE, UPDATE")
    far.say(in_dialog("UPDATE", tag, 2, "Session-Expires: 90;refresher=uas", "Supported: timer"), ALICE)
    wire.run(until=44.9)
    assert field(far.last("SIP/2.0 200"), "Session-Expires") == "90;refresher=uas"
    assert wire.ladder.pick("UPDATE", sender="alice") == []
    wire.run(until=45.0)
    assert field(far.last("UPDATE"), "Session-Expires") == "90;refresher=uac"


def test_an_answer_without_the_field_in_mid_call_turns_the_timer_off() -> None:
    wire, alice, far, _ = called_up("Session-Expires: 100;refresher=uac", "Require: timer", "Allow: UPDATE")
    wire.run(until=50.0)
    far.say(response_to(far.last("UPDATE"), "200 OK"), ALICE)
    wire.run(until=1000.0)
    assert len(wire.ladder.pick("UPDATE")) == 1
    assert alice.told(SessionEnded) == []


@pytest.mark.parametrize("status", ["481 Call/Transaction Does Not Exist", "408 Request Timeout"])
def test_a_refresh_of_a_call_that_is_gone_ends_it(status: str) -> None:
    wire, alice, far, _ = called_up("Session-Expires: 100;refresher=uac", "Require: timer", "Allow: UPDATE")
    wire.run(until=50.0)
    far.say(response_to(far.last("UPDATE"), status), ALICE)
    wire.run(until=50.0)
    assert alice.one(SessionEnded).cause is EndCause.GONE
    assert far.last("BYE")


def test_a_refresh_that_is_refused_is_tried_again_while_there_is_time_and_no_more_than_thrice() -> None:
    wire, alice, far, _ = called_up("Session-Expires: 100;refresher=uac", "Require: timer", "Allow: UPDATE")
    far.on_message = lambda data, source: (
        far.say(response_to(data, "500 Server Internal Error"), ALICE) if data.startswith(b"UPDATE") else None
    )
    wire.run(until=200.0)
    assert wire.ladder.times("UPDATE") == [50.0, 75.0, 87.5]
    assert wire.ladder.times("BYE")[0] == 100.0
    assert alice.one(SessionEnded).cause is EndCause.EXPIRED


def test_a_refresh_that_is_too_short_for_a_proxy_is_sent_again_with_its_minimum() -> None:
    wire, alice, far, _ = called_up("Session-Expires: 100;refresher=uac", "Require: timer", "Allow: UPDATE")
    wire.run(until=50.0)
    far.say(response_to(far.last("UPDATE"), "422 Session Interval Too Small", "Min-SE: 200"), ALICE)
    wire.run(until=50.0)
    again = far.last("UPDATE")
    assert field(again, "Session-Expires") == "200;refresher=uac"
    far.say(response_to(again, "200 OK", "Session-Expires: 200;refresher=uac"), ALICE)
    wire.run(until=149.0)
    assert len(wire.ladder.pick("UPDATE")) == 2
    wire.run(until=150.0)
    assert len(wire.ladder.pick("UPDATE")) == 3
    assert alice.told(SessionEnded) == []


def test_a_refresh_that_crosses_another_request_waits_as_it_must() -> None:
    wire, _, far, _ = called_up("Session-Expires: 100;refresher=uac", "Require: timer")
    wire.run(until=50.0)
    refresh = far.last("INVITE")
    far.say(response_to(refresh, "491 Request Pending"), ALICE)
    wire.run(until=60.0)
    again = wire.ladder.times("INVITE", sender="alice")[2]
    assert 52.1 <= again <= 54.0  # RFC 3261 §14.1


def test_a_refresh_does_not_get_in_the_way_of_a_change() -> None:
    wire, alice, _, session = called_up("Session-Expires: 100;refresher=uac", "Require: timer")
    wire.run(until=49.9)
    alice.endpoint.reinvite(session, OFFER + b"a=sendonly\r\n", 49.9)
    wire.run(until=54.9)
    assert {rung.data[-12:] for rung in wire.ladder.pick("INVITE")[1:]} == {b"a=sendonly\r\n"}
    with pytest.raises(LocalError):
        alice.endpoint.reinvite(session, OFFER, 54.9)


def test_a_peer_that_names_seconds_does_not_have_us_refresh_without_a_pause() -> None:
    """RFC 4028 §11.1."""
    wire, _, _, _ = called_up("Session-Expires: 1;refresher=uac", "Require: timer", "Allow: UPDATE")
    wire.run(until=44.9)
    assert wire.ladder.pick("UPDATE") == []


@pytest.mark.parametrize("seed", range(6))
def test_refreshed_calls_survive_a_bad_network_and_everything_is_forgotten(seed: int) -> None:
    wire, alice, bob = two_agents(
        Link(delay_s=0.03, jitter_s=0.1, loss=0.2, duplication=0.2), SHORT, EndpointConfig(), seed
    )
    bob.on_event = lambda event, now: (
        bob.endpoint.accept(event.session, ANSWER, now) if isinstance(event, IncomingCall) else None
    )
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=600.0)
    assert alice.told(SessionEnded) == bob.told(SessionEnded) == []
    alice.endpoint.hang_up(session, 600.0)
    wire.run(until=900.0)
    assert alice.forgot_all(), alice.endpoint.counts()
    assert bob.forgot_all(), bob.endpoint.counts()
