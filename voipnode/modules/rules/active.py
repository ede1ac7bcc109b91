"""A rule at work: whether it is on, how often it has fired, what it is doing."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from voipnode.calls.commands import Command
from voipnode.modules.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class Limits:
    """How often a rule may fire: `burst` times in `within_s`; then it rests for `rest_s`."""

    burst: int
    within_s: float
    rest_s: float


@dataclass(slots=True)
class Active:
    """A rule at work. `on` may be switched while the node runs; the settings say what it is after the next start.

    `lasting` is what ends the actions that last for as long as it is active, by what that is without who does it.
    """

    rule: Rule
    on: bool
    count: int = 0
    running: asyncio.Task[None] | None = None
    lasting: dict[Command, Command] = field(default_factory=dict)
    _fired_at: deque[float] = field(default_factory=deque)
    _resting_until: float = 0.0

    @property
    def name(self) -> str:
        """Its name, which no other has."""
        return self.rule.settings.name

    @property
    def is_running(self) -> bool:
        """Whether its actions are being done."""
        return self.running is not None and not self.running.done()

    def cancel(self) -> None:
        """Do no more of what it is doing."""
        if self.running is not None:
            self.running.cancel()

    def waits_s(self, now: float) -> float:
        """For how long it does not fire yet, be it that it rests or that it has fired just now."""
        since = self.rule.settings.wait_between_s
        waits = self._fired_at[-1] + since - now if self._fired_at and since else 0.0
        return max(self._resting_until - now, waits, 0.0)

    def fires_too_often(self, now: float, limits: Limits) -> bool:
        """Count one more; True: that is one too many, and it rests from now on."""
        if len(self._fired_at) == limits.burst and now - self._fired_at[0] < limits.within_s:
            self._resting_until = now + limits.rest_s
            self._fired_at.clear()
            return True
        self._fired_at.append(now)
        if len(self._fired_at) > limits.burst:
            self._fired_at.popleft()
        return False

    def why_not(self, now: float, *, is_running: bool = False) -> str:
        """Why it would not fire now, in words; "" where nothing is missing, or only its moment."""
        if not self.on:
            return "it is switched off"
        if now < self._resting_until:
            return f"it rests for {self._resting_until - now:.0f} s more: it fired too often"
        if (waits_s := self.waits_s(now)) > 0:
            return f"it waits for {waits_s:.0f} s more: it fired just now"
        if is_running and self.rule.settings.again == "skip":
            return "its actions are still being done"
        return self.rule.missing()
