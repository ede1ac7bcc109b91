"""The button's call: who rings, who wins, how it ends."""

from __future__ import annotations

import pytest

from tests.support.switchboard import DOOR, Switchboard, answers, busy, rings, sdp
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import CallReason, Problem
from voipnode.calls.settings import SipSettings
from voipnode.sipstack import events as sip


def test_a_phone_that_answers_is_joined_with_the_door_until_it_hangs_up() -> None:
    board = Switchboard()
    phone = board.phone("anna", "192.168.1.20", plan=answers)
    board.ring(phone)
    board.wire.run(1.0)
    assert board.states == ["Calling", "Active"]
    assert board.device.running
    sent = [packet for packet in board.paths.all[0].sent if not packet.rtcp]
    assert len(sent) == pytest.approx(50, abs=2), "20 ms packets for a second"
    assert {packet.remote for packet in sent} == {("192.168.1.20", 7000)}
    phone.endpoint.hang_up(phone.session, board.wire.now)
    board.wire.run(40.0)
    assert board.last.reason is CallReason.TERMINATED
    assert board.last.detail == "hung up by the far side"
    board.assert_quiet()


def test_ringing_is_told_and_the_call_given_up_after_the_calling_timeout() -> None:
    board = Switchboard(settings=SipSettings(calling_timeout_s=30))
    phone = board.phone("anna", "192.168.1.20", plan=rings)
    board.ring(phone)
    ladder = board.wire.run(100.0)
    assert board.states == ["Calling", "Ringing", "Terminating", "Terminated"]
    assert board.last.reason is CallReason.NO_ANSWER
    assert ladder.times("CANCEL") == [30.0]
    assert [event.cause for event in phone.of(sip.SessionEnded)] == [sip.EndCause.CANCELLED]
    board.assert_quiet()


def test_hanging_up_while_it_rings_cancels() -> None:
    board = Switchboard()
    phone = board.phone("anna", "192.168.1.20", plan=rings)
    call = board.ring(phone)
    board.wire.at(3.0, lambda: board.switch.hang_up(call, board.wire.now))
    ladder = board.wire.run(50.0)
    assert ladder.times("CANCEL", "door") == [3.0]
    assert ladder.pick("487 INVITE", "anna")
    assert board.last.reason is CallReason.TERMINATED
    board.assert_quiet()


def test_a_busy_phone_is_told_as_busy() -> None:
    board = Switchboard()
    board.ring(board.phone("anna", "192.168.1.20", plan=busy))
    board.wire.run(40.0)
    assert (board.last.reason, board.last.status) == (CallReason.BUSY, 486)
    board.assert_quiet()


def test_nobody_there_ends_the_call_by_the_calling_timeout_or_timer_b() -> None:
    board = Switchboard()
    phone = board.phone("anna", "192.168.1.20", plan=rings)
    board.wire.drop = lambda rung: rung.sender == "door"
    board.ring(phone)
    ladder = board.wire.run(100.0)
    assert ladder.times("INVITE") == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert (board.last.reason, board.last.at) == (CallReason.FAILED, 32.0)
    board.assert_quiet()


def test_what_the_network_says_about_a_call_is_told() -> None:
    board = Switchboard()
    why = "the certificate of 192.168.1.20 expired on 2024-05-01"
    board.wire.refused = lambda packet: board.switch.send_failed(packet.transaction, board.wire.now, why)
    phone = board.phone("anna", "192.168.1.20", plan=rings)
    board.wire.detach(phone.hop.remote)
    board.ring(phone)
    board.wire.run(0.0)
    board.wire.run(1.0)
    assert (board.last.reason, board.last.detail) == (CallReason.FAILED, why)
    board.assert_quiet()


def test_of_several_phones_the_first_to_answer_wins_and_the_others_learn_why() -> None:
    board = Switchboard()
    phones = [board.phone(f"p{i}", f"192.168.1.2{i}", plan=rings) for i in range(6)]
    board.ring(*phones)
    winner = phones[3]
    board.wire.at(2.0, lambda: winner.endpoint.accept(winner.session, sdp(winner.address.host), board.wire.now))
    ladder = board.wire.run(5.0)
    assert board.states == ["Calling", "Ringing", "Active"]
    assert board.last.remote == str(winner.uri)
    cancels = ladder.pick("CANCEL", "door")
    assert len(cancels) == 5
    assert all(b'Reason: SIP;cause=200;text="Call completed elsewhere"' in rung.data for rung in cancels)
    assert len(board.paths.open_now) == 1
    board.switch.hang_up_all(board.wire.now)
    board.wire.run(80.0)
    board.assert_quiet()


def test_two_phones_that_answer_at_the_same_moment_leave_exactly_one_in_the_call() -> None:
    board = Switchboard()
    phones = [board.phone(f"p{i}", f"192.168.1.2{i}", plan=rings) for i in range(2)]
    board.ring(*phones)
    for phone in phones:
        board.wire.at(2.0, lambda p=phone: p.endpoint.accept(p.session, sdp(p.address.host), board.wire.now))
    board.wire.run(10.0)
    assert [bool(phone.of(sip.SessionEnded)) for phone in phones] == [False, True]
    assert board.states.count("Active") == 1
    board.switch.hang_up_all(board.wire.now)
    board.wire.run(90.0)
    board.assert_quiet()


