"""Hold and resume from our side: what is offered, who is heard, and re-INVITEs that meet others."""

from __future__ import annotations

import pytest

from tests.support.switchboard import Phone, Switchboard, answers, rings, sdp
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import CallHeld
from voipnode.calls.settings import AccountSettings
from voipnode.sipstack import events as sip

ANSWERS = {b"a=sendonly": "a=recvonly\r\n", b"a=inactive": "a=inactive\r\n"}


def follows(phone: Phone, event: sip.Event) -> None:
    """A plan: answer calls, and re-INVITEs with the direction that fits."""
    answers(phone, event)
    if isinstance(event, sip.ReinviteReceived):
        assert event.offer is not None
        more = next((answer for offered, answer in ANSWERS.items() if offered in event.offer), "")
        phone.endpoint.accept_reinvite(event.session, sdp(phone.address.host, more=more), phone.wire.now)


def up(board: Switchboard) -> tuple[Phone, str]:
    phone = board.phone("anna", "192.168.1.20", plan=follows)
    call = board.ring(phone)
    board.wire.run(1.0)
    return phone, call


def held(board: Switchboard) -> list[tuple[bool, str]]:
    return [(event.held, event.detail) for event in board.events if isinstance(event, CallHeld)]


def test_hold_silences_the_door_and_resume_gives_it_back() -> None:
    board = Switchboard()
    phone, call = up(board)
    board.switch.hold(call, 1.0, held=True)
    assert not board.device.running  # at once, before anybody agreed
    board.wire.run(30.0)
    assert held(board) == [(True, "")]
    assert b"a=sendonly" in phone.of(sip.ReinviteReceived)[0].offer
    assert board.switch.calls[0].id == call  # silence of the far side ends no call on hold
    board.switch.hold(call, 30.0, held=True)  # it is so already
    board.switch.hold(call, 30.0, held=False)
    board.wire.run(31.0)
    assert held(board) == [(True, ""), (False, "")]
    assert b"a=sendonly" not in phone.of(sip.ReinviteReceived)[1].offer
    assert board.device.running
    phone.endpoint.hang_up(phone.session, 31.0)
    board.wire.run(100.0)
    board.assert_quiet()


def test_who_never_sent_anything_holds_with_inactive() -> None:
    board = Switchboard(account=AccountSettings(audio_direction="receive"))
    phone, call = up(board)
    board.switch.hold(call, 1.0, held=True)
    board.wire.run(2.0)
    assert b"a=inactive" in phone.of(sip.ReinviteReceived)[0].offer  # RFC 3264 §8.4


def test_a_reinvite_of_the_far_side_does_not_end_our_hold() -> None:
    board = Switchboard()
    phone, call = up(board)
    board.switch.hold(call, 1.0, held=True)
    board.wire.run(2.0)
    phone.endpoint.reinvite(phone.session, sdp("192.168.1.20", 7100), 2.0)
    board.wire.run(3.0)
    assert b"a=sendonly" in phone.of(sip.ReinviteAnswered)[0].body
    assert not board.device.running


def test_offers_that_meet_are_tried_again_at_the_time_that_rfc_3261_gives() -> None:
    board = Switchboard()
    phone, call = up(board)
    answered = 0

    def refuses_once(who: Phone, event: sip.Event) -> None:
        nonlocal answered
        if isinstance(event, sip.ReinviteReceived):
            answered += 1
            if answered == 1:
                who.endpoint.reject_reinvite(event.session, 491, who.wire.now)
                return
        follows(who, event)

    phone.plan = refuses_once
    board.switch.hold(call, 1.0, held=True)
    board.wire.run(10.0)
    first, second = board.wire.ladder.times("INVITE", "door")[-2:]
    assert first == 1.0
    assert 2.1 <= second - first <= 4.0  # §14.1: the Call-ID is ours
    assert held(board) == [(True, "")]


def test_a_refused_hold_is_taken_back() -> None:
    board = Switchboard()
    phone, call = up(board)

    def refuses(who: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.ReinviteReceived):
            who.endpoint.reject_reinvite(event.session, 488, who.wire.now)

    phone.plan = refuses
    board.switch.hold(call, 1.0, held=True)
    board.wire.run(2.0)
    assert held(board) == [(False, "refused (488 Not Acceptable Here)")]
    assert board.device.running
    board.switch.hold(call, 2.0, held=True)
    phone.endpoint.hang_up(phone.session, 2.0)
    board.wire.run(100.0)
    board.assert_quiet()


def test_only_an_active_call_and_one_change_at_a_time() -> None:
    board = Switchboard()
    phone = board.phone("anna", "192.168.1.20", plan=rings)
    call = board.ring(phone)
    board.wire.run(1.0)
    with pytest.raises(NotNowError, match="Ringing"):
        board.switch.hold(call, 1.0, held=True)
    phone.endpoint.accept(phone.session, sdp("192.168.1.20"), 1.0)
    board.wire.run(2.0)
    board.switch.hold(call, 2.0, held=True)
    with pytest.raises(NotNowError, match="under way"):
        board.switch.hold(call, 2.0, held=False)
