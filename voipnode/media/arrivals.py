"""How early packets come before they are played: what the jitter buffer's delay is chosen from."""

from __future__ import annotations

import math
from array import array

WINDOW = 1000  # packets: 20 s of 20 ms. Listeners mind a moving delay more than a few milliseconds too much
CALM = 500  # packets that must have been seen before less delay is dared
_TYPICAL = 0.3  # share of packets that may be less than typical
_FORGIVEN = 0.05  # share of packets that may ever come too late
_PERCENT_MS = 60.0  # one packet in a hundred too late is as bad as so much delay for all
_LONG_MS = 90.0  # from here on delay weighs more: talk begins to stumble over it (ITU-T G.107 §7.3)
_LONG_WEIGHT = 2.5
_TAIL = 3.2  # standard deviations of delay that are expected to come, however few packets were seen
_EVERY = 10  # packets between two looks, where nothing is pressing


class Arrivals:
    """The leads of the last `WINDOW` packets, as a histogram.

    A packet's lead is how far its first sample was ahead of the playing place when it came; below zero it was too late.
    All in samples, `per_ms` of them in a millisecond. `excess` says how much more delay there is than is worth having
    (below zero: how much is lacking), with typical packets `base` early. `spread` is how much earlier typical ones come
    than the last that is waited for.

    Which packets are not worth waiting for: delay is weighed against the share of those that come too late. The
    relative delay of packets, its histogram and this weighing are the method of WebRTC's NetEq (`delay_manager.h`,
    `reorder_optimizer.h`: `ms_per_loss_percent`); there in steps of 20 ms, and forgotten exponentially. Here a sliding
    window counts exactly, and forgets a disturbance for certain.

    A few packets have not shown the worst that is to come. While they are few, what is still to be expected of a normal
    distribution is added: of n values the greatest is some sqrt(2 ln n) standard deviations out.
    """

    # Slots: as in `media.stream.AudioStream`.
    __slots__ = (
        "_base",
        "_counts",
        "_moved",
        "_per_ms",
        "_place",
        "_recent",
        "_smallest",
        "_total",
        "_wait",
        "average",
        "excess",
        "spread",
    )

    def __init__(self, base: int, per_ms: int) -> None:
        self._base = base
        self._per_ms = per_ms
        self.average = float(base)
        # In one piece: a number of its own for each packet would be a place of its own in memory, long cold when its
        # turn comes to be forgotten.
        self._recent = array("q", bytes(8 * WINDOW))
        self.clear()

    def clear(self) -> None:
        """Forget all packets; the average lead stays."""
        self._total = self._place = 0  # how many of the recent ones there are, and where the next is noted
        self._counts: dict[int, int] = {}
        self._moved = 0  # by how much the playing place was moved: leads are kept as if it had not been
        self._smallest = self._wait = self.excess = self.spread = 0

    @property
    def calm(self) -> bool:
        """Whether enough was seen to do with less delay."""
        return self._total >= CALM

    def moved(self, count: int) -> None:
        """The playing place went ahead by `count` against the clock (below zero: back)."""
        self._moved += count
        self.average -= count
        self.excess -= count

    def note(self, lead: int) -> bool:
        """Count one packet; True when `excess` was looked at anew."""
        self.average += (lead - self.average) / 16
        value = lead + self._moved
        place, counts = self._place, self._counts
        self._place = (place + 1) % WINDOW
        if self._total < WINDOW:
            self._total += 1
            counts[value] = counts.get(value, 0) + 1
            self._recent[place] = value
        elif (old := self._recent[place]) != value:
            self._forget(old)
            counts[value] = counts.get(value, 0) + 1
            self._recent[place] = value
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
        total = self._total
        few, forgiven = int(total * _TYPICAL), int(total * _FORGIVEN)
        seen = typical = 0
        tail: list[tuple[int, int]] = []  # each lead, and how many packets came later
        for value in sorted(self._counts):
            if seen <= forgiven:
                tail.append((value, seen))
            seen += self._counts[value]
            if seen > few:
                typical = value
                break
        late = self._worth_waiting(tail, typical, total) - self._unseen(total)
        self._smallest = late
        self.spread = typical - late
        self.excess = min(late, typical - self._base) - self._moved

    def _worth_waiting(self, tail: list[tuple[int, int]], typical: int, total: int) -> int:
        """The lead of the last packet that is worth the delay."""
        per_packet = _PERCENT_MS * 100 / total
        long = _LONG_MS * self._per_ms
        best, least = typical, math.inf
        for value, later in tail:
            delay = typical - value
            cost = (delay + max(0.0, delay - long) * (_LONG_WEIGHT - 1)) / self._per_ms + later * per_packet
            if cost < least:
                best, least = value, cost
        return best

    def _unseen(self, total: int) -> int:
        """By how much the worst that so few packets have shown will probably be exceeded."""
        missing = _TAIL - math.sqrt(2 * math.log(total))
        if missing <= 0:
            return 0
        mean = sum(value * count for value, count in self._counts.items()) / total
        squares = sum((value - mean) ** 2 * count for value, count in self._counts.items())
        return int(missing * math.sqrt(squares / total))
