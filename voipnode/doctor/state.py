"""Whether the node can remember: its folder, the space on its disk, the database."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from voipnode.doctor.findings import Case, Finding, good, problem, warning
from voipnode.doctor.threads import in_thread
from voipnode.store.database import open_engine

LOW_BYTES, VERY_LOW_BYTES = 200 * 2**20, 20 * 2**20


async def check_state(case: Case) -> AsyncIterator[Finding]:
    """The folder can be written, the disk has room, the database is whole."""
    folder = case.state_dir
    yield await in_thread(lambda: _writable(folder))
    yield await in_thread(lambda: _room(folder))
    url = case.settings.state.database_url(folder)
    if url.drivername.startswith("sqlite"):
        yield await in_thread(lambda: _whole(Path(url.database or "")))
        return
    engine = open_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        yield good(f"the database at {url.host} answers")
    except (SQLAlchemyError, OSError) as error:
        words = f"the database {url.render_as_string()} cannot be used: {error}"
        yield problem(words, "start it, or correct state.url; until then the node keeps events in memory alone")
    finally:
        await engine.dispose()


def _writable(folder: Path) -> Finding:
    remedy = f"make {folder} writable for the node's user, or name another with --state-dir"
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"doctor")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return problem(f"the node cannot write to its folder {folder}: {error.strerror or error}", remedy)
    return good(f"the node can write to its folder {folder}")


def _room(folder: Path) -> Finding:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    words = f"{free / 2**20:.0f} MB are free on the disk of {folder}"
    if free < VERY_LOW_BYTES:
        return problem(words, "make room: events are lost when nothing is left; doors still open and close")
    return warning(words, "make room before nothing is left") if free < LOW_BYTES else good(words)


def _whole(path: Path) -> Finding:
    if not path.exists():
        return good(f"there is no {path.name} yet: the node makes one")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2.0)) as database:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        verdict = str(error)
    if verdict == "ok":
        return good(f"{path.name} is whole")
    words = f"{path} is damaged: {verdict}"
    return problem(words, "restart the node: it sets the file aside and begins a new one; keep the old one for repair")
