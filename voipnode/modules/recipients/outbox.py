"""What is to be delivered yet, on the disk: `outbox.db` in the node's folder. A message accepted outlives a kill."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from voipnode.calls.errors import NotNowError
from voipnode.modules.recipients.message import Attachment, Message

NAME = "outbox.db"
MAX_WAITING = 10_000
MAX_ATTACHED_BYTES = 100_000_000  # of all that waits
P = ParamSpec("P")
T = TypeVar("T")
# A number is never given twice, not even after its message is gone (AUTOINCREMENT): files are named by it.
_SCHEMA = """CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, recipient TEXT NOT NULL, kept_at REAL NOT NULL, message TEXT NOT NULL
) STRICT"""
_ATTACHED = """CREATE TABLE IF NOT EXISTS attachments (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, media_type TEXT NOT NULL, content BLOB NOT NULL
) STRICT"""


class Outbox:
    """A queue for each recipient; one thread works on the file. Raises NotNowError where that cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._connection: sqlite3.Connection | None = None

    async def _run(self, work: Callable[P, T], *values: P.args, **more: P.kwargs) -> T:
        def guarded() -> T:
            try:
                return work(*values, **more)
            except (sqlite3.Error, OSError) as error:
                raise NotNowError(f"{self.path} cannot be used: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    async def open(self) -> None:
        await self._run(self._open)

    def _open(self) -> None:
        self.path.touch(mode=0o600, exist_ok=True)
        self._connection = sqlite3.connect(self.path, timeout=2.0)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(_SCHEMA)
        self._connection.execute(_ATTACHED)

    async def close(self) -> None:
        """Finish what was begun; for good."""
        await self._run(self._close)
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def keep(self, recipient: str, message: Message, now_s: float) -> None:
        """Accept a message: on the disk, with its attachment, when this returns.

        Raises NotNowError, also where 10,000 or 100 MB of attachments wait already.
        """
        await self._run(self._keep, recipient, message, now_s)

    def _keep(self, recipient: str, message: Message, now_s: float) -> None:
        connection = self._opened()
        (waiting,) = connection.execute("SELECT COUNT(*) FROM messages").fetchone()
        if waiting >= MAX_WAITING:
            raise NotNowError(f"{waiting} messages wait to be delivered: no more are taken")
        with connection:
            row = (recipient, now_s, message.to_json())
            number = connection.execute(
                "INSERT INTO messages (recipient, kept_at, message) VALUES (?, ?, ?)", row
            ).lastrowid
            if message.attachment is not None:
                (used,) = connection.execute("SELECT COALESCE(SUM(LENGTH(content)), 0) FROM attachments").fetchone()
                if used + len(message.attachment.content) > MAX_ATTACHED_BYTES:
                    raise NotNowError(f"{used} bytes of attachments wait to be delivered: no more are taken")
                name, content, media_type = message.attachment
                connection.execute("INSERT INTO attachments VALUES (?, ?, ?, ?)", (number, name, media_type, content))

    async def first(self, recipient: str) -> tuple[Message, float] | None:
        """The oldest message for a recipient, and since when it waits (seconds since 1970)."""
        return await self._run(self._first, recipient)

    def _first(self, recipient: str) -> tuple[Message, float] | None:
        connection = self._opened()
        row = connection.execute(
            "SELECT number, kept_at, message FROM messages WHERE recipient = ? ORDER BY number LIMIT 1", (recipient,)
        ).fetchone()
        if row is None:
            return None
        number, kept_at, text = row
        attached = connection.execute(
            "SELECT name, content, media_type FROM attachments WHERE number = ?", (number,)
        ).fetchone()
        return Message.from_json(text, number, attached and Attachment(*attached)), kept_at

    async def done(self, number: int) -> None:
        """A message was delivered, or given up."""
        await self._run(self._done, number)

    def _done(self, number: int) -> None:
        with self._opened() as connection:
            connection.execute("DELETE FROM messages WHERE number = ?", (number,))
            connection.execute("DELETE FROM attachments WHERE number = ?", (number,))

    async def rename(self, old: str, new: str) -> None:
        """A recipient has another name; what waits for it, waits on."""
        await self._run(self._rename, old, new)

    def _rename(self, old: str, new: str) -> None:
        with self._opened() as connection:
            connection.execute("UPDATE messages SET recipient = ? WHERE recipient = ?", (new, old))

    async def drop(self, recipient: str) -> None:
        """Forget what waits for a recipient."""
        await self._run(self._drop, recipient)

    def _drop(self, recipient: str) -> None:
        with self._opened() as connection:
            connection.execute(
                "DELETE FROM attachments WHERE number IN (SELECT number FROM messages WHERE recipient = ?)",
                (recipient,),
            )
            connection.execute("DELETE FROM messages WHERE recipient = ?", (recipient,))

    async def waiting(self) -> dict[str, tuple[int, float]]:
        """How many wait, by recipient, and since when the oldest of them does (seconds since 1970)."""
        return await self._run(self._waiting)

    def _waiting(self) -> dict[str, tuple[int, float]]:
        rows = self._opened().execute("SELECT recipient, COUNT(*), MIN(kept_at) FROM messages GROUP BY recipient")
        return {name: (count, since_s) for name, count, since_s in rows.fetchall()}

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise NotNowError(f"{self.path} is not open: see what the node told at its start")
        return self._connection
