"""An asyncio event loop in virtual time: when nothing is ready, its clock jumps to the next timer.

`asyncio.sleep(3600)` takes no time and ends at exactly 3600 s of `loop.time()`. Sockets and threads work and are
served in real time, but timers do not wait for them: a test that needs the world's pace uses the ordinary loop.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
STUCK_AFTER_S = 5.0  # real seconds that a loop without any timer may wait for a socket or a thread
LIMIT_S = 3600.0


class VirtualTimeError(AssertionError):
    """The test waits for what will not happen: no timer is left, or the limit of virtual time is passed."""


class _JumpingSelector(selectors.DefaultSelector):
    """Answers at once where the real one would wait, and moves the loop's clock instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:  # no timer at all: only a thread or another process can still bring something
            ready = super().select(STUCK_AFTER_S)
            if not ready:
                raise VirtualTimeError(f"stuck at {self.loop.time():g} s: nothing is ready and no timer is set")
            return ready
        self.loop.jump()
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose `time()` starts at `start_s` and moves only from timer to timer, up to `limit_s` later.

    Raises `VirtualTimeError` out of `run_until_complete` when the limit is passed or nothing can happen any more.
    """

    def __init__(self, start_s: float = 0.0, limit_s: float = LIMIT_S) -> None:
        self._now = start_s
        self._limit_at = start_s + limit_s
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    def jump(self) -> None:
        """Go to the next timer: to its very time, not by a difference, so that tests may compare with ==."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined] # the loop's own heap
        self._now = max(self._now, scheduled[0].when())
        if self._now > self._limit_at:
            self._limit_at = float("inf")  # let the tasks be cancelled in order
            raise VirtualTimeError(f"virtual time passed its limit at {self._now:g} s: what is awaited never came")

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 -- as the base has it
        """Wait for threads in real time: Python 3.12 and later would set a timer, which here comes at once."""
        await super().shutdown_default_executor()


def run_virtual(main: Coroutine[Any, Any, T], *, start_s: float = 0.0, limit_s: float = LIMIT_S) -> T:
    """Run `main` to its end in virtual time and return its result; what is left is cancelled, as by `asyncio.run`."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start_s, limit_s)) as runner:
        return runner.run(main)


async def settle(turns: int = 20) -> None:
    """Let everything that is ready run, without moving the clock."""
    for _ in range(turns):
        await asyncio.sleep(0)
