"""MediaClock in virtual time: an absolute schedule, a bounded catch-up, and isolation of its subscribers."""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.net.conftest import Run
from voipnode.net.clock import MediaClock


class FakeHandle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """Virtual time; `late_s` makes timers fire that much off their time, early where it is negative."""

    def __init__(self, late_s: float = 0.0) -> None:
        self.now = 1000.0003
        self.late_s = late_s
        self._timers: list[tuple[float, int, Callable[[], None], FakeHandle]] = []
        self._count = 0

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> FakeHandle:
        handle = FakeHandle()
        self._count += 1
        off_s = self.late_s if delay > 0.005 or self.late_s > 0 else 0.0  # time must go on
        heapq.heappush(self._timers, (self.now + delay + off_s, self._count, callback, handle))
        return handle

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            at, _, callback, handle = heapq.heappop(self._timers)
            if not handle.cancelled:
                self.now = max(self.now, at)
                callback()
        self.now = max(self.now, end)

    @property
    def pending(self) -> int:
        return sum(not handle.cancelled for *_, handle in self._timers)


class Network:
    """Tells what the clock wants of it."""

    def __init__(self, tell: Callable[[str], object], *, fails: bool = False) -> None:
        self._tell, self._fails = tell, fails

    def clock_started(self) -> None:
        self._tell("started")

    def clock_stopped(self) -> None:
        self._tell("stopped")

    def read(self) -> None:
        self._tell("read")
        if self._fails:
            raise RuntimeError("no")

    def send(self) -> None:
        self._tell("send")
        if self._fails:
            raise RuntimeError("no")


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> FakeLoop:
    fake: Any = FakeLoop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: fake)
    return fake  # type: ignore[no-any-return] -- it is the fake, behind Any for monkeypatch


def test_it_ticks_a_hundred_times_a_second_whatever_the_timers_lateness(loop: FakeLoop) -> None:
    clock = MediaClock(precise=loop.time)
    loop.late_s = 0.0037
    ticks: list[float] = []
    start = loop.now
    clock.subscribe(ticks.append)
    loop.advance(600.0)
    assert len(ticks) in (59_999, 60_000)
    worst = max(abs(at - (start + 0.01 * (n + 1) + loop.late_s)) for n, at in enumerate(ticks))
    assert worst < 1e-6
    assert clock.stats().late_mean_ms == pytest.approx(3.7, abs=0.01)
    assert clock.stats().late_counts[5.0] == len(ticks)


def test_it_runs_only_while_somebody_is_subscribed(loop: FakeLoop) -> None:
    clock = MediaClock(precise=loop.time)
    assert loop.pending == 0
    first, second = clock.subscribe(lambda now: None), clock.subscribe(lambda now: None)
    loop.advance(0.1)
    first()
    assert loop.pending == 1
    second()
    second()
    assert loop.pending == 0
    ticks: list[float] = []
    loop.advance(5.0)
    clock.subscribe(ticks.append)
    loop.advance(0.1005)
    assert len(ticks) == 10  # a fresh schedule, nothing to catch up with
    assert clock.stats().skipped == 0


@pytest.mark.parametrize(("stall_s", "made_up", "skipped"), [(0.035, 3, 0), (0.095, 9, 0), (1.005, 10, 90)])
def test_after_a_stall_at_most_ten_ticks_are_made_up_for(
    loop: FakeLoop, stall_s: float, made_up: int, skipped: int
) -> None:
    clock = MediaClock(precise=loop.time)
    ticks: list[float] = []
    clock.subscribe(ticks.append)
    loop.advance(0.1005)
    ticks.clear()
    loop.now += stall_s
    loop.advance(0.0)
    assert len(ticks) == made_up
    assert clock.stats().skipped == skipped
    loop.advance(1.0)
    assert len(ticks) == made_up + 100


def test_a_timer_that_fires_too_early_makes_no_tick(loop: FakeLoop) -> None:
    clock = MediaClock(precise=loop.time)
    ticks: list[float] = []
    clock.subscribe(ticks.append)
    loop.late_s = -0.004
    loop.advance(1.0)
    assert 99 <= len(ticks) <= 101


