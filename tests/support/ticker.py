"""A media clock by the loop's own time, which a virtual loop makes exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class LoopTicker:
    """Ticks every 10 ms of the loop's time; `subscribers` counts who listens."""

    def __init__(self) -> None:
        self.subscribers = 0

    def subscribe(
        self, tick: Callable[[float], None], send: Callable[[float], None] = lambda now: None
    ) -> Callable[[], None]:
        loop, is_running = asyncio.get_running_loop(), True
        self.subscribers += 1

        def fire() -> None:
            if is_running:
                loop.call_later(0.01, fire)
                tick(loop.time())
                send(loop.time())

        def cancel() -> None:
            nonlocal is_running
            self.subscribers -= is_running
            is_running = False

        loop.call_later(0.01, fire)
        return cancel


class HastyTicker:
    """Ticks as fast as the machine can, some at each turn of the loop: ten seconds of sound in a moment."""

    def subscribe(
        self, tick: Callable[[float], None], send: Callable[[float], None] = lambda now: None
    ) -> Callable[[], None]:
        loop, is_running = asyncio.get_running_loop(), True

        def fire() -> None:
            for _ in range(50):
                if is_running:
                    tick(loop.time())
            if is_running:
                loop.call_soon(fire)

        def cancel() -> None:
            nonlocal is_running
            is_running = False

        loop.call_soon(fire)
        return cancel
