"""Do not disturb: the door, or an extension of the node, is not to be rung for now; both may call.

What is set while the node runs holds until it is set otherwise or the node starts anew, whatever the settings say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from voipnode.calls.events import DoNotDisturbChanged
from voipnode.calls.hooks import Bus

DOOR = ""


class Extensions(Protocol):
    """What the settings say of an extension."""

    @property
    def number(self) -> str: ...

    @property
    def do_not_disturb(self) -> bool: ...


class DoNotDisturb:
    """Who is not to be rung. Extensions are named by their number, the door by ""."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._door: Callable[[], bool] = lambda: False
        self._configured: frozenset[str] = frozenset()
        self._set: dict[str, bool] = {}

    def settle(self, *, door: Callable[[], bool], extensions: Collection[Extensions]) -> None:
        """What the settings say, of the door by its schedule now; that an extension is gone is forgotten with it."""
        self._door = door
        self._configured = frozenset(extension.number for extension in extensions if extension.do_not_disturb)
        known = {DOOR, *(extension.number for extension in extensions)}
        self._set = {name: on for name, on in self._set.items() if name in known}

    def holds(self, extension: str = DOOR) -> bool:
        """Whether it is not to be rung."""
        told = self._set.get(extension)
        if told is not None:
            return told
        return self._door() if extension == DOOR else extension in self._configured

    def set(self, extension: str, *, on: bool) -> None:
        """Have it so from now on."""
        was = self.holds(extension)
        self._set[extension] = on
        if on is not was:
            self._bus.publish(DoNotDisturbChanged(extension=extension, on=on))