def test_a_failing_subscriber_does_not_silence_the_others(loop: FakeLoop, caplog: pytest.LogCaptureFixture) -> None:
    clock = MediaClock(precise=loop.time)
    ticks: list[float] = []

    def fail(now: float) -> None:
        raise RuntimeError("no")

    clock.subscribe(fail)
    clock.subscribe(ticks.append)
    with caplog.at_level(logging.CRITICAL, "voipnode.net.mishaps"):
        loop.advance(0.1005)
    assert len(ticks) == 10
    assert clock.mishaps.count == 10


def test_a_subscriber_may_leave_and_join_during_a_tick(loop: FakeLoop) -> None:
    clock = MediaClock(precise=loop.time)
    heard: list[str] = []
    cancels: list[Callable[[], None]] = []

    def once(now: float) -> None:
        heard.append("once")
        cancels[0]()
        clock.subscribe(lambda now: heard.append("later"))

    cancels.append(clock.subscribe(once))
    loop.advance(0.0305)
    assert heard == ["once", "later", "later"]


def test_what_came_is_taken_in_before_each_tick_and_only_while_the_clock_runs(loop: FakeLoop) -> None:
    told: list[str] = []
    clock = MediaClock(Network(told.append, fails=True), precise=loop.time)
    first, second = clock.subscribe(lambda now: told.append("one")), clock.subscribe(lambda now: told.append("two"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger("voipnode.net.mishaps"), "disabled", True)
        loop.advance(0.0205)
        loop.now += 0.03
        loop.advance(0.0)
    first()
    second()
    loop.advance(1.0)
    assert told == ["started", *["read", "one", "two", "send"] * 2, "read", *["one", "two"] * 3, "send", "stopped"]
    assert clock.mishaps.count == 6  # and no reason to be silent


class FakeAlarm:
    """A kernel's timer in the fake loop's time; as punctual as the loop's `late_s` says."""

    def __init__(self, loop: FakeLoop, on_due: Callable[[], None]) -> None:
        self._loop, self._on_due = loop, on_due
        self._handle = FakeHandle()

    def set(self, at: float, period_s: float = 0.0) -> None:
        self._handle.cancel()
        self._handle = self._loop.call_later(max(at - self._loop.now, 0.0), lambda: self._fire(at, period_s))

    def _fire(self, at: float, period_s: float) -> None:
        if period_s:
            self.set(at + period_s, period_s)
        self._on_due()

    def cancel(self) -> None:
        self._handle.cancel()


def test_packets_leave_at_one_moment_however_long_the_work_takes(loop: FakeLoop) -> None:
    start = loop.now
    dice = random.Random(1)
    sent: list[float] = []
    network = Network(lambda what: sent.append(round(1000 * (loop.now - start) % 10, 3)) if what == "send" else None)
    clock = MediaClock(network, precise=loop.time, alarm=FakeAlarm)  # type: ignore[arg-type]  # it wants the fake loop

    def work(now: float) -> None:
        loop.now += dice.uniform(0.0006, 0.0013)

    cancel = clock.subscribe(work)
    loop.advance(5.0)
    assert len(sent) in (499, 500)
    assert set(sent[100:]) == {1.5}  # the step that all the work fits in
    cancel()
    assert loop.pending == 0


def test_work_that_is_late_is_sent_at_once_and_before_the_next(loop: FakeLoop) -> None:
    told: list[str] = []
    clock = MediaClock(Network(told.append), precise=loop.time, alarm=FakeAlarm)  # type: ignore[arg-type]  # as above
    clock.subscribe(lambda now: told.append("tick"))
    loop.advance(0.1005)
    told.clear()
    loop.now += 0.035
    loop.advance(0.0)
    assert told == ["read", "tick", "tick", "tick", "send"]
    loop.advance(0.01)
    assert told[5:] == ["read", "tick", "send"]


def test_ticks_on_a_real_loop_keep_the_schedule(run: Run) -> None:
    async def main() -> None:
        clock = MediaClock()
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        times: list[float] = []

        def tick(now: float) -> None:
            times.append(now)
            if len(times) == 30 and not done.done():
                done.set_result(None)

        cancel = clock.subscribe(tick)
        await done
        cancel()
        stats = clock.stats()
        assert stats.ticks + stats.skipped >= 30
        assert times[-1] - times[0] > 0.01 * (29 - 10)

    run(main())
