"""The holders for the event loop: one thread of their own works on the file, one thing after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from voipnode.modules.entry.codes import COST
from voipnode.modules.entry.holder import Holder, HolderFields
from voipnode.modules.entry.holder_file import HolderFile, Use

P = ParamSpec("P")
T = TypeVar("T")


class HolderList:
    """As `HolderFile`, whose methods say what they do and raise."""

    def __init__(self, folder: Path, max_holders: int, cost: int = COST) -> None:
        self._file = HolderFile(folder, max_holders, cost)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="entry")

    async def _run(self, work: Callable[P, T], *values: P.args, **more: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*values, **more))

    async def open(self) -> None:
        await self._run(self._file.open)

    async def close(self) -> None:
        """Finish what was begun, and close the file for good."""
        await self._run(self._file.close)
        self._thread.shutdown(wait=False)

    async def all(self) -> list[Holder]:
        return await self._run(self._file.all)

    async def one(self, holder_id: int) -> Holder:
        return await self._run(self._file.one, holder_id)

    async def by_card(self, uid: str) -> Holder | None:
        return await self._run(self._file.by_card, uid)

    async def by_code(self, code: str) -> tuple[Holder, str] | None:
        return await self._run(self._file.by_code, code)

    async def add(self, fields: HolderFields) -> int:
        return await self._run(self._file.add, fields)

    async def change(self, holder_id: int, fields: HolderFields, codes: dict[str, str]) -> None:
        await self._run(self._file.change, holder_id, fields, codes)

    async def remove(self, holder_id: int) -> None:
        await self._run(self._file.remove, holder_id)

    async def use(self, holder_id: int) -> Use:
        return await self._run(self._file.use, holder_id)

    async def give_back(self, holder_id: int) -> None:
        await self._run(self._file.give_back, holder_id)
