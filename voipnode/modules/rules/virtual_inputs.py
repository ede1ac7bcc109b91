"""Virtual inputs: states that software sets, over HTTP or by a rule, and that rules have as conditions."""

from __future__ import annotations

import asyncio
from typing import Any

from voipnode.calls.commands import SetVirtualInput
from voipnode.calls.errors import CallError, UnknownNameError
from voipnode.calls.events import VirtualInputChanged
from voipnode.calls.hooks import Bus

LONGEST_S = 24 * 3600.0


class VirtualInputs:
    """Those of `names`, none of them active at first."""

    def __init__(self, bus: Bus) -> None:
        self.names: tuple[str, ...] = ()
        self._bus = bus
        self._active: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}  # of those that end by themselves

    def set(self, command: SetVirtualInput) -> str:
        """Carry out the command; what is so already is not told again. Raises UnknownNameError, CallError."""
        name = command.input
        if name not in self.names:
            there = ", ".join(f'"{each}"' for each in self.names) or "none"
            raise UnknownNameError(f'virtual input "{name}": no rule has it; there is {there}')
        if not 0 <= command.for_s <= LONGEST_S:
            raise CallError(f"for_s = {command.for_s:g}: 0 to {LONGEST_S:g} is right, 0 being until it is ended")
        self._forget_timer(name)
        self._change(name, command.active, command.source)
        if command.active and command.for_s:
            loop = asyncio.get_running_loop()
            self._timers[name] = loop.call_later(command.for_s, self._change, name, False, "its time is over")
        return ""

    def listed(self) -> list[dict[str, Any]]:
        """All of them, and whether each is active."""
        return [{"name": name, "active": name in self._active} for name in self.names]

    def stop(self) -> None:
        """Let none end by itself any more."""
        for name in tuple(self._timers):
            self._forget_timer(name)

    def _change(self, name: str, active: bool, source: str) -> None:
        self._timers.pop(name, None)
        if active is (name in self._active):
            return
        if active:
            self._active.add(name)
        else:
            self._active.discard(name)
        self._bus.publish(VirtualInputChanged(at=self._bus.clock(), input=name, active=active, source=source))

    def _forget_timer(self, name: str) -> None:
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()
