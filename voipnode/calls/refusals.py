"""What was refused, counted, and told in a bounded number of lines: whoever sends packets must not fill the disk."""

from __future__ import annotations

import logging
import math
from collections import Counter

log = logging.getLogger(__name__)

LINES = 10
WINDOW_S = 60.0
AGAIN_S = 3600.0
MAX_SOURCES = 512


class Refusals:
    """Each source and reason is logged once an hour, with how often it came since; at most 10 lines a minute in all.

    `counts` are by reason, since the start. Where more sources come than are remembered, the oldest are forgotten.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}  # until when it is not told again, and its number
        self._until = -math.inf
        self._lines = 0
        self._untold = 0

    def note(self, source: str, why: str, now: float) -> bool:
        """One more from `source`, in words; True where it was logged. `now`: seconds on any monotonic clock."""
        self.counts[why if why in self.counts or len(self.counts) < MAX_SOURCES else "other"] += 1
        key = (source, why)
        quiet_until, before = self._seen.get(key, (-math.inf, 0))
        if now < quiet_until:
            self._seen[key] = (quiet_until, before + 1)
            return False
        if now >= self._until:
            self._tell_rest()
            self._until = now + WINDOW_S
        if self._lines >= LINES:
            self._untold += 1
            return False
        self._lines += 1
        self._seen.pop(key, None)
        if len(self._seen) >= MAX_SOURCES:
            self._seen.pop(next(iter(self._seen)))
        self._seen[key] = (now + AGAIN_S, 0)
        more = f" (and {before} times more in the hour before)" if before else ""
        log.info("%s: %s%s", source, why, more)
        return True

    def _tell_rest(self) -> None:
        if self._untold:
            log.info("... and %d more from other sources in the minute that began then", self._untold)
        self._lines = self._untold = 0
