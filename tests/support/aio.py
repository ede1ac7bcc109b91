"""Runs an asynchronous test on the loop the product uses, with a time limit that says what was being waited for.

What a test has started and not stopped, because it failed before it came to that, is stopped at its end (`at_end`): a
child process left alive would hold its port, and keeps uvloop from closing, for ever and deaf to pytest's time limit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

from voipnode.net.loop import run

PATIENCE_S = 60.0  # how long a test waits for what must come, on however busy a machine; no assertion about time
T = TypeVar("T")
_ENDINGS: ContextVar[contextlib.AsyncExitStack] = ContextVar("endings")


def run_test(work: Coroutine[Any, Any, T], *, limit_s: float = 3 * PATIENCE_S) -> T:
    """Run `work` to its end, or fail after `limit_s` seconds."""

    async def bounded() -> T:
        async with contextlib.AsyncExitStack() as endings:
            _ENDINGS.set(endings)
            async with asyncio.timeout(limit_s):
                return await work
        raise AssertionError("no ending swallows an exception")

    return run(bounded())


def at_end(stop: Callable[[], Awaitable[None]]) -> None:
    """Have `stop` called when the test is over; it must not mind being called twice."""
    _ENDINGS.get().push_async_callback(stop)


@contextlib.asynccontextmanager
async def within(seconds: float, what: str, account: Callable[[], object] | None = None) -> AsyncIterator[None]:
    """Fail with words when the block takes longer; `account` is asked then, what there was instead."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        instead = f"; {account()}" if account is not None else ""
        raise AssertionError(f"no {what} within {seconds} s{instead}") from None
