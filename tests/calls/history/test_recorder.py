"""The call history as it is written: calls on the virtual wire, with what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.exchange import ANNA_HOST, BERT_HOST, anna_and_bert, answer, heard_from, part, passes
from tests.support.switchboard import DOOR, Phone, Switchboard, answers, busy, rings
from tests.support.wire import Link
from voipnode.calls.events import CallQuality, DoorOpened
from voipnode.calls.history.recorder import HistoryRecorder
from voipnode.sipstack import events as sip

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Kept:
    """The newest of each record, and how often it was written."""

    def __init__(self, board: Switchboard) -> None:
        self.records: dict[str, Mapping[str, Any]] = {}
        self.writes = 0
        HistoryRecorder(board.bus, self, "run", lambda: NOON + timedelta(seconds=board.wire.now)).start()

    def keep(self, record: Mapping[str, Any]) -> None:
        self.writes += 1
        self.records[record["id"]] = record

    @property
    def only(self) -> Mapping[str, Any]:
        (record,) = self.records.values()
        return record


def test_an_answered_call_with_the_door_opened_in_it() -> None:
    board = Switchboard()
    kept = Kept(board)
    anna = board.phone("anna", "192.168.1.20", plan=rings)
    ben = board.phone("ben", "192.168.1.21", plan=rings)
    call = board.ring(anna, ben, button="bell")
    board.wire.run(3.0)
    assert kept.only["id"] == "2026-11-22T12:00:00.000Z-run-c1"
    assert (kept.only["outcome"], kept.writes) == ("", 1), "there before anything else happens"
    answered = (
        b"v=0\r\no=- 1 1 IN IP4 192.168.1.21\r\ns=-\r\nc=IN IP4 192.168.1.21\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n"
    )
    ben.endpoint.accept(ben.session, answered, board.wire.now)
    board.wire.run(5.0)
    board.bus.publish(DoorOpened(port="door", who=str(ben.uri), how='dtmf "1"', duration_s=7.0))
    board.wire.run(13.0)
    board.switch.hang_up(call, board.wire.now)
    board.wire.run(14.0)
    record = kept.only
    quality = record["heard"][0]
    assert record == {
        "id": "2026-11-22T12:00:00.000Z-run-c1",
        "kind": "door",
        "direction": "outgoing",
        "caller": "",
        "callee": "sip:anna@192.168.1.20, sip:ben@192.168.1.21",
        "account": "Peer to peer (default)",
        "began_utc": "2026-11-22T12:00:00.000Z",
        "answered_utc": "2026-11-22T12:00:03.000Z",
        "ended_utc": "2026-11-22T12:00:13.000Z",
        "answered_by": "sip:ben@192.168.1.21",
        "ring_s": 3.0,
        "talk_s": 10.0,
        "outcome": "answered",
        "reason": "Terminated",
        "status": 0,
        "detail": record["detail"],
        "codec": "PCMU",
        "encryption": "none",
        "cipher": "",
        "openings": [
            {"port": "door", "who": "sip:ben@192.168.1.21", "how": 'dtmf "1"', "at_utc": "2026-11-22T12:00:05.000Z"}
        ],
        "heard": [quality],
    }
    assert (quality["codec"], quality["packets_received"], quality["mos"]) == ("PCMU", 0, None)
    assert quality["packets_sent"] >= 490  # one each 20 ms, for 10 s
    told = [event for event in board.events if isinstance(event, CallQuality)]
    assert [(event.remote, event.answered) for event in told] == [("sip:ben@192.168.1.21", True)]


def declines(phone: Phone, event: sip.Event) -> None:
    """A plan: 603."""
    if isinstance(event, sip.IncomingCall):
        phone.endpoint.reject(event.session, 603, phone.wire.now)


@pytest.mark.parametrize(
    ("plan", "seconds", "outcome", "ring_s"),
    [(busy, 1.0, "busy", 0.0), (rings, 100.0, "no answer", 60.0), (declines, 1.0, "refused", 0.0)],
)
def test_calls_that_nobody_answered(plan: Any, seconds: float, outcome: str, ring_s: float) -> None:
    board = Switchboard()
    kept = Kept(board)
    board.ring(board.phone("anna", "192.168.1.20", plan=plan))
    board.wire.run(seconds)
    record = kept.only
    assert (record["outcome"], record["ring_s"], record["talk_s"]) == (outcome, ring_s, 0.0)
    assert (record["answered_utc"], record["answered_by"], record["heard"]) == ("", "", [])
    assert (record["codec"], record["encryption"]) == ("", "")
    assert record["ended_utc"] != ""


def test_a_call_that_the_door_gave_up() -> None:
    board = Switchboard()
    kept = Kept(board)
    call = board.ring(board.phone("anna", "192.168.1.20", plan=rings))
    board.wire.run(2.0)
    board.switch.hang_up(call, board.wire.now)
    board.wire.run(3.0)
    assert (kept.only["outcome"], kept.only["ring_s"]) == ("given up", 2.0)


def test_a_call_is_over_when_it_is_given_up_and_not_when_a_dead_phone_agrees() -> None:
    board = Switchboard()
    kept = Kept(board)
    call = board.ring(board.phone("anna", "192.168.1.20", plan=rings))
    board.wire.run(5.0)
    board.wire.set_link("door", "anna", Link(loss=1.0))
    board.switch.hang_up(call, board.wire.now)
    board.wire.run(6.0)
    assert kept.only["outcome"] == ""
    board.wire.run(100.0)
    assert (kept.only["outcome"], kept.only["ring_s"]) == ("given up", 5.0)
    assert kept.only["ended_utc"] == "2026-11-22T12:00:05.000Z"


def test_who_calls_the_door_is_the_caller() -> None:
    board = Switchboard()
    kept = Kept(board)
    anna = board.phone("anna", "192.168.1.20")
    anna.call(DOOR)
    board.wire.run(1.0)
    board.switch.answer("c1", board.wire.now)
    board.wire.run(4.0)
    anna.endpoint.hang_up(anna.session, board.wire.now)
    board.wire.run(5.0)
    record = kept.only
    assert (record["direction"], record["caller"], record["callee"]) == ("incoming", "sip:anna@192.168.1.20", "")
    assert (record["outcome"], record["ring_s"], record["talk_s"]) == ("answered", 1.0, 3.0)


def test_a_door_that_a_card_opened_is_told_with_the_call_that_was_on() -> None:
    board = Switchboard()
    kept = Kept(board)
    board.ring(board.phone("anna", "192.168.1.20", plan=rings))
    board.bus.publish(DoorOpened(port="door", who="Anna Huber", how="card", duration_s=7.0))
    assert [each["who"] for each in kept.only["openings"]] == ["Anna Huber"]
    for _ in range(200):
        board.bus.publish(DoorOpened(port="door", who="Anna Huber", how="card", duration_s=7.0))
    assert len(kept.only["openings"]) == 100


def test_nothing_is_known_of_a_call_that_is_over() -> None:
    board = Switchboard()
    kept = Kept(board)
    for plan in (answers, busy):
        board.ring(board.phone(plan.__name__, f"192.168.1.{20 + len(kept.records)}", plan=plan))
        board.wire.run(board.wire.now + 1.0)
        board.switch.hang_up_all(board.wire.now)
        board.wire.run(board.wire.now + 1.0)
    board.bus.publish(DoorOpened(port="door", who="somebody", how="card", duration_s=7.0))
    assert [each["openings"] for each in kept.records.values()] == [[], []]


def test_a_call_between_extensions_is_told_with_both_sides() -> None:
    board, anna, bert = anna_and_bert()
    kept = Kept(board)
    begun = board.wire.now
    anna.call_as("102")
    passes(board, 2.0)
    answer(board, bert)
    heard_from(board, ANNA_HOST, BERT_HOST, count=10)
    board.wire.run(begun + 5.0)
    part(board, anna, bert)
    record = kept.only
    people = [record[name] for name in ("kind", "direction", "caller", "callee", "answered_by")]
    assert people == ["exchange", "internal", "101", "102", "102"]
    assert (record["outcome"], record["ring_s"], record["talk_s"]) == ("answered", 2.0, 3.0)
    assert (record["codec"], record["encryption"]) == ("PCMU", "none")
    sides = [(each["remote"], each["packets_received"], each["packets_sent"]) for each in record["heard"]]
    assert sides == [("101", 10, 0), ("102", 0, 10)]
