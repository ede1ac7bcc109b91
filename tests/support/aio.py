"""Runs an asynchronous test on the loop the product uses, with a time limit that says what was being waited for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from voipnode.net.loop import run

T = TypeVar("T")


def run_test(work: Coroutine[Any, Any, T], *, limit_s: float = 60.0) -> T:
    """Run `work` to its end, or fail after `limit_s` seconds."""

    async def bounded() -> T:
        async with asyncio.timeout(limit_s):
            return await work

    return run(bounded())


@contextlib.asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Fail with words when the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise AssertionError(f"no {what} within {seconds} s") from None
