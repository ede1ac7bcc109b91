"""Digital inputs: the drivers behind one interface, and the debouncing of what they report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

OPEN_ABOVE_V = 1.0  # an input reads open when unconnected or above this voltage, closed when pulled to ground

LevelListener = Callable[[bool], None]  # True: the contact is closed


class InputDriver(Protocol):
    """Reports the level of a contact, every bounce included, in the event loop. `stop` may be called twice."""

    def start(self, listener: LevelListener) -> bool:
        """Report every change from now on to `listener`; returns the present level, True for closed."""
        ...

    def stop(self) -> None: ...


class SimulatedInput:
    """An input moved by software."""

    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed
        self._listener: LevelListener | None = None

    def start(self, listener: LevelListener) -> bool:
        self._listener = listener
        return self.closed

    def stop(self) -> None:
        self._listener = None

    def apply(self, voltage_v: float | None) -> None:
        """Put a voltage on the terminal; None disconnects it."""
        self.set(closed=voltage_v is not None and voltage_v <= OPEN_ABOVE_V)

    def set(self, *, closed: bool) -> None:
        """Open or close the contact."""
        if closed != self.closed:
            self.closed = closed
            if self._listener is not None:
                self._listener(closed)


class Debouncer:
    """Passes a level on once it has held for `hold_s`; what returns earlier never happened.

    `initial` is taken as known and is not told. `hold_s` of 0 passes every change on at once.
    """

    def __init__(self, hold_s: float, listener: LevelListener, *, initial: bool) -> None:
        self._hold_s = hold_s
        self._listener = listener
        self._settled = initial
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, level: bool) -> None:
        self.cancel()
        if level == self._settled:
            return
        if self._hold_s == 0:
            self._settle(level)
        else:
            self._timer = asyncio.get_running_loop().call_later(self._hold_s, self._settle, level)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _settle(self, level: bool) -> None:
        self._timer = None
        self._settled = level
        self._listener(level)
