"""The tables of state.db and the engine that opens it: one schema for SQLite at the door and PostgreSQL for a fleet."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
    insert,
)
from sqlalchemy.engine import URL, Connection, Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.schema import CreateIndex, CreateTable

BUSY_TIMEOUT_MS = 2000

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("node", String(64), nullable=False),
    Column("started_utc", String(32), nullable=False),
    Column("stopped_utc", String(32)),  # empty until the run stops cleanly, so for ever after a kill or a power cut
    Index("runs_by_node", "node", "started_utc"),
)

events = Table(
    "events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at_utc", String(32), nullable=False),
    Column("run_id", String(64), ForeignKey("runs.run_id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("data", JSON, nullable=False),
    Index("events_by_run", "run_id", "id"),
    sqlite_autoincrement=True,  # an id once given out is never given to another event, also after retention
)


def _of_numbers(name: str) -> Table:
    """Records of the node's numbers, one row for each that has any."""
    return Table(
        name,
        metadata,
        Column("node", String(64), primary_key=True),
        Column("number", String(64), primary_key=True),
        Column("data", Text, nullable=False),
    )


bindings = _of_numbers("bindings")  # where telephones are registered
do_not_disturb = _of_numbers("do_not_disturb")  # what was set while the node ran; "" is the door

calls = Table(  # the call history; ids sort by the beginning of the call, `outcome` is empty while it goes on
    "calls",
    metadata,
    Column("node", String(64), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("began_utc", String(32), nullable=False),
    Column("direction", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("account", String(64), nullable=False),
    Column("text", Text, nullable=False),  # who took part, in small letters
    Column("data", Text, nullable=False),
    Index("calls_by_outcome", "node", "outcome", "id"),
)


def event_insert(dialect: Dialect) -> str:
    """The driver's statement that adds events, from rows of (at_utc, run_id, name, data) with the data as JSON text.

    To be composed once: SQLAlchemy thinks over each row of its own statements, which costs more than the writing.
    """
    compiled = insert(events).inline().compile(dialect=dialect, column_keys=["at_utc", "run_id", "name", "data"])
    assert compiled.positiontup == ["at_utc", "run_id", "name", "data"]  # both drivers number their parameters
    return str(compiled)


def utc_text(moment: datetime) -> str:
    """ISO 8601 with milliseconds and "Z": sorts as text, in every database."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def create_tables(connection: Connection) -> None:
    """All tables and their indexes, as far as they are not there yet: two that open a new file meet here."""
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            connection.execute(CreateIndex(index, if_not_exists=True))


def open_engine(url: URL) -> AsyncEngine:
    """An engine for `url`; nothing is connected yet. A new SQLite file is readable by its owner only."""
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and url.database and url.database != ":memory:":
        begin_sqlite(Path(url.database))
    engine = create_async_engine(url, pool_pre_ping=not is_sqlite)
    if is_sqlite:
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def begin_sqlite(path: Path) -> None:
    """Make a new SQLite file where there is none: readable by its owner only, since it tells who called whom (SQLite
    gives -wal and -shm the mode of the file itself), and in WAL mode from its first moment.

    Several open it at once, and to put a file into that mode takes it for one of them alone, whatever the time-out. A
    file that is there is not touched: to close it would take away the locks that others of this process have on it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return
    file, name = tempfile.mkstemp(prefix=f"{path.name}.new-", dir=path.parent)
    os.close(file)
    try:
        new = sqlite3.connect(name)
        try:
            new.execute("PRAGMA journal_mode = WAL")
        finally:
            new.close()
        os.link(name, path)
    except (OSError, sqlite3.Error):  # somebody was first; or a full disk, a file system without links: told when used
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    finally:
        os.unlink(name)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """WAL: readers never wait for the writer. FULL: a commit is on the disk, so a power cut loses nothing committed."""
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
    except BaseException:  # a new file that two open at the same moment is locked for one of them; raised again
        connection.close()
        raise
    cursor.close()


def is_damaged(error: BaseException) -> bool:
    """Whether `error` says that the file is no database any more, so that trying again cannot help."""
    text = str(error)
    return "file is not a database" in text or "database disk image is malformed" in text


def set_aside(url: URL, now_utc: datetime) -> Path | None:
    """Rename a damaged SQLite file (and its log) so that a new one can begin; the path it has now, None elsewhere."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    path = Path(url.database)
    aside = path.with_name(f"{path.name}.damaged-{now_utc:%Y%m%dT%H%M%SZ}")
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        beside = Path(f"{path}{suffix}")
        if beside.exists():
            beside.replace(f"{aside}{suffix}")
    return aside
