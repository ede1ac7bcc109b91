"""The loops that the shells must work on, and a guard so that no test hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

GUARD_S = 60.0  # only against hanging for ever; a machine may be busy
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end on each kind of loop; an exception that only reached the loop fails the test too."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None

    def run_it(main: Coroutine[Any, Any, None]) -> None:
        strays: list[dict[str, Any]] = []

        async def guarded() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: strays.append(context))
            async with asyncio.timeout(GUARD_S):
                await main

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(guarded())
        assert strays == []

    return run_it