def test_one_busy_phone_leaves_the_other_ringing_and_the_outcome_tells_the_most() -> None:
    board = Switchboard(settings=SipSettings(calling_timeout_s=20))
    board.ring(board.phone("anna", "192.168.1.20", plan=busy), board.phone("ben", "192.168.1.21", plan=rings))
    board.wire.run(10.0)
    assert board.states == ["Calling", "Ringing"]
    board.wire.run(90.0)
    assert board.last.reason is CallReason.NO_ANSWER
    board.assert_quiet()


def test_an_answer_without_common_codec_ends_the_call_and_frees_the_door() -> None:
    def speaks_g729(phone: object, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.accept(event.session, sdp("192.168.1.20", formats="18"), board.wire.now)  # type: ignore[attr-defined] -- a Phone

    board = Switchboard()
    board.ring(board.phone("anna", "192.168.1.20", plan=speaks_g729))
    ladder = board.wire.run(60.0)
    assert board.last.reason is CallReason.FAILED
    assert ladder.pick("BYE", "door")
    board.assert_quiet()


def test_the_longest_duration_ends_an_active_call() -> None:
    board = Switchboard(settings=SipSettings(max_call_duration_s=5, dead_call_timeout_s=600))
    board.ring(board.phone("anna", "192.168.1.20", plan=answers))
    ladder = board.wire.run(60.0)
    assert ladder.times("BYE", "door")[0] == 5.0
    board.assert_quiet()


def test_a_phone_that_fell_silent_does_not_keep_the_door_engaged() -> None:
    board = Switchboard(settings=SipSettings(dead_call_timeout_s=20))
    phone = board.phone("anna", "192.168.1.20", plan=answers)
    board.ring(phone)
    board.wire.run(1.0)
    board.wire.drop = lambda rung: True
    board.wire.run(22.0)
    assert board.states[-1] in ("Terminating", "Terminated")
    assert "silent" in board.last.detail or board.last.state.value == "Terminated"
    board.wire.drop = lambda rung: False
    other = board.phone("ben", "192.168.1.21", plan=answers)
    board.ring(other)  # the door is free at once, though the dead phone has not agreed
    board.wire.run(23.0)
    assert board.states[-1] == "Active"


def test_a_second_ring_is_refused_while_the_door_is_engaged() -> None:
    board = Switchboard()
    phone = board.phone("anna", "192.168.1.20", plan=rings)
    board.ring(phone)
    with pytest.raises(NotNowError, match="max_calls"):
        board.ring(phone)


def test_without_a_free_rtp_port_the_call_is_refused_and_told() -> None:
    board = Switchboard(rtp_ports=0)
    with pytest.raises(NotNowError, match="rtp_start_port"):
        board.ring(board.phone("anna", "192.168.1.20"))
    assert [event.where for event in board.events if isinstance(event, Problem)] == ["sip.rtp_start_port"]
    assert board.switch.calls == ()


def test_more_than_six_recipients_and_unknown_names_are_refused_with_the_limit() -> None:
    board = Switchboard()
    phones = [board.phone(f"p{i}", f"192.168.1.2{i}") for i in range(7)]
    with pytest.raises(CallError, match="1 to 6"):
        board.ring(*phones)
    with pytest.raises(UnknownNameError, match="Peer to peer"):
        board.switch.account("office")
    with pytest.raises(UnknownNameError, match='"c9"'):
        board.switch.hang_up("c9", 0.0)


def test_sip_off_places_no_calls() -> None:
    board = Switchboard(settings=SipSettings(enabled=False))
    with pytest.raises(NotNowError, match=r"sip\.enabled"):
        board.ring(board.phone("anna", "192.168.1.20"))


def test_the_from_and_contact_fields_name_the_account_at_our_address() -> None:
    board = Switchboard()
    board.ring(board.phone("anna", "192.168.1.20", plan=rings))
    invite = board.wire.run(0.1).pick("INVITE")[0].data
    assert b"From: <sip:door@192.168.1.10>;tag=" in invite
    assert b"Contact: <sip:door@192.168.1.10" in invite
    assert str(DOOR.host).encode() in invite


def test_a_visitor_comes_before_a_caller_whom_nobody_has_answered() -> None:
    board = Switchboard()
    caller = board.phone("mallory", "192.168.1.66")
    caller.call(DOOR)
    board.wire.run(1.0)
    resident = board.phone("anna", "192.168.1.20", plan=rings)
    with pytest.raises(NotNowError, match="max_calls"):
        board.ring(resident)  # a call from the page waits; the button does not
    board.ring(resident, button="button")
    board.wire.run(2.0)
    assert [event.status for event in caller.of(sip.SessionEnded)] == [486]
    assert board.last.state.value == "Ringing"
    assert board.last.direction == "outgoing"


def test_a_visitor_does_not_break_into_a_conversation() -> None:
    board = Switchboard()
    board.ring(board.phone("anna", "192.168.1.20", plan=answers), button="button")
    board.wire.run(1.0)
    with pytest.raises(NotNowError, match="max_calls"):
        board.ring(board.phone("ben", "192.168.1.21"), button="side")
