"""Programs of a test that are stopped at its end, however it ends."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Protocol, TypeVar


class Stoppable(Protocol):
    async def stop(self) -> None: ...


S = TypeVar("S", bound=Stoppable)


@contextlib.asynccontextmanager
async def running(starting: Awaitable[S]) -> AsyncIterator[S]:
    """`async with running(Node.start(...)) as node`."""
    program = await starting
    try:
        yield program
    finally:
        await program.stop()
