"""Test calls: to phones that answer, ring for ever, are busy or are not there; nothing is left behind."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.calls.test_desk import NIGHT, NOON, desk, with_people
from tests.support.switchboard import Switchboard, answers, busy, rings
from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import SpeedDial, TestCall
from voipnode.calls.contacts.book import ContactBook
from voipnode.calls.contacts.desk import ContactDesk
from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import NodeStopping
from voipnode.sipstack import events as sip

ANNA = ContactSettings(name="Anna", address="anna@192.168.1.20", schedule="never", fallback="Ben")


def tried(board: Switchboard, command: TestCall, seconds: float) -> dict[str, Any]:
    """What came of a test call when the wire has run for so long, and the patience of the test itself after it."""

    async def scene() -> dict[str, Any]:
        commands = desk(board)
        ContactDesk(ContactBook([ANNA]), board.bus, commands, lambda: datetime.now(UTC)).register()
        asked = asyncio.ensure_future(commands.execute(command))
        await settle()
        board.wire.run(seconds)
        result: dict[str, Any] = json.loads(await asked)
        board.wire.run(80.0)
        board.assert_quiet()
        return result

    return run_virtual(scene())


def test_who_answers_is_hung_up_and_told_about() -> None:
    board = Switchboard()
    anna = board.phone("anna", "192.168.1.20", plan=answers)
    result = tried(board, TestCall(contact="Anna"), 1.0)
    assert result == {
        "to": "anna@192.168.1.20",
        "ok": True,
        "outcome": "answered",
        "words": "answered after 0 s, PCMU, not encrypted, and was hung up",
        "rang_after_s": None,
        "answered_after_s": 0.0,
        "codec": "PCMU",
        "encryption": "none",
        "cipher": "",
        "status": 0,
    }
    assert len(anna.of(sip.SessionEnded)) == 1
    assert board.wire.ladder.times("BYE") == [1.0]
    assert board.states == ["Calling", "Active", "Terminating", "Terminated"]


def test_who_only_rings_is_given_up() -> None:
    board = Switchboard()
    board.phone("anna", "192.168.1.20", plan=rings)
    result = tried(board, TestCall(to="anna@192.168.1.20", timeout_s=10), 1.0)
    assert (result["ok"], result["outcome"]) == (False, "no answer")
    assert result["words"] == "rang after 0 s, nobody answered within 10 s"
    assert board.states == ["Calling", "Ringing", "Terminating", "Terminated"]
    assert board.wire.ladder.times("CANCEL") == [1.0]


def test_who_is_busy_is_told_by_the_phones_own_words() -> None:
    board = Switchboard()
    board.phone("anna", "192.168.1.20", plan=busy)
    result = tried(board, TestCall(contact="Anna"), 1.0)
    assert (result["ok"], result["outcome"], result["status"]) == (False, "busy", 486)
    assert result["words"].startswith("is busy")


def test_who_is_not_there_is_told() -> None:
    board = Switchboard()
    result = tried(board, TestCall(contact="Anna"), 40.0)
    assert (result["outcome"], result["words"]) == ("failed", "cannot be reached: the far side does not reply")


@pytest.mark.parametrize(("now", "rung"), [(NOON, "anna"), (NIGHT, "ben")])
def test_a_speed_dial_rings_the_contact_or_whom_it_falls_back_on(now: datetime, rung: str) -> None:
    board = with_people()
    commands = desk(board, now)
    anna = ContactSettings(name="Anna", address="anna@anna.example", speed_dial="1")
    ContactDesk(ContactBook([anna]), board.bus, commands, lambda: now).register()
    assert run_virtual(commands.execute(SpeedDial(digits="1"))) == "c1"
    board.wire.run(1.0)
    (invite,) = board.wire.ladder.pick("INVITE")
    assert (invite.receiver, board.last.state) == (rung, "Ringing")
    with pytest.raises(UnknownNameError, match='digits "2": no contact has them; there is "1"'):
        run_virtual(commands.execute(SpeedDial(digits="2")))


def test_a_node_that_stops_waits_for_none() -> None:
    board = Switchboard()
    board.phone("anna", "192.168.1.20", plan=rings)

    async def scene() -> None:
        commands = desk(board)
        ContactDesk(ContactBook([ANNA]), board.bus, commands, lambda: datetime.now(UTC)).register()
        asked = asyncio.ensure_future(commands.execute(TestCall(contact="Anna")))
        await settle()
        board.bus.publish(NodeStopping())
        with pytest.raises(NotNowError, match="the node is stopping"):
            await asked
        assert asyncio.get_running_loop().time() == 0.0
        board.wire.run(80.0)
        board.assert_quiet()

    run_virtual(scene())


@pytest.mark.parametrize(
    ("command", "error", "words"),
    [
        (TestCall(contact="Zoe"), UnknownNameError, 'no such contact; there is "Anna"'),
        (TestCall(), CallError, "not both"),
        (TestCall(contact="Anna", to="sip:x@y"), CallError, "not both"),
        (TestCall(to="x@nowhere.example"), NotNowError, "nowhere.example"),
        (TestCall(to="anna@192.168.1.20", account="PBX"), UnknownNameError, "PBX"),
        (TestCall(contact="Anna", timeout_s=0.5), CallError, "1 to 120 is right"),
    ],
)
def test_what_cannot_be_tried_is_refused(command: TestCall, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        tried(Switchboard(), command, 1.0)
