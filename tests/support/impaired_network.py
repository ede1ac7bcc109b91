"""What networks do to packets, seeded: loss, bursts of it, jitter, reordering."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

REORDERED_BY_S = (0.020, 0.040)  # how much longer a reordered packet takes: one or two of 20 ms go past it


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    """One kind of network.

    `loss`: share of packets lost; `burst`: mean number of them in a row (1 = each for itself, else Gilbert's model of
    two states). `jitter_sd_s`: standard deviation of a normal delay about `delay_s`; packets keep their order, as
    behind one queue, so that a late one holds up those behind it. `reordered`: share that is overtaken.
    """

    delay_s: float = 0.0
    loss: float = 0.0
    burst: float = 1.0
    jitter_sd_s: float = 0.0
    reordered: float = 0.0

    def fates(self, seed: int) -> Iterator[float | None]:
        """For one packet after the other: the delay that it wants, before order is kept; None: lost."""
        dice = random.Random(seed)
        lost = False
        while True:
            if self.burst > 1:
                leave, enter = 1 / self.burst, self.loss / (1 - self.loss) / self.burst
                lost = dice.random() >= leave if lost else dice.random() < enter
            else:
                lost = dice.random() < self.loss
            delay = max(0.0, self.delay_s + dice.gauss(0.0, self.jitter_sd_s)) if self.jitter_sd_s else self.delay_s
            if dice.random() < self.reordered:
                delay += dice.uniform(*REORDERED_BY_S)
            yield None if lost else delay

    def arrivals(self, sent_at: Iterator[float], seed: int) -> Iterator[float | None]:
        """When each packet arrives that was sent at those times (in order); None: never."""
        newest = 0.0
        for at, delay in zip(sent_at, self.fates(seed), strict=False):
            if delay is None:
                yield None
                continue
            arrival = at + delay
            if not self.reordered:
                newest = arrival = max(newest, arrival)
            yield arrival
