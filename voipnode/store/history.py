"""The call history in state.db: each record written when it changes, found by filters, forgotten when old."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from voipnode.store.database import calls, utc_text
from voipnode.store.settings import StateSettings
from voipnode.store.write_behind import WriteBehind

Record = Mapping[str, Any]
PRUNE_EVERY = 100  # writes
EXACT = ("direction", "outcome", "kind", "account")
STOPPED = "the node stopped (killed, crashed or without power)"


class HistoryStore:
    """Keeps records under their ids, which sort by their beginning.

    A record older than `keep_days` (0: any age), or not among the newest `max_calls`, is neither found nor kept.
    `on_problem` is told in words, once per outage. `utc_now` is the time of day.
    """

    def __init__(
        self,
        settings: StateSettings,
        folder: Path,
        *,
        keep_days: int,
        max_calls: int,
        on_problem: Callable[[str], None],
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        batch_delay_s: float = 0.05,
        retry_s: float = 5.0,
    ) -> None:
        self._node = settings.node
        self._keep_days = keep_days
        self._max_calls = max_calls
        self._utc_now = utc_now
        self._since_pruned = PRUNE_EVERY
        self._behind = WriteBehind[Record](
            settings.database_url(folder),
            self._write,
            what="the call history",
            on_problem=on_problem,
            batch_delay_s=batch_delay_s,
            retry_s=retry_s,
        )

    async def start(self, last_heard_utc: str) -> None:
        """Close what the run before left open, at the time when it was last heard of."""

        async def close(connection: AsyncConnection) -> None:
            for id, data in await connection.execute(
                select(calls.c.id, calls.c.data).where(self._mine(), calls.c.outcome == "")
            ):
                await self._put(connection, id, _closed(json.loads(data), last_heard_utc))

        await self._behind.look(close)

    def keep(self, record: Record) -> None:
        """Write a record, in place of the one of the same id; never blocks, never raises."""
        self._behind.keep(record["id"], record)

    async def find(self, wanted: Mapping[str, str], *, limit: int, before: str = "") -> Sequence[Record] | None:
        """Records, newest first, from behind the one with the id `before`; None where the disk fails.

        `wanted` has what they must be; see `calls.history.desk`.
        """
        query = select(calls.c.data).where(self._mine(), calls.c.began_utc >= self._oldest(), *_filters(wanted))
        if before:
            query = query.where(calls.c.id < before)
        query = query.order_by(calls.c.id.desc()).limit(min(limit, self._max_calls))

        async def read(connection: AsyncConnection) -> list[Record]:
            return [json.loads(data) for (data,) in await connection.execute(query)]

        return await self._behind.look(read)

    async def stop(self) -> None:
        """Write what waits, and close."""
        await self._behind.stop()

    async def _write(self, connection: AsyncConnection, batch: Mapping[str, Record]) -> None:
        for id, record in batch.items():
            await self._put(connection, id, record)
        self._since_pruned += len(batch)
        if self._since_pruned >= PRUNE_EVERY:
            await self._prune(connection)
            self._since_pruned = 0

    async def _put(self, connection: AsyncConnection, id: str, record: Record) -> None:
        row = {
            "began_utc": record["began_utc"],
            "text": " ".join(record[name] for name in ("caller", "callee", "answered_by")).lower(),
            "data": json.dumps(record),
            **{name: record[name] for name in EXACT},
        }
        here = calls.c.node == self._node, calls.c.id == id
        if (await connection.execute(update(calls).where(*here).values(row))).rowcount == 0:
            await connection.execute(insert(calls).values(node=self._node, id=id, **row))

    async def _prune(self, connection: AsyncConnection) -> None:
        await connection.execute(delete(calls).where(self._mine(), calls.c.began_utc < self._oldest()))
        newest = select(calls.c.id).where(self._mine()).order_by(calls.c.id.desc())
        last_kept = newest.offset(self._max_calls - 1).limit(1).scalar_subquery()
        await connection.execute(delete(calls).where(self._mine(), calls.c.id < last_kept))

    def _mine(self) -> ColumnElement[bool]:
        return calls.c.node == self._node

    def _oldest(self) -> str:
        return utc_text(self._utc_now() - timedelta(days=self._keep_days)) if self._keep_days else ""


def _filters(wanted: Mapping[str, str]) -> list[ColumnElement[bool]]:
    found = [calls.c[name] == wanted[name] for name in EXACT if wanted.get(name)]
    if wanted.get("from_utc"):
        found.append(calls.c.began_utc >= wanted["from_utc"])
    if wanted.get("to_utc"):
        found.append(calls.c.began_utc < wanted["to_utc"])
    if wanted.get("text"):
        found.append(calls.c.text.contains(wanted["text"].lower(), autoescape=True))
    return found


def _closed(record: dict[str, Any], at_utc: str) -> dict[str, Any]:
    """A record that a run left open, ended when that was last heard of, or with what it last knew, if that is later."""
    ended = max(at_utc, record["answered_utc"] or record["began_utc"])
    since = record["answered_utc"] or record["began_utc"]
    lasted_s = round((_moment(ended) - _moment(since)).total_seconds(), 3)
    name = "talk_s" if record["answered_utc"] else "ring_s"
    return {**record, "ended_utc": ended, "outcome": "node stopped", "detail": STOPPED, name: lasted_s}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
