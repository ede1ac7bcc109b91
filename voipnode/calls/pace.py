"""How often something may happen: what is let in is told, written down and logged, so it must not come without end."""

from __future__ import annotations


class Pace:
    """A token bucket: `burst` at once, `per_s` in the long run."""

    def __init__(self, *, burst: float, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._tokens = burst
        self._filled_at = 0.0

    def allows(self, now: float) -> bool:
        """Whether one more fits in; `now` in seconds on a monotonic clock."""
        since_s = max(0.0, now - self._filled_at)
        self._tokens = min(self._burst, self._tokens + since_s * self._per_s)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
