"""What a name in the settings means when it is rung: who, in which stages, by which rules, and what comes after."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from voipnode.calls.clips.settings import GroupSounds

MAX_AT_ONCE = 6  # parties, and SIP legs, that ring at the same time for one call

Then = Literal["only_this", "fallback", "end_all"]
"""What one party's failure means: it is out and the others ring on; the fallback's turn has come; the call is over."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A party to be rung. `address`: a SIP URI, a host, a number, or that of one of our own extensions.

    `account` places the call, "" is the default one. `schedule` says when it is there, "" is always. `fallback` rings
    in its place where it is not there, busy or unreachable, or refuses.
    """

    name: str
    address: str
    account: str = ""
    schedule: str = ""
    fallback: RingPlan | None = None

    @property
    def place(self) -> tuple[str, str]:
        """What tells whether two recipients are the same party."""
        return self.address, self.account


@dataclass(frozen=True, slots=True)
class Stage:
    """Parties that are rung at the same moment.

    `for_s`: the next stage begins after so long; infinite: with the end of the plan's time. `keep`: they go on ringing
    then. Where nobody of a stage is left, the next one begins at once.
    """

    recipients: tuple[Recipient, ...]
    for_s: float = math.inf
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What it means for the others that one party is busy, refuses, cannot be reached or does not answer.

    `on_declined_everywhere`: it said 600 or 603, which speak for the person, not for the telephone (RFC 3261 §21.6); ""
    is as busy, or as refused. A proxy would end everything then (§16.7), but several people share the button of a door.
    """

    on_busy: Then = "only_this"
    on_refused: Then = "only_this"
    on_unreachable: Then = "only_this"
    on_silent: Then = "only_this"
    on_declined_everywhere: Then | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class RingPlan:
    """All that is to be rung for one name. `calling_timeout_s` bounds its stages together; the `fallback`, which comes
    when nobody has answered, has its own. `max_call_duration_s` is of the call with who answers; infinite: no limit.
    """

    name: str
    stages: tuple[Stage, ...]
    calling_timeout_s: float = 60.0
    max_call_duration_s: float = math.inf
    rules: Rules = field(default_factory=Rules)
    fallback: RingPlan | None = None
    sounds: GroupSounds = field(default_factory=GroupSounds)
