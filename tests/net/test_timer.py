"""LazyTimer: fires when it is due, and touches the loop's timers only when a deadline moves earlier."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.net.conftest import Run
from voipnode.net.timer import LazyTimer


class FakeHandle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """A loop whose time stands still until it is told; remembers every timer that was set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.set: list[tuple[float, Callable[[], None], FakeHandle]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, callback: Callable[[], None]) -> FakeHandle:
        handle = FakeHandle()
        self.set.append((at, callback, handle))
        return handle

    def fire_last(self) -> None:
        at, callback, handle = self.set[-1]
        assert not handle.cancelled
        self.now = at
        callback()


def make() -> tuple[FakeLoop, list[float], LazyTimer]:
    loop: Any = FakeLoop()
    fired: list[float] = []
    return loop, fired, LazyTimer(loop, lambda: fired.append(loop.now))


def test_a_deadline_that_moves_later_costs_no_new_timer_until_it_fires() -> None:
    loop, fired, timer = make()
    for step in range(1000):
        timer.arm(1.0 + step * 0.001)
    assert len(loop.set) == 1
    loop.fire_last()
    assert fired == []
    assert [at for at, _, _ in loop.set] == [1.0, 1.999]
    loop.fire_last()
    assert fired == [1.999]


def test_a_deadline_that_moves_earlier_replaces_the_timer() -> None:
    loop, fired, timer = make()
    timer.arm(5.0)
    timer.arm(2.0)
    assert loop.set[0][2].cancelled
    loop.fire_last()
    assert fired == [2.0]


def test_none_silences_it_and_it_can_be_armed_again() -> None:
    loop, fired, timer = make()
    timer.arm(1.0)
    timer.arm(None)
    loop.fire_last()
    assert fired == []
    timer.arm(3.0)
    loop.fire_last()
    assert fired == [3.0]


def test_cancel_leaves_nothing_in_the_loop() -> None:
    loop, _, timer = make()
    timer.arm(1.0)
    timer.cancel()
    assert loop.set[0][2].cancelled


def test_it_never_fires_before_its_deadline_on_a_real_loop(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for fraction_ms in (0.1, 0.4, 0.5, 0.9, 3.3):
            fired = loop.create_future()
            timer = LazyTimer(loop, lambda fired=fired: fired.set_result(loop.time()))  # type: ignore[misc] -- default binds the future
            at = loop.time() + fraction_ms / 1000
            timer.arm(at)
            assert await fired >= at

    run(main())
