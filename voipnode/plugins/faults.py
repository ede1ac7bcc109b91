"""What a plug-in does wrong, told as problems, but no more of them than somebody can read."""

from __future__ import annotations

import asyncio
import logging

from voipnode.calls.events import Problem
from voipnode.calls.hooks import Bus
from voipnode.plugins.installed import in_words

log = logging.getLogger(__name__)

# What a stranger's code may raise and must not pass on: sys.exit() and a cancellation of its own are among them.
ANYTHING = (Exception, SystemExit, asyncio.CancelledError)
WINDOW_S = 60.0
MAX_TOLD = 5  # problems of one plug-in in a window
MAX_FAULTS = 20  # then its listeners hear no more


class Faults:
    """The faults of one plug-in, whose problems are said to be at "plugins.NAME"."""

    def __init__(self, bus: Bus, name: str) -> None:
        self.where = f"plugins.{name}"
        self._bus = bus
        self._begun_at = 0.0
        self._count = 0
        self._told = 0
        self._untold = 0
        self.silenced = False
        self.last = ""

    def raised(self, doing: str, error: BaseException) -> None:
        """It raised where it must not."""
        log.error("plug-in %s: %s failed", self.where, doing, exc_info=error)
        self.tell(f"{doing} failed: {in_words(error)}")

    def tell(self, words: str) -> None:
        """It did something wrong. Never raises."""
        self.last = words
        now = self._bus.clock()
        if now - self._begun_at >= WINDOW_S:
            self._begun_at, self._count, self._told = now, 0, 0
        self._count += 1
        if self._count == MAX_FAULTS and not self.silenced:
            self.silenced = True
            self._publish(f"{MAX_FAULTS} faults within a minute: its listeners hear nothing more until the next start")
        elif self._told < MAX_TOLD:
            self._told += 1
            more, self._untold = self._untold, 0
            self._publish(words + (f" (and {more} faults more before)" if more else ""))
        else:
            self._untold += 1

    def _publish(self, words: str) -> None:
        self._bus.publish(Problem(at=self._bus.clock(), where=self.where, detail=words))
