"""How long a reader takes no codes after wrong ones: whoever tries all of them is to need years."""

from __future__ import annotations

LONGEST_LOCK_S = 3600.0


class Lockout:
    """Counts wrong codes in a row. `lock_s` is doubled with each time; a right code forgives all."""

    def __init__(self, wrong_codes: int, lock_s: float) -> None:
        self._allowed = wrong_codes
        self._first_s = lock_s
        self._wrong = 0
        self._locks = 0
        self._until = 0.0

    def left_s(self, now: float) -> float:
        """How long codes are refused yet; 0: they are looked at."""
        return max(0.0, self._until - now)

    def wrong(self, now: float) -> float:
        """A wrong code: for how long no other is taken from now on; 0 where one more may be tried."""
        self._wrong += 1
        if self._wrong < self._allowed:
            return 0.0
        self._wrong = 0
        lock_s = min(self._first_s * 2.0**self._locks, LONGEST_LOCK_S)
        self._locks = min(self._locks + 1, 16)
        self._until = now + lock_s
        return lock_s

    def right(self) -> None:
        """A right code."""
        self._wrong = self._locks = 0
