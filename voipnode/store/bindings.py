"""Where the node's telephones are registered, in state.db: written behind, and read once at the start.

Of each number the newest state is kept and no history. What is given to `keep` is on the disk a moment later; who
registers is not kept waiting for it. A disk that fails is reported once, and tried again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from voipnode.store.database import bindings, metadata, open_engine
from voipnode.store.records import short_cause
from voipnode.store.settings import StateSettings
from voipnode.store.state import DISK_ERRORS

log = logging.getLogger(__name__)

MAX_WAITING = 10_000  # numbers whose state is not on the disk yet
STOP_S = 2.0


class BindingStore:
    """Keeps the bindings of each number as JSON; `on_problem` is told in words, once per outage.

    `batch_delay_s` is how long a change may wait for company, `retry_s` the pause before a failed disk is tried again.
    """

    def __init__(
        self,
        settings: StateSettings,
        folder: Path,
        *,
        on_problem: Callable[[str], None],
        batch_delay_s: float = 0.3,
        retry_s: float = 5.0,
    ) -> None:
        self._url = settings.database_url(folder)
        self._node = settings.node
        self._on_problem = on_problem
        self._batch_delay_s = batch_delay_s
        self._retry_s = retry_s
        self._engine: AsyncEngine | None = None
        self._waiting: dict[str, str] = {}  # number -> its records as JSON
        self._wanted = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._working = asyncio.Lock()  # with the database: a batch, or a look at it
        self._is_failing = False

    async def load(self) -> Mapping[str, Sequence[dict[str, Any]]]:
        """The records of each number; nothing, and a report, where the disk cannot be read. Never raises."""
        async with self._working:
            try:
                await self._write()
                engine = self._engine or await self._open()
                async with engine.connect() as connection:
                    rows = await connection.execute(select(bindings.c.number, bindings.c.data).where(self._mine()))
                    return {number: found for number, data in rows if (found := _read(data))}
            except DISK_ERRORS as error:
                await self._failed(error)
                return {}

    def keep(self, number: str, records: Sequence[dict[str, Any]]) -> None:
        """Remember these of a number and no others; never blocks, never raises."""
        if number not in self._waiting and len(self._waiting) >= MAX_WAITING:
            return  # a dead disk and thousands of telephones: they will register anew
        self._waiting[number] = json.dumps(list(records)) if records else ""
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_for_ever())
        self._wanted.set()

    async def stop(self) -> None:
        """Write what waits, and close; gives a disk that fails `STOP_S` seconds."""
        writer, self._writer = self._writer, None
        try:
            async with asyncio.timeout(STOP_S), self._working:  # the writer is between two batches then
                if writer is not None:
                    writer.cancel()
                await self._write()
        except TimeoutError:
            log.error("state.db did not answer in %.0f s; where telephones are registered is not kept", STOP_S)
        except DISK_ERRORS as error:
            log.error("where telephones are registered could not be kept: %s", short_cause(error))
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
                    await self._write()
                except DISK_ERRORS as error:
                    await self._failed(error)
            if self._is_failing:
                await asyncio.sleep(self._retry_s)
                self._wanted.set()

    async def _write(self) -> None:
        """Write what waits now, all of it in one transaction; it waits on where that fails."""
        batch = dict(self._waiting)
        if not batch:
            return
        engine = self._engine or await self._open()
        rows = [{"node": self._node, "number": number, "data": data} for number, data in batch.items() if data]
        async with engine.begin() as connection:
            await connection.execute(delete(bindings).where(self._mine(), bindings.c.number.in_(list(batch))))
            if rows:
                await connection.execute(insert(bindings), rows)
        for number, data in batch.items():
            if self._waiting.get(number) == data:
                del self._waiting[number]
        self._is_failing = False

    def _mine(self) -> Any:
        return bindings.c.node == self._node

    async def _open(self) -> AsyncEngine:
        engine = await asyncio.to_thread(open_engine, self._url)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
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
            text = f"where telephones are registered cannot be kept in state.db: {short_cause(error)}; they serve on"
            log.error("%s", text)
            self._on_problem(text)


def _read(data: str) -> list[dict[str, Any]]:
    """The records of one number; none where they are not such."""
    try:
        found = json.loads(data)
    except ValueError:
        return []
    return [record for record in found if isinstance(record, dict)] if isinstance(found, list) else []
