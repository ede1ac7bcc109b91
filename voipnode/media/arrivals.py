"""How early packets come before they are played: what the jitter buffer's delay is chosen from."""

from __future__ import annotations

from collections import deque

WINDOW = 1000  # packets: 20 s of 20 ms. Listeners mind a moving delay more than a few milliseconds too much
CALM = 500  # packets that must have been seen before less delay is dared
_FORGIVEN = 0.01  # share of packets that may come too late: they cost less than delay for all others
_TYPICAL = 0.3  # share of packets that may be less than typical
_EVERY = 10  # packets between two looks, where nothing is pressing


class Arrivals:
    """The leads of the last `WINDOW` packets, as a histogram.

    A packet's lead is how far its first sample was ahead of the playing place when it came; below zero it was too late.
    All in samples. `excess` says how much more delay there is than needed (below zero: how much is lacking) for all but
    the forgiven packets to come in time, and typical ones `base` early. `spread` is how much earlier typical ones come
    than the last that is not forgiven.

    The relative delay of packets, its histogram and a quantile of it are the method of WebRTC's NetEq
    (`delay_manager.h`, `underrun_optimizer.h`: quantile 0.95 in steps of 20 ms, forgotten exponentially). Here a
    sliding window counts exactly, and forgets a disturbance for certain.
    """

    def __init__(self, base: int) -> None:
        self._base = base
        self.average = float(base)
        self.clear()

    def clear(self) -> None:
        """Forget all packets; the average lead stays."""
        self._recent: deque[int] = deque()
        self._counts: dict[int, int] = {}
        self._moved = 0  # by how much the playing place was moved: leads are kept as if it had not been
        self._smallest = self._wait = self.excess = self.spread = 0

    @property
    def calm(self) -> bool:
        """Whether enough was seen to do with less delay."""
        return len(self._recent) >= CALM

    def moved(self, count: int) -> None:
        """The playing place went ahead by `count` against the clock (below zero: back)."""
        self._moved += count
        self.average -= count
        self.excess -= count

    def note(self, lead: int) -> bool:
        """Count one packet; True when `excess` was looked at anew."""
        self.average += (lead - self.average) / 16
        value = lead + self._moved
        recent, counts = self._recent, self._counts
        recent.append(value)
        old = recent.popleft() if len(recent) > WINDOW else None
        if old != value:
            counts[value] = counts.get(value, 0) + 1
            if old is not None:
                self._forget(old)
        self._wait -= 1
        if self._wait > 0 and value >= self._smallest:
            return False
        self._look()
        return True

    def _forget(self, value: int) -> None:
        left = self._counts[value] - 1
        if left:
            self._counts[value] = left
        else:
            del self._counts[value]

    def _look(self) -> None:
        self._wait = _EVERY
        total = len(self._recent)
        forgiven, few = int(total * _FORGIVEN), int(total * _TYPICAL)
        seen, late = 0, None
        for value in sorted(self._counts):
            seen += self._counts[value]
            if late is None and seen > forgiven:
                late = value
            if seen > few:
                assert late is not None
                self._smallest = late
                self.spread = value - late
                self.excess = min(late, value - self._base) - self._moved
                return
