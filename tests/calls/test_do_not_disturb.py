"""Do not disturb: at the door and at extensions, by settings and while the node runs."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.exchange import ANNA_HOST, anna_and_bert, assert_quiet, ended, passes, registered
from tests.support.extensions import Memory, extension
from tests.support.switchboard import Switchboard, answers
from voipnode.calls.clips.settings import IncomingSettings
from voipnode.calls.do_not_disturb import DoNotDisturb
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.events import DoNotDisturbChanged
from voipnode.calls.hooks import Bus
from voipnode.calls.registrar.settings import ExtensionSettings
from voipnode.calls.settings import SipSettings
from voipnode.sipstack import events as sip


def test_the_door_rings_for_nobody_and_calls_all_the_same() -> None:
    board, anna, bert = anna_and_bert(settings=SipSettings(incoming=IncomingSettings(do_not_disturb="always")))
    anna.call_as("door")
    passes(board, 0.5)
    assert ended(anna) == [(sip.EndCause.REJECTED, 480)]
    anna.plan = answers
    board.switch.ring(board.switch.registrar.ways_to("101"), board.wire.now, authorised=True)
    passes(board, 0.5)
    assert board.states[-1] == "Active"
    anna.endpoint.hang_up(anna.session, board.wire.now)
    board.wire.flush()
    assert_quiet(board, anna, bert)


def test_an_extension_rings_for_nobody_and_calls_all_the_same() -> None:
    board = Switchboard(extensions=(extension("101", do_not_disturb=True), extension("102")))
    anna, bert = registered(board, "101", ANNA_HOST), registered(board, "102", "192.168.1.22")
    bert.call_as("101")
    passes(board, 0.5)
    assert ended(bert) == [(sip.EndCause.REJECTED, 480)]
    anna.call_as("102")
    passes(board, 0.5)
    assert len(bert.of(sip.IncomingCall)) == 1
    anna.endpoint.hang_up(anna.session, board.wire.now)
    board.wire.flush()
    assert_quiet(board, anna, bert)


def test_it_is_switched_while_the_node_runs_and_told_once() -> None:
    board, anna, bert = anna_and_bert()
    for on in (True, True, False):
        board.switch.do_not_disturb("102", on=on)
        anna.call_as("102")
        passes(board, 0.5)
        assert bool(ended(anna)) is on
        anna.events.clear()
    changes = [(event.extension, event.on) for event in board.events if isinstance(event, DoNotDisturbChanged)]
    assert changes == [("102", True), ("102", False)]
    with pytest.raises(UnknownNameError, match='"999"'):
        board.switch.do_not_disturb("999", on=True)
    anna.endpoint.hang_up(anna.session, board.wire.now)
    board.wire.flush()
    assert_quiet(board, anna, bert)


def test_what_was_set_outlives_a_change_of_other_settings() -> None:
    quiet = DoNotDisturb(Bus(lambda: 0.0))
    here, gone = extension("101", do_not_disturb=True), extension("102")
    quiet.settle(door=lambda: False, extensions=(here, gone))
    quiet.set("", on=True)
    quiet.set("101", on=False)
    quiet.set("102", on=True)
    quiet.settle(door=lambda: False, extensions=(here,))
    assert [quiet.holds(each) for each in ("", "101", "102")] == [True, False, False]


def test_what_was_set_outlives_the_node_until_it_is_set_as_the_settings_say() -> None:
    memory, here = Memory(), extension("101", do_not_disturb=True)
    scheduled = [False]

    def started(*there: ExtensionSettings) -> DoNotDisturb:
        quiet = DoNotDisturb(Bus(lambda: 0.0), memory)
        asyncio.run(quiet.restore())
        quiet.settle(door=lambda: scheduled[0], extensions=there)
        return quiet

    first = started(here, extension("102"))
    for name, on in (("", True), ("101", False), ("102", True)):
        first.set(name, on=on)
    second = started(here, extension("102"))
    assert [second.holds(each) for each in ("", "101", "102")] == [True, False, True]
    second.set("", on=False)
    second.set("101", on=True)
    assert memory.records == {"": [], "101": [], "102": [{"on": True}]}
    scheduled[0] = True
    third = started(here)
    assert [third.holds(each) for each in ("", "101", "102")] == [True, True, False]
    assert not any(memory.records.values()), "who is gone is forgotten"
    memory.records = {"101": [{"on": "nonsense"}]}
    assert started(here).holds("101")
