"""Carries out the commands that read the call history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from voipnode.calls.commands import ExportHistory, ReadHistory
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.history.export import as_csv
from voipnode.calls.hooks import Commands

MAX_PAGE = 500
FORMATS = ("csv", "json")


class HistoryReader(Protocol):
    """Where the history is read; None where it cannot be, which was reported."""

    async def find(
        self, wanted: Mapping[str, str], *, limit: int, before: str = ""
    ) -> Sequence[Mapping[str, Any]] | None:
        """Records, newest first, of at most `limit`, from behind the one with the id `before`.

        `wanted` has what they must be: "from_utc", "to_utc" (of their beginning), "direction", "outcome", "kind",
        "account", and "text", a part of who took part; "" is no matter.
        """
        ...


class HistoryDesk:
    """Takes the commands; at most `max_calls` are exported."""

    def __init__(self, store: HistoryReader, commands: Commands, max_calls: int) -> None:
        self._store = store
        self._max_calls = max_calls
        commands.register(ReadHistory, self._read, who="history")
        commands.register(ExportHistory, self._export, who="history")

    async def _read(self, command: ReadHistory) -> str:
        if not 1 <= command.limit <= MAX_PAGE:
            raise CallError(f"limit = {command.limit}: 1 to {MAX_PAGE} is right")
        found = await self._find(command.wanted, command.limit + 1, command.before)
        page = found[: command.limit]
        return json.dumps({"calls": page, "next": page[-1]["id"] if len(found) > len(page) else ""})

    async def _export(self, command: ExportHistory) -> str:
        if command.format not in FORMATS:
            raise CallError(f'format = "{command.format}": csv or json is right')
        found = await self._find(command.wanted, self._max_calls, "")
        return as_csv(found) if command.format == "csv" else json.dumps(found, ensure_ascii=False, indent=1) + "\n"

    async def _find(self, wanted: Mapping[str, str], limit: int, before: str) -> list[Mapping[str, Any]]:
        found = await self._store.find(wanted, limit=limit, before=before)
        if found is None:
            raise NotNowError("the call history cannot be read now: the disk does not answer")
        return list(found)
