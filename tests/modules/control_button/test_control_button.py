"""The control button: what presses of which length do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import CalibrateSpeaker, Command, Locate, PressControlButton, TestSpeaker
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import ControlButtonPressed, Event, Problem
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.control_button.module import DESCRIPTOR
from voipnode.modules.control_button.settings import ControlButtonSettings


@pytest.mark.parametrize(
    ("settings", "held_s", "wish"),
    [
        (ControlButtonSettings(), 0.2, CalibrateSpeaker()),
        (ControlButtonSettings(), 2.9, CalibrateSpeaker()),
        (ControlButtonSettings(), 3.0, Locate(who="api")),
        (ControlButtonSettings(press="test"), 0.2, TestSpeaker(trigger="control_button")),
        (ControlButtonSettings(hold_s=10.0), 9.0, CalibrateSpeaker()),
        (ControlButtonSettings(press="none"), 0.2, None),
    ],
)
def test_a_press_is_told_and_does_what_its_length_means(
    settings: ControlButtonSettings, held_s: float, wish: Command | None
) -> None:
    done: list[Command] = []
    told: list[Event] = []

    async def run() -> None:
        bus, commands = Bus(lambda: 7.0), Commands()
        bus.subscribe(Event, told.append, who="test")
        for kind in (CalibrateSpeaker, TestSpeaker, Locate):
            commands.register(kind, lambda command: done.append(command) or "", who="test")
        module = DESCRIPTOR.build(House(bus, commands, Path("/nonexistent")), settings)
        await module.start()
        await commands.execute(PressControlButton(held_s=held_s))
        await module.stop()

    run_virtual(run())
    assert done == ([] if wish is None else [wish])
    assert told == [ControlButtonPressed(at=7.0, held_s=held_s, source="api")]


def test_what_cannot_be_done_now_is_told_and_an_endless_press_is_refused() -> None:
    told: list[Event] = []

    async def run() -> None:
        bus, commands = Bus(lambda: 7.0), Commands()
        bus.subscribe(Problem, told.append, who="test")

        def busy(command: CalibrateSpeaker) -> str:
            raise NotNowError("it listens already")

        commands.register(CalibrateSpeaker, busy, who="test")
        module = DESCRIPTOR.build(House(bus, commands, Path("/nonexistent")), ControlButtonSettings())
        await module.start()
        await commands.execute(PressControlButton())
        for held_s in (0.0, 61.0):
            with pytest.raises(CallError, match="at most 60 are right"):
                await commands.execute(PressControlButton(held_s=held_s))

    run_virtual(run())
    assert told == [Problem(at=7.0, where="control_button", detail="it listens already")]
