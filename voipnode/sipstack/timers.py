"""The lettered timers of SIP (RFC 3261 Table 4, RFC 6026 §8.11) and the queue that says which deadline is next.

A reliable transport differs in values only: a repeating timer of zero is never started, a waiting timer of zero is
over at once. Everything else follows from T1, T2 and T4.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from voipnode.sipstack.errors import LocalError

K = TypeVar("K", bound=Hashable)

# Below this size a heap of dead entries costs nothing worth tidying up.
_TIDY_FLOOR = 256


class Timer(StrEnum):
    """A timer of the transaction machines; the letters are those of the RFC."""

    A = "timer A"  # INVITE request retransmission
    B = "timer B"  # INVITE transaction time-out
    D = "timer D"  # wait for retransmitted 300-699 responses to INVITE
    E = "timer E"  # non-INVITE request retransmission
    F = "timer F"  # non-INVITE transaction time-out
    G = "timer G"  # 300-699 response to INVITE retransmission
    H = "timer H"  # wait for the ACK to a 300-699 response
    I = "timer I"  # noqa: E741 -- the RFC's own letter; wait for retransmitted ACKs
    J = "timer J"  # wait for retransmitted non-INVITE requests
    K = "timer K"  # wait for retransmitted responses to non-INVITE
    L = "timer L"  # wait for retransmitted INVITEs after a 2xx (RFC 6026)
    M = "timer M"  # wait for further 2xx responses to INVITE (RFC 6026)
    CANCEL = "cancel timer"  # wait for the final response to a cancelled INVITE (RFC 3261 §9.1); it has no letter


REPEATING = frozenset({Timer.A, Timer.E, Timer.G})


@dataclass(frozen=True, slots=True)
class Timers:
    """The three base values, in seconds, and all that derives from them.

    `t1_s` is the round-trip estimate, `t2_s` the longest retransmission interval, `t4_s` how long the network may keep
    a message (RFC 3261 §17.1.1.1, §17.1.2.2). Raises LocalError unless 0 < t1_s <= t2_s and t4_s >= 0.
    """

    t1_s: float = 0.5
    t2_s: float = 4.0
    t4_s: float = 5.0
    _values: tuple[Mapping[Timer, float], Mapping[Timer, float]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (0 < self.t1_s <= self.t2_s and self.t4_s >= 0):
            raise LocalError(f"timers out of range: T1 {self.t1_s} s, T2 {self.t2_s} s, T4 {self.t4_s} s")
        object.__setattr__(self, "_values", (self._derive(False), self._derive(True)))

    @property
    def timeout_s(self) -> float:
        """64*T1: timers B, F, H, L and M, and how long a 2xx waits for its ACK (RFC 3261 §13.3.1.4)."""
        return 64 * self.t1_s

    @property
    def timer_d_s(self) -> float:
        """At least 32 s whatever our T1 is, since the far end's is unknown (RFC 6026 §8.4)."""
        return max(32.0, self.timeout_s)

    def values(self, reliable: bool) -> Mapping[Timer, float]:
        """The first value of every timer, in seconds, over an unreliable or a reliable transport."""
        return self._values[reliable]

    def after(self, timer: Timer, interval_s: float) -> float:
        """The interval that follows `interval_s`: always the double, capped at T2 for all but timer A."""
        return 2 * interval_s if timer is Timer.A else min(2 * interval_s, self.t2_s)

    def next_interval_s(self, interval_s: float) -> float:
        """The same for whoever repeats a 2xx until its ACK arrives (RFC 6026 §8.1): doubles up to T2."""
        return min(2 * interval_s, self.t2_s)

    def _derive(self, reliable: bool) -> dict[Timer, float]:
        timeout_s = self.timeout_s
        values = dict.fromkeys((Timer.B, Timer.F, Timer.H, Timer.L, Timer.M, Timer.CANCEL), timeout_s)
        lossy = {
            Timer.A: self.t1_s,
            Timer.D: self.timer_d_s,
            Timer.E: self.t1_s,
            Timer.G: self.t1_s,
            Timer.I: self.t4_s,
            Timer.J: timeout_s,
            Timer.K: self.t4_s,
        }
        return values | (dict.fromkeys(lossy, 0.0) if reliable else lossy)


class DeadlineQueue(Generic[K]):
    """Which key is due when: one deadline per key, O(log n) to set, O(1) to cancel, earliest first.

    Deadlines are seconds on the caller's clock; keys with equal deadlines come out in the order they were set. A
    cancelled or replaced deadline stays in the heap until it surfaces or until dead entries outnumber live ones three
    to one.
    """

    __slots__ = ("_count", "_heap", "_live")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._live: dict[K, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, key: K) -> bool:
        return key in self._live

    def set(self, key: K, at: float) -> None:
        """Makes `at` the only deadline of `key`."""
        self._count += 1
        self._live[key] = self._count
        heappush(self._heap, (at, self._count, key))
        if len(self._heap) > _TIDY_FLOOR and len(self._heap) > 4 * len(self._live):
            self._tidy()

    def cancel(self, key: K) -> None:
        """Forgets the deadline of `key`, if it has one."""
        self._live.pop(key, None)

    def next_deadline(self) -> float | None:
        """The earliest deadline, or None when nothing waits."""
        heap = self._heap
        while heap:
            at, number, key = heap[0]
            if self._live.get(key) == number:
                return at
            heappop(heap)
        return None

    def pop_due(self, now: float) -> K | None:
        """Removes and returns the earliest key whose deadline is not after `now`; None when there is none.

        One at a time, so that what is done about one key may cancel or move another:
        `while (key := queue.pop_due(now)) is not None`.
        """
        at = self.next_deadline()
        if at is None or at > now:
            return None
        key = heappop(self._heap)[2]
        del self._live[key]
        return key

    def _tidy(self) -> None:
        self._heap = [entry for entry in self._heap if self._live.get(entry[2]) == entry[1]]
        heapify(self._heap)
