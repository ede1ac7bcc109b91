"""A new state.db that several open at the same moment: the event log, the call history, what is remembered."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from tests.support.aio import run_test
from voipnode.store.database import begin_sqlite, create_tables, open_engine


async def opened(url: URL) -> None:
    engine = await asyncio.to_thread(open_engine, url)
    async with engine.begin() as connection:
        await connection.run_sync(create_tables)
    await engine.dispose()


def test_none_of_them_finds_it_locked(tmp_path: Path) -> None:
    async def play() -> None:
        for turn in range(15):
            url = make_url(f"sqlite+aiosqlite:///{tmp_path}/{turn}/state.db")
            await asyncio.gather(*(opened(url) for _ in range(6)))

    run_test(play())


def test_it_is_ours_alone_and_in_wal_mode_from_its_first_moment(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    begin_sqlite(path)
    assert [each.name for each in tmp_path.iterdir()] == ["state.db"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes()[18:20] == b"\x02\x02"  # "2 for WAL" (SQLite's file format, 1.3.3)


def test_one_that_is_there_keeps_its_locks(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    begin_sqlite(path)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    begin_sqlite(path)
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()
    writer.close()
