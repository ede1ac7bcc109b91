"""Do not disturb: the door, or an extension of the node, is not to be rung for now; both may call.

What is set while the node runs holds over its restarts, until it is set as the settings say: from then on these count
again, those of the door by its schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from voipnode.calls.events import DoNotDisturbChanged
from voipnode.calls.hooks import Bus
from voipnode.calls.number_memory import NoMemory, NumberMemory

DOOR = ""


class Extensions(Protocol):
    """What the settings say of an extension."""

    @property
    def number(self) -> str: ...

    @property
    def do_not_disturb(self) -> bool: ...


class DoNotDisturb:
    """Who is not to be rung. Extensions are named by their number, the door by ""."""

    def __init__(self, bus: Bus, memory: NumberMemory | None = None) -> None:
        self._bus = bus
        self._memory = memory or NoMemory()
        self._door: Callable[[], bool] = lambda: False
        self._configured: frozenset[str] = frozenset()
        self._set: dict[str, bool] = {}

    def settle(self, *, door: Callable[[], bool], extensions: Collection[Extensions]) -> None:
        """What the settings say, of the door by its schedule now; that an extension is gone is forgotten with it."""
        self._door = door
        self._configured = frozenset(extension.number for extension in extensions if extension.do_not_disturb)
        known = {DOOR, *(extension.number for extension in extensions)}
        for gone in self._set.keys() - known:
            self._forget(gone)

    async def restore(self) -> None:
        """Take up what was set in the run before; to be asked before the first `settle`."""
        for name, records in (await self._memory.load()).items():
            for record in records:
                if isinstance(on := record.get("on"), bool):
                    self._set[name] = on

    def holds(self, extension: str = DOOR) -> bool:
        """Whether it is not to be rung."""
        told = self._set.get(extension)
        return self._by_settings(extension) if told is None else told

    def set(self, extension: str, *, on: bool) -> None:
        """Have it so from now on."""
        was = self.holds(extension)
        if on is self._by_settings(extension):
            self._forget(extension)
        else:
            self._set[extension] = on
            self._memory.keep(extension, [{"on": on}])
        if on is not was:
            self._bus.publish(DoNotDisturbChanged(extension=extension, on=on))

    def _by_settings(self, extension: str) -> bool:
        return self._door() if extension == DOOR else extension in self._configured

    def _forget(self, extension: str) -> None:
        if self._set.pop(extension, None) is not None:
            self._memory.keep(extension, [])
