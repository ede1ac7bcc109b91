"""What was refused, told to the log in a bounded number of lines: whoever sends packets must not fill the disk."""

from __future__ import annotations

import logging
import math

log = logging.getLogger(__name__)

LINES = 10
WINDOW_S = 60.0


class Refusals:
    """The first 10 of a minute are logged each; of the rest their number, with the first line of a later minute."""

    def __init__(self) -> None:
        self._until = -math.inf
        self._count = 0

    def note(self, what: str, now: float) -> None:
        """One more, in words; `now` in seconds on any monotonic clock."""
        if now >= self._until:
            if self._count > LINES:
                log.info("... and %d more in the minute that began then", self._count - LINES)
            self._until, self._count = now + WINDOW_S, 0
        self._count += 1
        if self._count <= LINES:
            log.info("%s", what)
