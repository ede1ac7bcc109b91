"""The virtual-time loop keeps its promises, as every test in virtual time leans on it."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.virtual_loop import VirtualTimeError, run_virtual, settle


def test_an_hour_passes_at_once_and_exactly() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await asyncio.sleep(0.1)
        first = loop.time()
        await asyncio.sleep(3599.9)
        return first - begin, loop.time()

    real = time.monotonic()
    assert run_virtual(main(), limit_s=4000) == (0.1, 3600.0)
    assert time.monotonic() - real < 5


def test_timers_fire_in_order_at_their_own_times() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[str, float]] = []

        def note(name: str) -> None:
            seen.append((name, loop.time()))

        for name, delay in (("c", 31.5), ("a", 0.5), ("b", 1.5)):
            loop.call_later(delay, note, name)
        cancelled = loop.call_later(0.2, note, "never")
        cancelled.cancel()
        await asyncio.sleep(40)
        return seen

    assert run_virtual(main()) == [("a", 0.5), ("b", 1.5), ("c", 31.5)]


def test_asyncio_timeout_works_in_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(32):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main(), start_s=100.0) == 132.0


def test_settle_does_not_move_the_clock() -> None:
    async def main() -> float:
        task = asyncio.create_task(asyncio.sleep(1))
        await settle()
        now = asyncio.get_running_loop().time()
        task.cancel()
        return now

    assert run_virtual(main()) == 0.0


def test_a_thread_is_waited_for_in_real_time() -> None:
    async def main() -> int:
        return await asyncio.to_thread(lambda: 42)

    assert run_virtual(main()) == 42


def test_waiting_for_what_never_comes_fails_with_words() -> None:
    async def periodic() -> None:
        for _ in range(1000):
            await asyncio.sleep(10)

    with pytest.raises(VirtualTimeError, match="passed its limit"):
        run_virtual(periodic(), limit_s=100)
