"""What the node remembers: every event in state.db, and how the run before ended.

Events are written by one task in the order in which they were appended, in batches. An urgent event (a door opening)
ends its batch at once: it is on the disk before any later event is acknowledged. The disk is never waited for by a
call: `append` only queues, the queue is bounded, and a disk that fails or hangs is reported once and tried again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from voipnode.store.database import (
    create_tables,
    event_insert,
    events,
    is_damaged,
    open_engine,
    runs,
    set_aside,
    utc_text,
)
from voipnode.store.records import PreviousRun, RecordedEvent, bounded_json, short_cause
from voipnode.store.settings import StateSettings

log = logging.getLogger(__name__)

MAX_QUEUED = 2000
MAX_BATCH = 256
MAX_UNPRUNED = 1000
MAX_RUNS = 1000
MAX_NAME_CHARS = 64
STALLED_S = 2.0  # a write that takes longer is reported; nobody waits for it any more
STALLED_LOOKS = 4  # in that time: a process that stood still itself misses one of them, and does not blame the disk
STOP_S = 5.0
DISK_ERRORS = (SQLAlchemyError, sqlite3.Error, OSError)


@dataclass(slots=True, eq=False)
class _Entry:
    at_utc: str
    name: str
    data: str  # JSON
    is_urgent: bool
    written: asyncio.Future[bool]


class EventLog:
    """Writes events to state.db and reads them back.

    `utc_now` gives the time of day, `on_problem` is told in words, once per outage, what a maintainer should know.
    `batch_delay_s` is how long an event may wait for company, `retry_s` the pause before a failed disk is tried again.
    """

    def __init__(
        self,
        settings: StateSettings,
        folder: Path,
        *,
        on_problem: Callable[[str], None],
        run_id: str = "",
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        urgent: frozenset[str] = frozenset({"door.opened"}),
        batch_delay_s: float = 0.2,
        retry_s: float = 5.0,
    ) -> None:
        self.run_id = run_id or secrets.token_hex(8)
        self._settings = settings
        self._url = settings.database_url(folder)
        self._on_problem = on_problem
        self._utc_now = utc_now
        self._urgent = urgent
        self._batch_delay_s = batch_delay_s
        self._retry_s = retry_s
        self._engine: AsyncEngine | None = None
        self._insert = ""
        self._started_utc = ""
        self._previous: PreviousRun | None = None
        self._queue: deque[_Entry] = deque()
        self._queued = asyncio.Event()
        self._hurry = asyncio.Event()
        self._tried = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._is_failing = False
        self._lost = 0
        self._since_pruned = 0

    async def start(self) -> None:
        """Open the database, note that this run began, and write from now on.

        Returns once that is done or the disk is known to be bad, which is reported, not raised.
        """
        self._started_utc = utc_text(self._utc_now())
        self._writer = asyncio.get_running_loop().create_task(self._write_for_ever())
        await self._tried.wait()

    async def stop(self) -> None:
        """Write what is queued, note the clean stop and close; gives a disk that fails `STOP_S` seconds."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        try:
            async with asyncio.timeout(STOP_S):
                await self._finish()
        except TimeoutError:
            log.error("state.db did not answer in %.0f s", STOP_S)
        except DISK_ERRORS as error:
            log.error("state.db could not be closed: %s", short_cause(error))
        if self._queue:
            log.error("%d events could not be written and are lost", len(self._queue))
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        self._settle(list(self._queue), is_written=False)

    def append(self, name: str, data: Mapping[str, Any]) -> asyncio.Future[bool]:
        """Queue an event; never blocks, never raises. Awaited, it tells whether the event is on the disk.

        `data` is JSON of at most 16,000 characters; what is not, is replaced by a note. With a full queue the oldest
        event that is not urgent is lost, which the log then says.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        entry = _Entry(
            utc_text(self._utc_now()),
            ascii(name)[1:-1][:MAX_NAME_CHARS],
            bounded_json(data),
            name in self._urgent,
            future,
        )
        if len(self._queue) >= MAX_QUEUED:
            self._drop_one()
        self._queue.append(entry)
        self._queued.set()
        if entry.is_urgent or len(self._queue) >= MAX_BATCH:
            self._hurry.set()
        if self._is_failing:  # it stays queued, but nobody should wait for a disk that is known to be bad
            self._settle([entry], is_written=False)
        return future

    async def flush(self) -> bool:
        """Write everything appended so far now; False when the disk does not take it."""
        if not self._queue or self._is_failing:
            return not self._queue
        last = self._queue[-1]
        last.is_urgent = True
        self._hurry.set()
        return await asyncio.shield(last.written)  # who waits no longer takes nothing from the others

    def previous_run(self) -> PreviousRun | None:
        """The run before this one, once `start` has returned; None on the first, or while the disk fails."""
        return self._previous

    async def recent(self, limit: int = 100, *, name: str = "", before_id: int | None = None) -> list[RecordedEvent]:
        """The newest events on disk, newest first: of one `name` when given, older than `before_id` when given.

        `limit` is 1 to 1000. An unreadable disk gives an empty list and a report.
        """
        query = select(events).order_by(events.c.id.desc()).limit(max(1, min(limit, 1000)))
        if name:
            query = query.where(events.c.name == name)
        if before_id is not None:
            query = query.where(events.c.id < before_id)
        if self._engine is None:
            return []
        try:
            async with self._engine.connect() as connection:
                return [RecordedEvent(*row) for row in await connection.execute(query)]
        except DISK_ERRORS as error:
            self._failed(short_cause(error))
            return []

    async def _finish(self) -> None:
        while self._queue and not self._is_failing:
            await self.flush()
        if self._engine is None:
            return
        if not self._is_failing:
            async with self._engine.begin() as connection:
                stopped = {"stopped_utc": utc_text(self._utc_now())}
                await connection.execute(update(runs).where(runs.c.run_id == self.run_id).values(stopped))
        await self._close()

    async def _write_for_ever(self) -> None:
        await self._until_written([])
        while True:
            await self._queued.wait()
            if not self._hurry.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._batch_delay_s):
                        await self._hurry.wait()
            batch = self._next_batch()
            await self._until_written(batch)
            self._taken(batch)

    async def _until_written(self, batch: list[_Entry]) -> None:
        while not await self._attempt(batch):  # noqa: ASYNC110 -- a disk sends no event when it recovers
            await asyncio.sleep(self._retry_s)

    def _next_batch(self) -> list[_Entry]:
        """The oldest events, up to and with the first urgent one. They stay queued until they are on the disk."""
        batch: list[_Entry] = []
        for entry in self._queue:
            batch.append(entry)
            if entry.is_urgent or len(batch) == MAX_BATCH:
                break
        return batch

    def _taken(self, batch: list[_Entry]) -> None:
        written = set(map(id, batch))
        self._queue = deque(entry for entry in self._queue if id(entry) not in written)
        self._settle(batch, is_written=True)
        if self._lost:
            lost, self._lost = self._lost, 0
            self.append("store.gap", {"event": "store.gap", "lost": lost})
        if not self._queue:
            self._queued.clear()
            self._hurry.clear()
        elif len(self._queue) < MAX_BATCH and not any(entry.is_urgent for entry in self._queue):
            self._hurry.clear()

    async def _attempt(self, batch: list[_Entry]) -> bool:
        """Try to write; True when `batch` is on the disk. A write that hangs is reported, then waited for."""
        task = asyncio.get_running_loop().create_task(self._write(batch))
        try:
            if not await _done_in_time(task):
                self._failed(f"the disk has not answered for {STALLED_S:.0f} s")
            await task
        except asyncio.CancelledError:
            task.cancel()
            raise
        except DISK_ERRORS as error:
            is_first = not self._is_failing
            afresh = is_damaged(error)
            self._failed(short_cause(error) + ("; it is set aside and a new one begins" if afresh else ""))
            await self._after_failure(error)
            return is_first and afresh and await self._attempt(batch)
        self._tried.set()
        if self._is_failing:
            self._is_failing = False
            log.info("state.db can be written again")
        return True

    async def _write(self, batch: Sequence[_Entry]) -> None:
        engine = self._engine or await self._open()
        if not batch:
            return
        rows = [(entry.at_utc, self.run_id, entry.name, entry.data) for entry in batch]
        async with engine.begin() as connection:
            await connection.exec_driver_sql(self._insert, rows)
            self._since_pruned += len(batch)
            if self._since_pruned >= max(1, min(self._settings.keep_events // 10, MAX_UNPRUNED)):
                await self._prune(connection)
                self._since_pruned = 0

    async def _prune(self, connection: AsyncConnection) -> None:
        """Keep this node's newest events; between two prunings there may be a tenth more."""
        mine = events.c.run_id.in_(select(runs.c.run_id).where(runs.c.node == self._settings.node))
        last_kept = select(events.c.id).where(mine).order_by(events.c.id.desc()).offset(self._settings.keep_events - 1)
        await connection.execute(delete(events).where(mine, events.c.id < last_kept.limit(1).scalar_subquery()))

    async def _prune_runs(self, connection: AsyncConnection) -> None:
        """A node in a restart loop must not fill the disk: keep the newest runs, and those that have events."""
        mine = runs.c.node == self._settings.node
        oldest = select(runs.c.started_utc).where(mine).order_by(runs.c.started_utc.desc()).offset(MAX_RUNS).limit(1)
        is_empty = runs.c.run_id.not_in(select(events.c.run_id))
        await connection.execute(delete(runs).where(mine, is_empty, runs.c.started_utc <= oldest.scalar_subquery()))

    async def _open(self) -> AsyncEngine:
        engine = await asyncio.to_thread(open_engine, self._url)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(create_tables)
                is_known = await connection.scalar(select(runs.c.run_id).where(runs.c.run_id == self.run_id))
                if is_known is None:
                    self._previous = await self._find_previous(connection)
                    run = {"run_id": self.run_id, "node": self._settings.node, "started_utc": self._started_utc}
                    await connection.execute(insert(runs), [run])
                    await self._prune_runs(connection)
        except BaseException:
            await engine.dispose()
            raise
        self._engine = engine
        self._insert = event_insert(engine.dialect)
        return engine

    async def _find_previous(self, connection: AsyncConnection) -> PreviousRun | None:
        mine = runs.c.node == self._settings.node
        row = (await connection.execute(select(runs).where(mine).order_by(runs.c.started_utc.desc()).limit(1))).first()
        if row is None:
            return None
        newest = select(events.c.at_utc).where(events.c.run_id == row.run_id).order_by(events.c.id.desc()).limit(1)
        last = await connection.scalar(newest)
        return PreviousRun(row.run_id, row.started_utc, row.stopped_utc or "", last or "")

    async def _after_failure(self, error: BaseException) -> None:
        """Close, so that the next attempt opens afresh; a file that is no database any more is set aside first."""
        with suppress(*DISK_ERRORS):
            await self._close()
            if is_damaged(error) and (aside := set_aside(self._url, self._utc_now())):
                log.error("state.db was damaged; it is kept as %s and a new one begins", aside)

    async def _close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    def _failed(self, detail: str) -> None:
        """Say once per outage what is wrong, and let everybody go who waits for the disk."""
        self._settle(list(self._queue), is_written=False)
        self._tried.set()
        if self._is_failing:
            return
        self._is_failing = True
        place = self._url.render_as_string(hide_password=True)
        text = f"the event log {place} cannot be used: {detail}; calls go on, up to {MAX_QUEUED} events wait in memory"
        log.error("%s", text)
        self._on_problem(text)

    def _drop_one(self) -> None:
        victim = next((entry for entry in self._queue if not entry.is_urgent), self._queue[0])
        self._queue.remove(victim)
        self._settle([victim], is_written=False)
        self._lost += 1

    @staticmethod
    def _settle(entries: Sequence[_Entry], *, is_written: bool) -> None:
        for entry in entries:
            if not entry.written.done():
                entry.written.set_result(is_written)


async def _done_in_time(task: asyncio.Task[None]) -> bool:
    """Whether `task` ends within `STALLED_S`."""
    for _ in range(STALLED_LOOKS):
        done, _pending = await asyncio.wait({task}, timeout=STALLED_S / STALLED_LOOKS)
        if done:
            return True
    return False
