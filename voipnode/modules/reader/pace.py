"""How fast a reader may read: faster than people, and slower than whoever tries cards through at its wires."""

from __future__ import annotations

CARD, KEY = 4.0, 1.0  # what each takes of the allowance
PER_S = 8.0  # two cards, or eight keys, a second for as long as it takes
AT_ONCE = 32.0


class Pace:
    """An allowance that fills with time. Times are the engine's monotonic seconds."""

    def __init__(self) -> None:
        self._left = AT_ONCE
        self._at: float | None = None

    def allows(self, takes: float, now: float) -> bool:
        """Whether so much may be read now; if so, it is taken."""
        if self._at is not None:
            self._left = min(AT_ONCE, self._left + (now - self._at) * PER_S)
        self._at = now
        if takes > self._left:
            return False
        self._left -= takes
        return True
