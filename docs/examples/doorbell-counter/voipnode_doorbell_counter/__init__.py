"""Counts how often a button was pressed, and tells each time, or every tenth.

It hears `ButtonPressed`, publishes `Counted`, takes the command `SetCount`, and remembers the count over a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from voipnode.calls.commands import Command
from voipnode.calls.errors import CallError
from voipnode.calls.events import ButtonPressed, Event
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription


class Settings(BaseModel):
    """`[plugins.doorbell_counter]` of voipnode.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    button: str = Field(default="", max_length=64, description="Count this button alone; empty: every one.")
    every: int = Field(default=1, ge=1, le=1000, description="Tell each time; 10: every tenth time.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Event):
    """So many times by now. Events of a plug-in are named NAME.something."""

    name: ClassVar[str] = "doorbell_counter.counted"
    button: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCount(Command):
    """Go on counting from here. Returns what the count was."""

    count: int = 0


class DoorbellCounter:
    """Between `start` and `stop` it counts."""

    def __init__(self, house: House, settings: Settings) -> None:
        self._house = house
        self._settings = settings
        self._file: Path = house.state_dir / "count"  # a folder of its own: nothing else is in it
        self._places: list[Subscription] = []
        self.count = 0

    async def start(self) -> None:
        if self._file.exists():
            self.count = int(self._file.read_text())  # what is no number stops the plug-in, and nothing else
        self._places = [
            self._house.bus.subscribe(ButtonPressed, self._pressed, who="doorbell_counter"),
            self._house.commands.register(SetCount, self._set, who="doorbell_counter"),
        ]

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []

    def _pressed(self, event: ButtonPressed) -> None:
        if self._settings.button not in ("", event.button):
            return
        self._keep(self.count + 1)
        if self.count % self._settings.every == 0:
            self._house.bus.publish(Counted(button=event.button, count=self.count))

    def _set(self, command: SetCount) -> str:
        if command.count < 0:
            raise CallError(f"count = {command.count}: 0 or more is right")
        before = self.count
        self._keep(command.count)
        return str(before)

    def _keep(self, count: int) -> None:
        self.count = count
        self._file.write_text(str(count))  # a few bytes: nobody notices the wait


DESCRIPTOR = ModuleDescriptor("doorbell_counter", Settings, DoorbellCounter)
