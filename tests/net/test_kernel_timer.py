"""KernelTimer: on time, again and again, and no more once it is cancelled."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from tests.net.conftest import Run
from voipnode.net import kernel_timer
from voipnode.net.clock import MediaClock
from voipnode.net.kernel_timer import ClockWatch, KernelTimer


def test_it_calls_at_its_times_and_a_stall_makes_one_call(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        calls: list[float] = []
        enough = asyncio.Event()

        def due() -> None:
            calls.append(time.monotonic())
            if len(calls) == 3:
                time.sleep(0.055)  # two periods pass unseen
            if len(calls) == 6:
                enough.set()

        first_at = time.monotonic() + 0.05
        timer = KernelTimer(loop, due)
        timer.set(first_at, 0.02)
        await enough.wait()
        timer.cancel()
        assert all(at >= first_at + 0.02 * number for number, at in enumerate(calls))
        assert calls[5] >= first_at + 0.02 * 6
        await asyncio.sleep(0.05)
        assert len(calls) == 6

    run(main())


def test_a_first_time_that_has_passed_is_now(run: Run) -> None:
    async def main() -> None:
        due = asyncio.Event()
        timer = KernelTimer(asyncio.get_running_loop(), due.set)
        timer.set(time.monotonic() - 100)
        await due.wait()
        timer.cancel()

    run(main())


def test_the_media_clock_ticks_by_it_and_gives_it_back(run: Run) -> None:
    async def main() -> None:
        clock = MediaClock(alarm=KernelTimer)
        files = set(os.listdir("/proc/self/fd"))
        for _ in range(3):
            done = asyncio.Event()
            times: list[float] = []

            def tick(now: float, times: list[float] = times, done: asyncio.Event = done) -> None:
                times.append(now)
                if len(times) == 20:
                    done.set()

            cancel = clock.subscribe(tick)
            await done.wait()
            cancel()
            assert times[-1] - times[0] > 0.01 * (19 - 10)  # ten may have been made up for at once
        assert len(set(os.listdir("/proc/self/fd")) - files) == 0

    run(main())


def test_without_it_the_media_clock_goes_by_the_loops_timers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoTimers:
        """A C library of another system."""

    monkeypatch.setattr(kernel_timer, "_library", NoTimers)

    async def main() -> None:
        with pytest.raises(OSError, match="no timerfd_create"):
            KernelTimer(asyncio.get_running_loop(), lambda: None)
        clock = MediaClock(alarm=KernelTimer)
        ticked = asyncio.Event()
        cancel = clock.subscribe(lambda now: ticked.set())
        await ticked.wait()
        ticked.clear()
        await ticked.wait()
        cancel()

    run(main())


def test_it_may_be_set_anew_before_it_is_due_and_again_after(run: Run) -> None:
    async def main() -> None:
        due = asyncio.Event()
        timer = KernelTimer(asyncio.get_running_loop(), due.set)
        for _ in range(2):
            timer.set(time.monotonic() + 100)
            timer.set(time.monotonic() + 0.01)
            await due.wait()
            due.clear()
        with pytest.raises(OSError, match="Invalid argument"):
            timer.set(1.0, -0.5)
        timer.cancel()

    run(main())


def test_a_clock_that_is_set_is_told_each_time(run: Run) -> None:
    async def main() -> None:
        files = set(os.listdir("/proc/self/fd"))
        told = asyncio.Event()
        watch = ClockWatch(told.set)
        watch.start()
        for _ in range(2):
            _set_the_clock_to_what_it_is()
            await told.wait()
            told.clear()
        await watch.stop()
        await watch.stop()
        assert set(os.listdir("/proc/self/fd")) == files

    run(main())


def _set_the_clock_to_what_it_is() -> None:
    """Sets this machine's clock, by less than a microsecond: no other way makes the kernel say so."""
    try:
        time.clock_settime_ns(time.CLOCK_REALTIME, time.clock_gettime_ns(time.CLOCK_REALTIME))
    except PermissionError:
        pytest.skip("needs the right to set the machine's clock")


def test_without_it_a_clock_that_is_set_is_not_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        watch = ClockWatch(lambda: None)
        watch.start()
        await watch.stop()

    monkeypatch.setattr(kernel_timer, "_library", object)
    run(main())
