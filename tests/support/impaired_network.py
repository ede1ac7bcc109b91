"""What networks do to packets, seeded: loss, bursts of it, jitter, reordering.

`Impairment.arrivals` is the model for what is known beforehand, `DelayLine` for packets as they come; `UdpRelay` puts
it between two UDP ports.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
from collections.abc import AsyncIterator, Iterator
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


class DelayLine:
    """The same for packets as they are sent: give each one, take those that are due. Without I/O."""

    def __init__(self, network: Impairment, seed: int) -> None:
        self._ordered = not network.reordered
        self._fates = network.fates(seed)
        self._newest = 0.0
        self._count = 0
        self._waiting: list[tuple[float, int, bytes]] = []

    def send(self, data: bytes, now: float) -> None:
        delay = next(self._fates)
        if delay is None:
            return
        due = now + delay
        if self._ordered:
            due = self._newest = max(due, self._newest)
        self._count += 1
        heapq.heappush(self._waiting, (due, self._count, data))

    @property
    def next_due(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None

    def due(self, now: float) -> Iterator[bytes]:
        while self._waiting and self._waiting[0][0] <= now:
            yield heapq.heappop(self._waiting)[2]


class UdpRelay(asyncio.DatagramProtocol):
    """A UDP port behind which the other side lives: what comes from `far` goes to whoever wrote last, at once; what
    anybody else sends goes to `far` through the impaired network."""

    def __init__(self, far: tuple[str, int], network: Impairment, seed: int) -> None:
        self._far = far
        self._line = DelayLine(network, seed)
        self._near: tuple[str, int] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def between(cls, far: tuple[str, int], network: Impairment, seed: int) -> AsyncIterator[tuple[str, int]]:
        """A relay for as long as the context lasts; its address."""
        loop = asyncio.get_running_loop()
        transport, relay = await loop.create_datagram_endpoint(lambda: cls(far, network, seed), ("127.0.0.1", 0))
        try:
            yield transport.get_extra_info("sockname")
        finally:
            if relay._timer is not None:
                relay._timer.cancel()
            transport.close()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr == self._far:
            if self._near is not None:
                self._transport.sendto(data, self._near)
            return
        self._near = addr
        self._line.send(data, self._loop.time())
        self._arm()

    def _arm(self) -> None:
        due = self._line.next_due
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due is None else self._loop.call_at(due, self._on_due)

    def _on_due(self) -> None:
        for data in self._line.due(self._loop.time()):
            self._transport.sendto(data, self._far)
        self._arm()
