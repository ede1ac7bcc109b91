"""What all actions have in common: the commands to the house that they are, and what ends them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from voipnode.calls.commands import Command

DAY_S = 24 * 3600.0
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,2}):(\d{2})")


def _seconds(value: object) -> object:
    """Seconds, or "hh:mm:ss" as it is on a clock."""
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


Seconds = Annotated[float, BeforeValidator(_seconds)]


def clock(seconds: float) -> str:
    """A duration as people read it: "7 s", "1:30 min", "2:00:00 h"."""
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that fired: its name, because of what, and for which call ("" for none)."""

    rule: str
    because: str
    call: str

    @property
    def who(self) -> str:
        """Who it is that acts, in events and logs."""
        return f'rule "{self.rule}"'


class Action(BaseModel):
    """Base of all actions."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # built once, with the settings

    @property
    def lasts(self) -> bool:
        """Whether it is to end with the rule: see `Lasting`."""
        return False

    def commands(self, fired: Fired) -> Sequence[Command]:
        """What is asked of the house, one after the other."""
        raise NotImplementedError

    def undo(self, fired: Fired) -> Command | None:
        """What ends it, where it can be ended."""
        return None

    def words(self) -> str:
        """What is done, in words."""
        raise NotImplementedError


class Lasting(Action):
    """An action that may last for as long as its rule is active, rather than for a time of its own."""

    while_active: bool = Field(
        default=False, description="Ended as soon as the conditions do not hold any more (the trigger left out)."
    )

    @property
    def lasts(self) -> bool:
        return self.while_active

    def _until(self, how: str = "") -> str:
        return f"{how} while it holds" if self.while_active else ""
