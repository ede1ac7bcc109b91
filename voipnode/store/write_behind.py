"""What state.db knows beside events: kept under keys, written a moment later, all that waits in one transaction.

Nobody who keeps something waits for the disk. A disk that fails is reported once, and tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Generic, TypeVar

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from voipnode.store.database import create_tables, open_engine
from voipnode.store.records import short_cause
from voipnode.store.state import DISK_ERRORS

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")
Write = Callable[[AsyncConnection, Mapping[str, T]], Awaitable[None]]
STOP_S = 2.0


class WriteBehind(Generic[T]):
    """The newest value under each key, until `write` has it on the disk.

    `what` says in words what is lost while the disk fails; `on_problem` is told of that once per outage.
    `batch_delay_s` is how long a change may wait for company, `retry_s` the pause before a failed disk is tried again.
    With `max_waiting` keys that wait, new ones are left out.
    """

    def __init__(
        self,
        url: URL,
        write: Write[T],
        *,
        what: str,
        on_problem: Callable[[str], None],
        batch_delay_s: float = 0.3,
        retry_s: float = 5.0,
        max_waiting: int = 10_000,
    ) -> None:
        self._url = url
        self._write = write
        self._what = what
        self._on_problem = on_problem
        self._batch_delay_s = batch_delay_s
        self._retry_s = retry_s
        self._max_waiting = max_waiting
        self._engine: AsyncEngine | None = None
        self._waiting: dict[str, T] = {}
        self._wanted = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._working = asyncio.Lock()  # with the database: a batch, or a look at it
        self._is_failing = False

    def keep(self, key: str, value: T) -> None:
        """Remember this under its key; never blocks, never raises."""
        if key not in self._waiting and len(self._waiting) >= self._max_waiting:
            return  # a dead disk
        self._waiting[key] = value
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_for_ever())
        self._wanted.set()

    async def look(self, read: Callable[[AsyncConnection], Awaitable[R]]) -> R | None:
        """What `read` finds once all that waits is on the disk; None, and a report, where the disk fails."""
        async with self._working:
            try:
                await self._write_waiting()
                engine = self._engine or await self._open()
                async with engine.begin() as connection:
                    return await read(connection)
            except DISK_ERRORS as error:
                await self._failed(error)
                return None

    async def stop(self) -> None:
        """Write what waits, and close; gives a disk that fails `STOP_S` seconds."""
        writer, self._writer = self._writer, None
        try:
            async with asyncio.timeout(STOP_S), self._working:  # the writer is between two batches then
                if writer is not None:
                    writer.cancel()
                await self._write_waiting()
        except TimeoutError:
            log.error("state.db did not answer in %.0f s; %s is not kept", STOP_S, self._what)
        except DISK_ERRORS as error:
            log.error("%s could not be kept: %s", self._what, short_cause(error))
        if writer is not None:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        await self._close()

    async def _write_for_ever(self) -> None:
        while True:
            await self._wanted.wait()
            await asyncio.sleep(self._batch_delay_s)
            self._wanted.clear()
            async with self._working:
                try:
                    await self._write_waiting()
                except DISK_ERRORS as error:
                    await self._failed(error)
            if self._is_failing:
                await asyncio.sleep(self._retry_s)
                self._wanted.set()

    async def _write_waiting(self) -> None:
        """Write what waits now, all of it in one transaction; it waits on where that fails."""
        batch = dict(self._waiting)
        if not batch:
            return
        engine = self._engine or await self._open()
        async with engine.begin() as connection:
            await self._write(connection, batch)
        for key, value in batch.items():
            if self._waiting.get(key) == value:
                del self._waiting[key]
        self._is_failing = False

    async def _open(self) -> AsyncEngine:
        engine = await asyncio.to_thread(open_engine, self._url)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(create_tables)
        except BaseException:
            await engine.dispose()
            raise
        self._engine = engine
        return engine

    async def _close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            with suppress(*DISK_ERRORS):
                await engine.dispose()

    async def _failed(self, error: BaseException) -> None:
        await self._close()  # the next attempt opens afresh
        if not self._is_failing:
            self._is_failing = True
            text = f"{self._what} cannot be kept in state.db: {short_cause(error)}; the node serves on"
            log.error("%s", text)
            self._on_problem(text)
