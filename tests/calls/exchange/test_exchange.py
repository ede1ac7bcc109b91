"""Calls between extensions through the node, as ladders in virtual time."""

from __future__ import annotations

import random

import pytest

from tests.support.exchange import BERT_HOST, anna_and_bert, assert_quiet, ended, last, registered, told
from tests.support.switchboard import answers, busy, sdp
from voipnode.calls.events import CallReason
from voipnode.sipstack import events as sip


def test_one_extension_calls_another_and_hangs_up() -> None:
    board, anna, bert = anna_and_bert()
    begun = board.wire.now
    anna.call_as("102")
    board.wire.run(begun + 2.0)
    assert [event.status for event in anna.of(sip.CallProgress)] == [180]
    bert.endpoint.accept(bert.session, sdp(BERT_HOST), board.wire.now)
    board.wire.flush()
    board.wire.run(begun + 3.0)
    assert len(anna.of(sip.CallAnswered)) == 1
    assert told(board) == ["Calling", "Ringing", "Active"]
    assert (last(board).caller, last(board).callee, last(board).codec) == ("101", "102", ("PCMU", "PCMU"))
    anna.endpoint.hang_up(anna.session, board.wire.now)
    board.wire.flush()
    board.wire.run(begun + 4.0)
    assert ended(bert) == [(sip.EndCause.REMOTE_HANGUP, 0)]
    assert told(board)[-2:] == ["Terminating", "Terminated"]
    assert last(board).detail == "hung up by 101"
    assert_quiet(board, anna, bert)


def test_a_called_extension_sees_who_calls_and_nothing_of_how() -> None:
    board, anna, _ = anna_and_bert()
    anna.call_as("102")
    board.wire.run(board.wire.now + 1.0)
    invite = board.wire.ladder.pick("INVITE", "door")[-1].data
    assert b'\r\nFrom: "Anna" <sip:101@192.168.1.10>;tag=' in invite
    assert b"\r\nMax-Forwards: 69\r\n" in invite
    assert b"192.168.1.21" not in invite  # neither in Via nor in Contact nor in SDP
    assert b"\r\nCall-ID: call-door-" in invite


def test_a_caller_who_gives_up_stops_the_ringing_and_its_reason_goes_on() -> None:
    board, anna, bert = anna_and_bert()
    anna.call_as("102")
    board.wire.run(board.wire.now + 1.0)
    anna.endpoint.hang_up(anna.session, board.wire.now, (("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),))
    board.wire.flush()
    board.wire.run(board.wire.now + 1.0)
    (end,) = bert.of(sip.SessionEnded)
    assert (end.cause, [(why.protocol, why.cause) for why in end.why]) == (sip.EndCause.CANCELLED, [("SIP", 200)])
    assert last(board).state == "Terminated"
    assert_quiet(board, anna, bert)


def test_a_busy_extension_is_busy_for_its_caller() -> None:
    board, anna, bert = anna_and_bert()
    bert.plan = busy
    anna.call_as("102")
    board.wire.run(board.wire.now + 1.0)
    assert ended(anna) == [(sip.EndCause.REJECTED, 486)]
    assert last(board).reason is CallReason.BUSY
    assert_quiet(board, anna, bert)


def test_all_devices_of_an_extension_ring_and_the_first_to_answer_has_the_call() -> None:
    board, anna, bert = anna_and_bert()
    desk = registered(board, "102", "192.168.1.23")
    anna.call_as("102")
    board.wire.run(board.wire.now + 1.0)
    assert bert.session
    assert desk.session
    for phone in (desk, bert):  # within the same moment
        phone.endpoint.accept(phone.session, sdp(phone.address.host), board.wire.now)
    board.wire.flush()
    board.wire.run(board.wire.now + 1.0)
    ends = {
        phone.name: [[why.cause for why in end.why] for end in phone.of(sip.SessionEnded)] for phone in (desk, bert)
    }
    assert sorted(ends.values()) == [[], [[200]]]
    assert told(board) == ["Calling", "Ringing", "Active"]
    anna.endpoint.hang_up(anna.session, board.wire.now)
    board.wire.flush()
    assert_quiet(board, anna, bert, desk)


def test_one_device_that_declines_speaks_for_the_extension_and_one_that_is_busy_does_not() -> None:
    board, anna, bert = anna_and_bert()
    desk = registered(board, "102", "192.168.1.23")
    anna.call_as("102")
    board.wire.run(board.wire.now + 1.0)
    bert.endpoint.reject(bert.session, 486, board.wire.now)
    board.wire.flush()
    board.wire.run(board.wire.now + 1.0)
    assert ended(anna) == []
    desk.endpoint.reject(desk.session, 603, board.wire.now)
    board.wire.flush()
    board.wire.run(board.wire.now + 1.0)
    assert ended(anna) == [(sip.EndCause.REJECTED, 603)]
    assert_quiet(board, anna, bert, desk)


def test_nobody_answers() -> None:
    board, anna, bert = anna_and_bert()
    begun = board.wire.now
    anna.call_as("102")
    board.wire.run(begun + 59.9)
    assert ended(anna) == []
    board.wire.run(begun + 61.0)
    assert ended(anna) == [(sip.EndCause.REJECTED, 480)]
    assert ended(bert) == [(sip.EndCause.CANCELLED, 0)]
    assert (last(board).reason, last(board).detail) == (CallReason.NO_ANSWER, "nobody answered (switch.ring_s)")
    assert_quiet(board, anna, bert)


@pytest.mark.parametrize(("dialled", "status"), [("103", 480), ("999", 404), ("0123", 404)])
def test_what_cannot_be_reached(dialled: str, status: int) -> None:
    board, anna, bert = anna_and_bert()
    anna.call_as(dialled)
    board.wire.run(board.wire.now + 1.0)
    assert ended(anna) == [(sip.EndCause.REJECTED, status)]
    assert_quiet(board, anna, bert)


def test_a_called_phone_that_has_vanished_ends_the_attempt() -> None:
    board, anna, bert = anna_and_bert()
    board.wire.detach(bert.address)
    begun = board.wire.now
    anna.call_as("102")
    board.wire.run(begun + 33.0)
    assert ended(anna) == [(sip.EndCause.REJECTED, 408)]
    assert_quiet(board, anna)


def test_the_caller_vanishes_after_the_answer() -> None:
    """No ACK comes: the called party is not left alone in a call with nobody (RFC 3261 §13.3.1.4)."""
    board, anna, bert = anna_and_bert()
    bert.plan = answers
    anna.call_as("102")
    board.wire.at(board.wire.now + 0.001, lambda: board.wire.detach(anna.address))
    board.wire.run(board.wire.now + 70.0)
    assert ended(bert)[0][0] is sip.EndCause.REMOTE_HANGUP
    assert_quiet(board, bert)


def test_ringing_and_answer_cross_a_lossy_network() -> None:
    for seed in range(6):
        board, anna, bert = anna_and_bert()
        bert.plan = answers
        chance = random.Random(seed)
        board.wire.drop = lambda rung, chance=chance: chance.random() < 0.3
        anna.call_as("102")
        board.wire.run(board.wire.now + 12.0)
        board.wire.drop = lambda rung: False
        assert told(board)[-1] == "Active"
        bert.endpoint.hang_up(bert.session, board.wire.now)
        board.wire.flush()
        assert_quiet(board, anna, bert)
