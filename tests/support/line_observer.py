"""Watches a simulated output line from outside, while an asynchronous test goes on."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.aio import within
from tests.support.guardian_process import boottime
from tests.support.watch_file import FileWatch

OPEN_CONTACT, CLOSED_CONTACT = b"0", b"1"


class LineObserver:
    """Notes every change of the line's level with its moment, in seconds of CLOCK_BOOTTIME, the clock of leases.

    It sees the folder's inotify events, so it is told by the kernel and neither asks nor trusts the node. Linux only.
    """

    def __init__(self, path: Path) -> None:
        self._watch = FileWatch(path)
        self._name = path.name
        self._moved = asyncio.Event()
        self.changes = [(boottime(), self._watch.present())]

    def __enter__(self) -> Self:
        self._watch.__enter__()
        asyncio.get_running_loop().add_reader(self._watch.fileno(), self._look)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._watch.fileno())
        self._watch.__exit__(kind, error, trace)

    @property
    def levels(self) -> list[bytes]:
        """Every level the line has had, from the one at the beginning on."""
        return [level for _, level in self.changes]

    async def until(self, level: bytes, *, seconds: float = 5.0) -> float:
        """Wait until the line has that level; returns when it got it, fails after `seconds`. One waits at a time."""
        async with within(seconds, f"level {level!r} of {self._name}", lambda: f"it had {self.levels}"):
            while self.changes[-1][1] != level:
                self._moved.clear()
                await self._moved.wait()
        return self.changes[-1][0]

    def _look(self) -> None:
        os.read(self._watch.fileno(), 65536)
        level = self._watch.present()
        if level != self.changes[-1][1]:
            self.changes.append((boottime(), level))
            self._moved.set()
