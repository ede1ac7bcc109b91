"""Calls to the door: who is let in, ringing, answering, refusing."""

from __future__ import annotations

import pytest

from tests.support.switchboard import DOOR, Switchboard, sdp
from voipnode.calls.access_settings import AccessSettings
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import CallReason, CallState
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.sipstack import events as sip

AUTO = AccountSettings(auto_answer=True)


def test_an_account_that_answers_automatically_takes_the_call_at_once() -> None:
    board = Switchboard(account=AUTO)
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR)
    board.wire.run(1.0)
    assert board.states == ["Ringing", "Active"]
    assert board.last.reason is CallReason.ACCEPTED_BY_DEVICE
    assert phone.of(sip.CallAnswered)
    assert board.device.running
    phone.endpoint.hang_up(phone.session, board.wire.now)
    board.wire.run(40.0)
    board.assert_quiet()


def test_otherwise_it_rings_until_somebody_answers() -> None:
    board = Switchboard()
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR)
    board.wire.run(2.0)
    assert board.states == ["Ringing"]
    assert [event.status for event in phone.of(sip.CallProgress)] == [180]
    call = board.switch.calls[0].id
    board.switch.answer(call, board.wire.now)
    board.wire.run(3.0)
    assert board.states == ["Ringing", "Active"]
    with pytest.raises(NotNowError, match="Active"):
        board.switch.answer(call, board.wire.now)


def test_hanging_up_while_it_rings_here_says_busy() -> None:
    board = Switchboard()
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR)
    board.wire.run(2.0)
    board.switch.hang_up(board.switch.calls[0].id, board.wire.now)
    board.wire.run(40.0)
    assert [event.status for event in phone.of(sip.SessionEnded)] == [486]
    board.assert_quiet()


def test_a_call_nobody_takes_ends_by_the_incoming_timeout_with_480() -> None:
    board = Switchboard(settings=SipSettings(incoming_call_timeout_s=15))
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR)
    ladder = board.wire.run(60.0)
    assert ladder.times("480 INVITE", "door")[0] == 15.0
    assert board.last.reason is CallReason.NO_ANSWER
    board.assert_quiet()


def test_the_caller_may_give_up() -> None:
    board = Switchboard()
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR)
    board.wire.run(1.0)
    phone.endpoint.hang_up(phone.session, board.wire.now)
    ladder = board.wire.run(40.0)
    assert ladder.pick("487 INVITE", "door")
    assert board.last.detail == "the caller gave up"
    board.assert_quiet()


@pytest.mark.parametrize("host", ["8.8.8.8", "172.32.0.1", "100.64.0.1"])
def test_strangers_from_public_networks_are_refused(host: str) -> None:
    board = Switchboard(settings=SipSettings(access=AccessSettings(strangers="refuse")), account=AUTO)
    phone = board.phone("mallory", host)
    phone.call(DOOR)
    board.wire.run(40.0)
    assert [event.status for event in phone.of(sip.SessionEnded)] == [403]
    assert board.states == []
    board.assert_quiet()


def test_incoming_calls_can_be_switched_off() -> None:
    board = Switchboard(settings=SipSettings(allow_incoming=False), account=AUTO)
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR)
    board.wire.run(40.0)
    assert [event.status for event in phone.of(sip.SessionEnded)] == [403]


def test_a_second_caller_hears_busy() -> None:
    board = Switchboard(account=AUTO)
    first, second = board.phone("anna", "192.168.1.20"), board.phone("ben", "192.168.1.21")
    first.call(DOOR)
    board.wire.run(1.0)
    second.call(DOOR)
    board.wire.run(2.0)
    assert [event.status for event in second.of(sip.SessionEnded)] == [486]
    assert not first.of(sip.SessionEnded)


def test_an_offer_without_common_codec_is_refused_with_488() -> None:
    board = Switchboard(account=AUTO)
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR, offer=sdp("192.168.1.20", formats="18"))
    board.wire.run(40.0)
    assert [event.status for event in phone.of(sip.SessionEnded)] == [488]
    board.assert_quiet()


def test_a_call_without_an_offer_gets_ours_and_answers_in_its_ack() -> None:
    board = Switchboard(account=AUTO)
    phone = board.phone("anna", "192.168.1.20")
    phone.session = phone.call(DOOR, offer=b"")
    board.wire.run(0.2)
    answered = phone.of(sip.CallAnswered)
    assert answered
    assert b"m=audio" in (answered[0].body or b"")


def test_a_reinvite_to_hold_stops_what_we_hear_and_its_end_brings_it_back() -> None:
    board = Switchboard(account=AUTO)
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR)
    board.wire.run(1.0)
    phone.endpoint.reinvite(phone.session, sdp("192.168.1.20", more="a=sendonly\r\n"), board.wire.now)
    board.wire.flush()
    board.wire.run(2.0)
    leg = board.switch.calls[0].winner
    assert leg is not None
    assert leg.agreed is not None
    assert (leg.agreed.send, leg.agreed.receive) == (False, True)
    phone.endpoint.reinvite(phone.session, sdp("192.168.1.20", port=7200), board.wire.now)
    board.wire.flush()
    board.wire.run(3.0)
    assert (leg.agreed.send, leg.agreed.remote_rtp_port) == (True, 7200)


def test_a_call_comes_in_for_the_account_of_its_user_or_the_default_one() -> None:
    board = Switchboard(account=AccountSettings(name="Gate", user_id="gate", auto_answer=True))
    for number, user in enumerate(("gate", "somebody")):
        phone = board.phone(f"p{number}", f"192.168.1.2{number}")
        phone.call(DOOR, user=user)
        board.wire.run(board.wire.now + 1.0)
        assert board.last.account == "Gate"
        phone.endpoint.hang_up(phone.session, board.wire.now)
        board.wire.run(board.wire.now + 40.0)


def test_a_call_that_rang_for_long_is_not_taken_for_dead_when_it_is_answered() -> None:
    board = Switchboard(settings=SipSettings(dead_call_timeout_s=20))
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR)
    board.wire.run(30.0)
    board.switch.answer(board.switch.calls[0].id, board.wire.now)
    board.wire.run(49.0)
    assert board.last.state == CallState.ACTIVE
    board.wire.run(51.0)
    assert (board.last.state, board.last.reason) == (CallState.TERMINATED, CallReason.FAILED)
    assert "silent for 20 s" in board.last.detail
