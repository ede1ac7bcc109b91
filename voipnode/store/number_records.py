"""What the node remembers of its numbers, in state.db: where telephones are, who is not to be disturbed.

Of each number the newest state is kept and no history. What is given to `keep` is on the disk a moment later; nobody is
kept waiting for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from voipnode.store.database import bindings, do_not_disturb
from voipnode.store.settings import StateSettings
from voipnode.store.write_behind import WriteBehind


class Kept(NamedTuple):
    """A kind of records: its table, and in words what is lost where that cannot be written."""

    table: Table
    what: str


BINDINGS = Kept(bindings, "where telephones are registered")
DO_NOT_DISTURB = Kept(do_not_disturb, "who is not to be disturbed")


class NumberRecords:
    """Keeps records of each number as JSON; `on_problem` is told in words, once per outage."""

    def __init__(
        self,
        settings: StateSettings,
        folder: Path,
        kept: Kept,
        *,
        on_problem: Callable[[str], None],
        batch_delay_s: float = 0.3,
        retry_s: float = 5.0,
    ) -> None:
        self._node = settings.node
        self._table = kept.table
        self._behind = WriteBehind[str](
            settings.database_url(folder),
            self._write,
            what=kept.what,
            on_problem=on_problem,
            batch_delay_s=batch_delay_s,
            retry_s=retry_s,
        )

    async def load(self) -> Mapping[str, Sequence[dict[str, Any]]]:
        """The records of each number; nothing, and a report, where the disk cannot be read. Never raises."""
        rows = await self._behind.look(self._read) or []
        return {number: found for number, data in rows if (found := _records(data))}

    def keep(self, number: str, records: Sequence[dict[str, Any]]) -> None:
        """Remember these of a number and no others; never blocks, never raises."""
        self._behind.keep(number, json.dumps(list(records)) if records else "")

    async def stop(self) -> None:
        """Write what waits, and close."""
        await self._behind.stop()

    async def _read(self, connection: AsyncConnection) -> list[tuple[str, str]]:
        rows = await connection.execute(select(self._table.c.number, self._table.c.data).where(self._mine()))
        return [(number, data) for number, data in rows]

    async def _write(self, connection: AsyncConnection, batch: Mapping[str, str]) -> None:
        await connection.execute(delete(self._table).where(self._mine(), self._table.c.number.in_(list(batch))))
        rows = [{"node": self._node, "number": number, "data": data} for number, data in batch.items() if data]
        if rows:
            await connection.execute(insert(self._table), rows)

    def _mine(self) -> Any:
        return self._table.c.node == self._node


def _records(data: str) -> list[dict[str, Any]]:
    """The records of one number; none where they are not such."""
    try:
        found = json.loads(data)
    except ValueError:
        return []
    return [record for record in found if isinstance(record, dict)] if isinstance(found, list) else []
