"""Which packets of a source never came, or came too late, and whether they went missing in bursts (RFC 3611 §4.7.2).

Nothing is done for a packet that comes in order: only gaps in the numbers are noted, so that counting costs nothing
while the network is well. A gap is final once the numbers have run `_PATIENCE` packets past it.
"""

from __future__ import annotations

from dataclasses import dataclass

GMIN = 16  # packets that must come between two losses for them not to belong together (§4.7.2: "RECOMMENDED")
_PATIENCE = 64  # packets: what is out of order by more is lost, whenever it comes
_MAX_OPEN = 4096  # gaps that may still be filled


@dataclass(frozen=True, slots=True, kw_only=True)
class LossPattern:
    """Losses and discards of a source so far, in packets; a burst begins and ends with a loss (RFC 3611 §4.7.2).

    `runs` counts stretches in which packet after packet is missing.
    """

    lost: int = 0
    discarded: int = 0
    runs: int = 0
    bursts: int = 0
    burst_packets: int = 0
    burst_losses: int = 0
    gap_packets: int = 0
    gap_losses: int = 0

    @property
    def packets(self) -> int:
        """How many packets were expected, of those of which it is settled what came of them."""
        return self.burst_packets + self.gap_packets

    @property
    def missing(self) -> int:
        """Those among them that were not there to be played."""
        return self.lost + self.discarded


class Losses:
    """Takes down gaps in a source's numbering. Positions are extended sequence numbers, `first` is that of its first
    packet."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._open: dict[int, bool] = {}  # position -> whether the packet came, and was thrown away
        self._lost = self._discarded = self._runs = 0
        self._bursts = self._burst_packets = self._burst_losses = self._lone = 0
        self._cluster = (0, 0, 0)  # first and last position and count of the losses that belong together so far

    def gap(self, start: int, end: int) -> None:
        """The packets from `start` to before `end` have not come (yet)."""
        if len(self._open) + end - start > _MAX_OPEN:
            self._settle(end)
        self._open.update(dict.fromkeys(range(max(start, end - _MAX_OPEN), end), False))

    def filled(self, position: int) -> None:
        """A missing packet came, out of order."""
        self._open.pop(position, None)

    def discard(self, position: int) -> None:
        """A packet came too late to be played."""
        self._open[position] = True
        if len(self._open) > _MAX_OPEN:
            self._settle(position - _PATIENCE)

    def pattern(self, newest: int) -> LossPattern:
        """What came of the packets up to `newest`, the latest ones left out that may still come."""
        horizon = newest - _PATIENCE
        self._settle(horizon)
        bursts, burst_packets, burst_losses, lone = self._bursts, self._burst_packets, self._burst_losses, self._lone
        first, last, count = self._cluster
        if count > 1:
            bursts, burst_packets, burst_losses = bursts + 1, burst_packets + last - first + 1, burst_losses + count
        else:
            lone += count
        packets = max(0, horizon - self._first)
        return LossPattern(
            lost=self._lost,
            discarded=self._discarded,
            runs=self._runs,
            bursts=bursts,
            burst_packets=burst_packets,
            burst_losses=burst_losses,
            gap_packets=max(0, packets - burst_packets),
            gap_losses=lone,
        )

    def _settle(self, horizon: int) -> None:
        if not self._open:
            return
        due = sorted(position for position in self._open if position < horizon)
        for position in due:
            discarded = self._open.pop(position)
            self._discarded += discarded
            self._lost += not discarded
            self._cluster_with(position)

    def _cluster_with(self, position: int) -> None:
        first, last, count = self._cluster
        if not count or position - last != 1:
            self._runs += 1
        if count and position - last <= GMIN:
            self._cluster = (first, position, count + 1)
            return
        if count > 1:
            self._bursts += 1
            self._burst_packets += last - first + 1
            self._burst_losses += count
        else:
            self._lone += count
        self._cluster = (position, position, 1)
