"""One loop timer for a deadline that moves with every packet."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

GRID_HZ = 1000.0  # uvloop's timers count whole milliseconds; a deadline rounded down would fire before it is due


def _nothing() -> None:
    """What a closed timer calls."""


class LazyTimer:
    """Calls `on_due` at the armed time; arming again is nearly free while the deadline does not move earlier.

    A deadline that moves later leaves the loop's timer where it is: it fires once too early, sees that, and is set
    anew. So a retransmission timer that is pushed back by each packet costs no timer of the loop per packet.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[], None]) -> None:
        self._loop = loop
        self._on_due = on_due
        self._wanted_at: float | None = None
        self._set_at = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, at: float | None) -> None:
        """Fire at loop time `at` seconds, instead of any time armed before; None = do not fire."""
        self._wanted_at = at
        if at is not None and at < self._set_at:
            self._set(at)

    def cancel(self) -> None:
        """Do not fire any more, and hold nothing in the loop."""
        self._wanted_at = None
        if self._handle is not None:
            self._handle.cancel()
        self._handle, self._set_at = None, math.inf

    def close(self) -> None:
        """Cancel for good, and let go of whoever was to be called."""
        self.cancel()
        self._on_due = _nothing

    def _set(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._set_at = at
        self._handle = self._loop.call_at(math.ceil(at * GRID_HZ) / GRID_HZ, self._fire)

    def _fire(self) -> None:
        self._handle, self._set_at = None, math.inf
        wanted_at = self._wanted_at
        if wanted_at is None:
            return
        if wanted_at > self._loop.time():
            self._set(wanted_at)
            return
        self._wanted_at = None
        self._on_due()
