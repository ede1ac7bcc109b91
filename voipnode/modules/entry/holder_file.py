"""The holders on disk: `entry.db` in the node's folder, a SQLite file.

Each change is on the disk (synchronous = FULL) before it is answered. A use is taken off before the door is asked to
open: whoever pulls the plug in between has lost one use, and never won one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from voipnode.calls.errors import CallError, FieldsError, NotNowError, UnknownNameError
from voipnode.modules.entry.codes import COST, hashed, new_salt
from voipnode.modules.entry.holder import CODES, Holder, HolderFields

NAME = "entry.db"
VERSION = 1
BUSY_S = 2.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS holders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    card_uid TEXT,
    uses_left INTEGER CHECK (uses_left >= 0),
    fields TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS holders_card ON holders (card_uid) WHERE card_uid IS NOT NULL;
CREATE TABLE IF NOT EXISTS codes (
    hash BLOB PRIMARY KEY,
    holder INTEGER NOT NULL REFERENCES holders (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    UNIQUE (holder, kind)
) STRICT;
"""


class Use(NamedTuple):
    """What came of using an entry: whether there was a use, and how many are left (None: without limit)."""

    taken: bool
    left: int | None


class HolderFile:
    """Blocks: to be used in one thread, and not in the event loop's (`HolderList`).

    `cost`: of a code's hash (`codes`), the same for as long as the file lives. Raises NotNowError where the file cannot
    be read or written, with the reason; nothing is changed then.
    """

    def __init__(self, folder: Path, max_holders: int, cost: int = COST) -> None:
        self.path = folder / NAME
        self._cost = cost
        self._max_holders = max_holders
        self._connection: sqlite3.Connection | None = None
        self._salt = b""

    # -- open and close

    def open(self) -> None:
        """Open the file, made where there is none, readable for us alone."""
        try:
            self.path.touch(mode=0o600, exist_ok=True)
            self._connection = connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
            # No write-ahead log: a full disk must not keep us from reading who may always enter.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'codes'").fetchone():
                self._make()
            known = dict(connection.execute("SELECT key, value FROM meta"))
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise NotNowError(f"{self.path} cannot be used: {error}") from error
        self._salt = known["salt"]
        if known["version"] != str(VERSION).encode():
            self.close()
            raise NotNowError(f"{self.path} was written by another version of this program; that one reads it")

    def _make(self) -> None:
        with self._change() as change:
            for statement in _SCHEMA.split(";"):
                change.execute(statement)
            change.execute("INSERT INTO meta VALUES ('version', ?)", (str(VERSION).encode(),))
            change.execute("INSERT INTO meta VALUES ('salt', ?)", (new_salt(),))

    def close(self) -> None:
        """Close it; may be called twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- finding

    def all(self) -> list[Holder]:
        """All holders, by name."""
        return [self._holder(*row) for row in self._query("SELECT id, uses_left, fields FROM holders ORDER BY name")]

    def one(self, holder_id: int) -> Holder:
        """Raises UnknownNameError."""
        for row in self._query("SELECT id, uses_left, fields FROM holders WHERE id = ?", holder_id):
            return self._holder(*row)
        raise UnknownNameError(f"holder {holder_id}: there is no such holder")

    def by_card(self, uid: str) -> Holder | None:
        """The holder of the card with that UID, in its normal form (`holder.normal_uid`)."""
        for row in self._query("SELECT id, uses_left, fields FROM holders WHERE card_uid = ?", uid):
            return self._holder(*row)
        return None

    def by_code(self, code: str) -> tuple[Holder, str] | None:
        """Whose code it is, and of which kind. Takes as long for one that nobody has."""
        known = hashed(code, self._salt, self._cost)
        for holder, kind in self._query("SELECT holder, kind FROM codes WHERE hash = ?", known):
            return self.one(holder), kind
        return None

    # -- changing

    def add(self, fields: HolderFields) -> int:
        """Keep a new holder; its id. Raises FieldsError for a name, card or code that somebody else has, and
        CallError where there is no room."""
        with self._change() as change:
            (count,) = change.execute("SELECT COUNT(*) FROM holders").fetchone()
            if count >= self._max_holders:
                raise CallError(f"there are {count} holders already (entry.max_holders = {self._max_holders})")
            self._refuse_known(change, fields, 0)
            row = (fields.name, fields.card_uid or None, fields.uses_left, _json(fields))
            cursor = change.execute("INSERT INTO holders (name, card_uid, uses_left, fields) VALUES (?, ?, ?, ?)", row)
            holder_id = cursor.lastrowid or 0
            self._set_codes(change, holder_id, fields.codes)
        return holder_id

    def change(self, holder_id: int, fields: HolderFields, codes: Mapping[str, str]) -> None:
        """Keep these fields for a holder; of its codes, those in `codes` ("" takes one away). Raises as `add`."""
        with self._change() as change:
            self._refuse_known(change, fields, holder_id)
            row = (fields.name, fields.card_uid or None, fields.uses_left, _json(fields), holder_id)
            changed = change.execute(
                "UPDATE holders SET name = ?, card_uid = ?, uses_left = ?, fields = ? WHERE id = ?", row
            )
            if changed.rowcount == 0:
                raise UnknownNameError(f"holder {holder_id}: there is no such holder")
            self._set_codes(change, holder_id, codes)

    def remove(self, holder_id: int) -> None:
        """Forget a holder. Raises UnknownNameError."""
        with self._change() as change:
            if change.execute("DELETE FROM holders WHERE id = ?", (holder_id,)).rowcount == 0:
                raise UnknownNameError(f"holder {holder_id}: there is no such holder")

    def use(self, holder_id: int) -> Use:
        """Take one use off, where they are counted; it is on the disk then."""
        found = self._query("SELECT uses_left FROM holders WHERE id = ?", holder_id)
        if not found or found[0][0] is None:
            return Use(bool(found), None)  # nothing to write: a full disk keeps nobody out who may always enter
        with self._change() as change:
            taken = change.execute(
                "UPDATE holders SET uses_left = uses_left - 1 WHERE id = ? AND uses_left > 0 RETURNING uses_left",
                (holder_id,),
            ).fetchall()
            return Use(True, taken[0][0]) if taken else Use(False, 0)

    def give_back(self, holder_id: int) -> None:
        """The door was not opened after all: a use that was taken off is there again."""
        with self._change() as change:
            change.execute("UPDATE holders SET uses_left = uses_left + 1 WHERE id = ?", (holder_id,))

    # -- inside

    def _holder(self, holder_id: int, uses_left: int | None, fields: str) -> Holder:
        known = HolderFields.model_validate({**json.loads(fields), "uses_left": uses_left})
        kinds = [kind for (kind,) in self._query("SELECT kind FROM codes WHERE holder = ?", holder_id)]
        return Holder(id=holder_id, fields=known, kinds=frozenset(kinds))

    def _refuse_known(self, change: sqlite3.Connection, fields: HolderFields, own_id: int) -> None:
        for column, value in (("name", fields.name), ("card_uid", fields.card_uid)):
            found = change.execute(
                f"SELECT name FROM holders WHERE {column} = ? AND id <> ?",  # noqa: S608 -- one of two names
                (value, own_id),
            ).fetchone()
            if value and found:
                raise FieldsError([(column, value, f'"{found[0]}" has it already')])

    def _set_codes(self, change: sqlite3.Connection, holder_id: int, codes: Mapping[str, str]) -> None:
        for kind in CODES:
            if kind not in codes:
                continue
            change.execute("DELETE FROM codes WHERE holder = ? AND kind = ?", (holder_id, kind))
            if codes[kind]:
                known = hashed(codes[kind], self._salt, self._cost)
                taken = change.execute("SELECT 1 FROM codes WHERE hash = ?", (known,)).fetchone()
                if taken:  # whose it is would be a code given away
                    words = "this code is taken; choose another one, or have one drawn"
                    raise FieldsError([(kind, None, words)])
                change.execute("INSERT INTO codes VALUES (?, ?, ?)", (known, holder_id, kind))

    def _query(self, statement: str, *values: object) -> list[Any]:
        try:
            return self._open().execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise NotNowError(f"{self.path} cannot be read: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise NotNowError(f"{self.path} is not open: see what the node told at its start")
        return self._connection

    def _change(self) -> _Change:
        return _Change(self._open(), self.path)


class _Change:
    """One transaction: all of it is on the disk at its end, or nothing."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        self._run("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self._run("COMMIT")
            return
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise NotNowError(f"{self._path} cannot be written: {error}; nothing was changed") from error

    def _run(self, statement: str) -> None:
        try:
            self._connection.execute(statement)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise NotNowError(f"{self._path} cannot be written: {error}; nothing was changed") from error


def _json(fields: HolderFields) -> str:
    return fields.model_dump_json(exclude={*CODES, "uses_left"})
