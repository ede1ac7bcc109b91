"""The one media clock: a tick every 10 ms for all bridges of the process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from voipnode.net.mishaps import Mishaps
from voipnode.net.send_phase import SendPhase

log = logging.getLogger(__name__)

TICK_S = 0.010
MAX_CATCH_UP = 10  # ticks made up for at once; what is older is skipped
EARLY_S = 0.001  # uvloop's timers count whole milliseconds and may fire this much early
WORTH_WAITING_S = 0.00005
BUCKETS_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStats:
    """How punctual the clock was since it was made. Lateness is from the moment a wake-up was due to its begin.

    `late_counts` maps an upper bound in ms to the number of wake-ups up to it (and over the bound before); the last
    bound is infinite. `skipped`: ticks that never happened because the process stood still too long.
    """

    ticks: int
    skipped: int
    wake_ups: int
    late_mean_ms: float
    late_max_ms: float
    late_counts: dict[float, int]


class Network(Protocol):
    """What comes in before each tick and goes out after it, and hears whether the clock runs."""

    def clock_started(self) -> None: ...

    def clock_stopped(self) -> None: ...

    def read(self) -> None: ...

    def send(self) -> None: ...


class Alarm(Protocol):
    """A timer that keeps to fractions of a millisecond."""

    def set(self, at: float, period_s: float = 0.0) -> None:
        """Be due at `at`, and every `period_s` from then on where that is not 0."""
        ...

    def cancel(self) -> None: ...


MakeAlarm: TypeAlias = Callable[[asyncio.AbstractEventLoop, Callable[[], None]], Alarm]
"""Makes one from loop and what to call; raises OSError where the system has none."""


class MediaClock:
    """Calls every subscriber 100 times a second, on an absolute schedule: lateness does not add up.

    After a stall at most 10 missed ticks are made up for at once. It runs only while somebody is subscribed. A
    subscriber that raises is logged and called again at the next tick. `network` is read at each wake-up, before the
    tick; what the tick has made is sent at a moment that varies less than its work does. `precise` is the monotonic
    time; not the loop's own, because uvloop's stands still during a turn and knows whole milliseconds only. `alarm`
    makes the timers that wake it; without, or where the system has none, they are the loop's.
    """

    def __init__(
        self,
        network: Network | None = None,
        *,
        precise: Callable[[], float] = time.monotonic,
        alarm: MakeAlarm | None = None,
    ) -> None:
        self._network = network
        self._make_alarm = alarm
        self._precise = precise
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: tuple[tuple[Callable[[float], None]], ...] = ()
        self._running = False
        self._handle: asyncio.TimerHandle | None = None  # without alarms
        self._tick_alarm: Alarm | None = None
        self._send_alarm: Alarm | None = None
        self._phase = SendPhase()
        self._unsent = False
        self._origin = 0.0
        self._index = 0  # the next tick is due at origin + index * TICK_S: no rounding adds up
        self.mishaps = Mishaps("a tick of the media clock")
        self._ticks = self._skipped = self._wake_ups = 0
        self._late_sum_s = self._late_max_s = 0.0
        self._late_counts = [0] * (len(BUCKETS_MS) + 1)

    def subscribe(self, tick: Callable[[float], None]) -> Callable[[], None]:
        """Call `tick(now)` every 10 ms from now on, `now` being the loop's time; the returned function ends it."""
        entry = (tick,)  # a fresh object: the same function may be subscribed twice
        self._listeners = (*self._listeners, entry)
        if not self._running:
            self._start()

        def cancel() -> None:
            self._listeners = tuple(other for other in self._listeners if other is not entry)
            if not self._listeners and self._running:
                self._stop()

        return cancel

    def stats(self) -> ClockStats:
        bounds = (*BUCKETS_MS, float("inf"))
        return ClockStats(
            ticks=self._ticks,
            skipped=self._skipped,
            wake_ups=self._wake_ups,
            late_mean_ms=1000.0 * self._late_sum_s / max(1, self._wake_ups),
            late_max_ms=1000.0 * self._late_max_s,
            late_counts=dict(zip(bounds, self._late_counts, strict=True)),
        )

    def _start(self) -> None:
        self._running = True
        self._loop = asyncio.get_running_loop()
        self._origin = self._precise()
        self._index = 1
        self._unsent = False
        self._make_alarms(self._loop)
        if self._tick_alarm is not None:
            self._tick_alarm.set(self._origin + TICK_S, TICK_S)
        else:
            self._set(self._origin)
        if self._network is not None:
            self._network.clock_started()

    def _make_alarms(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._make_alarm is None:
            return
        try:
            self._tick_alarm = self._make_alarm(loop, self._fire)
            self._send_alarm = self._make_alarm(loop, self._send)
        except OSError as error:
            log.info("the media clock goes by the loop's timers: %s", error)
            self._make_alarm = None
            self._cancel_alarms()

    def _cancel_alarms(self) -> None:
        for alarm in (self._tick_alarm, self._send_alarm):
            if alarm is not None:
                alarm.cancel()
        self._tick_alarm = self._send_alarm = None

    def _stop(self) -> None:
        self._running = False
        self._cancel_alarms()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._network is not None:
            self._network.clock_stopped()

    def _set(self, now: float) -> None:
        """The loop's timer, for the next tick."""
        assert self._loop is not None
        delay_s = self._origin + self._index * TICK_S - now
        self._handle = self._loop.call_later(max(0.0, delay_s), self._fire)

    def _fire(self) -> None:
        now = self._precise()
        late_s = now - (self._origin + self._index * TICK_S)
        if late_s < -EARLY_S:
            if self._tick_alarm is None:
                self._set(now)
            return
        due = 1 + max(0, int((late_s + EARLY_S) / TICK_S))
        self._note_lateness(late_s)
        self._index += due
        if due > MAX_CATCH_UP:
            self._skipped += due - MAX_CATCH_UP
            due = MAX_CATCH_UP
        if self._tick_alarm is None:
            self._set(now)  # before the work, whose time must not shift the next tick
        if self._unsent:
            self._send()
        self._run(due)
        self._unsent = True
        self._send_in_phase()

    def _send_in_phase(self) -> None:
        """Send now, or a little later, so that it is always about as long after the tick."""
        if self._send_alarm is None:
            self._send()
            return
        due_at, now = self._origin + (self._index - 1) * TICK_S, self._precise()
        self._phase.note(now - due_at)
        send_at = due_at + self._phase.delay_s
        if send_at - now < WORTH_WAITING_S:
            self._send()
        else:
            self._send_alarm.set(send_at)

    def _send(self) -> None:
        if not self._unsent or self._network is None:
            return
        self._unsent = False
        try:
            self._network.send()
        except Exception:  # noqa: BLE001 -- the edge, as below
            self.mishaps.note()

    def _run(self, due: int) -> None:
        assert self._loop is not None
        now = self._loop.time()
        # Once, however many ticks are made up for: what comes meanwhile would keep a busy node from ever playing it.
        self._take_in()
        for _ in range(due):
            self._ticks += 1
            for (tick,) in self._listeners:
                try:
                    tick(now)
                except Exception:  # noqa: BLE001 -- the edge: one bridge's failure must not silence the others
                    self.mishaps.note()

    def _take_in(self) -> None:
        if self._network is None:
            return
        try:
            self._network.read()
        except Exception:  # noqa: BLE001 -- the edge, as above
            self.mishaps.note()

    def _note_lateness(self, late_s: float) -> None:
        late_s = max(0.0, late_s)
        self._wake_ups += 1
        self._late_sum_s += late_s
        self._late_max_s = max(self._late_max_s, late_s)
        bucket = sum(late_s * 1000.0 > bound for bound in BUCKETS_MS)
        self._late_counts[bucket] += 1
