"""The event log and what it says after a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite_dialect
from sqlalchemy.schema import CreateTable

from tests.support.aio import PATIENCE_S
from voipnode.store import state
from voipnode.store.database import event_insert, events, open_engine
from voipnode.store.settings import StateSettings
from voipnode.store.state import MAX_QUEUED, EventLog

LATER = 3600.0  # a batch delay that no test waits for
MORNING = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


class Clock:
    """One second passes with every look."""

    def __init__(self) -> None:
        self.now = MORNING

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Rig:
    def __init__(self, folder: Path, **options: Any) -> None:
        self.problems: list[str] = []
        options = {"batch_delay_s": 0.0, "retry_s": 0.0, "utc_now": Clock(), **options}
        settings = options.pop("settings", StateSettings())
        self.log = EventLog(settings, folder, on_problem=self.problems.append, **options)

    async def __aenter__(self) -> Rig:
        await self.log.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.log.stop()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await work()

    asyncio.run(main())


def on_disk(folder: Path) -> list[str]:
    """What another program finds in the file."""
    connection = sqlite3.connect(folder / "state.db")
    try:
        return [name for (name,) in connection.execute("select name from events order by id")]
    finally:
        connection.close()


def test_events_come_back_newest_first_with_time_run_and_data(tmp_path: Path) -> None:
    async def work() -> None:
        async with Rig(tmp_path, run_id="r1") as rig:
            rig.log.append("input.changed", {"event": "input.changed", "active": True})
            await rig.log.append("call.changed", {"remote": "sip:ä@b"})
            newest, oldest = await rig.log.recent()
            assert (newest.name, newest.data, newest.run_id) == ("call.changed", {"remote": "sip:ä@b"}, "r1")
            assert oldest.at_utc == "2026-11-20T08:00:02.000Z"
            assert [event.id for event in await rig.log.recent(name="input.changed")] == [oldest.id]
            assert [event.id for event in await rig.log.recent(before_id=newest.id)] == [oldest.id]
        assert stat.S_IMODE((tmp_path / "state.db").stat().st_mode) == 0o600

    run(work)


def test_the_file_is_in_wal_mode_and_commits_are_full_sync(tmp_path: Path) -> None:
    async def work() -> None:
        engine = open_engine(StateSettings().database_url(tmp_path))
        async with engine.connect() as connection:
            answers = [(await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in PRAGMAS]
        await engine.dispose()
        assert answers == ["wal", 2, 1, 2000]

    run(work)


async def recovered(rig: Rig) -> None:
    """Returns once everything that was kept in memory is on the disk."""
    while not await rig.log.flush():  # noqa: ASYNC110 -- the disk works again at some later turn of the loop
        await asyncio.sleep(0)


PRAGMAS = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")


def test_ordinary_events_wait_for_company_and_a_door_opening_takes_them_along_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with Rig(tmp_path, batch_delay_s=LATER) as rig:
            before = rig.log.append("dtmf.received", {"digit": "1"})
            door = rig.log.append("door.opened", {"port": "door"})
            after = rig.log.append("port.changed", {"port": "door"})
            assert await door
            assert before.done()
            assert not after.done(), "what came after the door is acknowledged after the door"
            assert on_disk(tmp_path) == ["dtmf.received", "door.opened"]
        assert on_disk(tmp_path) == ["dtmf.received", "door.opened", "port.changed"], "stop writes the rest"

    run(work)


def test_flush_writes_everything_appended_so_far(tmp_path: Path) -> None:
    async def work() -> None:
        async with Rig(tmp_path, batch_delay_s=LATER) as rig:
            assert await rig.log.flush()
            for number in range(700):  # more than two batches
                rig.log.append(f"event.{number}", {})
            assert await rig.log.flush()
            assert on_disk(tmp_path) == [f"event.{number}" for number in range(700)]

    run(work)


def test_the_first_run_has_none_before_it_and_a_clean_stop_is_told(tmp_path: Path) -> None:
    async def work() -> None:
        async with Rig(tmp_path, run_id="one") as rig:
            assert rig.log.previous_run() is None
        async with Rig(tmp_path, run_id="two", utc_now=lambda: MORNING + timedelta(days=1)) as rig:
            previous = rig.log.previous_run()
            assert previous is not None
            assert previous.run_id == "one"
            assert str(previous) == "stopped cleanly at 2026-11-20T08:00:02.000Z"

    run(work)


VICTIM = """
import asyncio, sys
from pathlib import Path
from voipnode.store.settings import StateSettings
from voipnode.store.state import EventLog

async def main():
    log = EventLog(StateSettings(), Path(sys.argv[1]), run_id="victim", on_problem=print, batch_delay_s=3600.0)
    await log.start()
    log.append("input.changed", {"active": True})
    assert await log.append("door.opened", {"port": "door"})
    log.append("never.acknowledged", {})
    print("acknowledged", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_kill_9_loses_nothing_that_was_acknowledged_and_the_next_start_says_so(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert victim.stdout is not None
    with victim.stdout:
        assert victim.stdout.readline() == "acknowledged\n"
    victim.send_signal(signal.SIGKILL)
    victim.wait()

    async def work() -> None:
        async with Rig(tmp_path, utc_now=lambda: datetime.now(UTC)) as rig:
            door, button = await rig.log.recent()
            assert (door.name, door.run_id, button.name) == ("door.opened", "victim", "input.changed")
            previous = rig.log.previous_run()
            assert previous is not None
            assert previous.stopped_utc == ""
            assert str(previous).endswith(f"it was last heard of at {door.at_utc}")
            assert "did not stop cleanly" in str(previous)

    run(work)


def test_only_the_newest_events_are_kept_and_ids_are_never_used_again(tmp_path: Path) -> None:
    async def work() -> None:
        async with Rig(tmp_path, settings=StateSettings(keep_events=100)) as rig:
            for number in range(35):
                for part in range(10):
                    rig.log.append(f"event.{number * 10 + part}", {})
                await rig.log.flush()
            names = on_disk(tmp_path)
            assert names[-1] == "event.349"
            assert 100 <= len(names) <= 110
            assert [name for name in names if name not in {f"event.{n}" for n in range(240, 350)}] == []
            assert (await rig.log.recent(1))[0].id == 350

    run(work)


def test_a_disk_that_fails_is_reported_once_breaks_nothing_and_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "disk"
    folder.write_text("a file where the folder should be")

    async def work() -> None:
        async with Rig(folder) as rig:
            assert not await rig.log.append("door.opened", {"port": "door"})
            assert not await rig.log.append("call.changed", {})
            assert await rig.log.recent() == []
            assert len(rig.problems) == 1
            assert "cannot be used" in rig.problems[0]
            folder.unlink()
            await recovered(rig)
            assert len(rig.problems) == 1
            assert rig.log.previous_run() is None
        assert on_disk(folder)[:2] == ["door.opened", "call.changed"], "what was kept in memory is written in order"

    run(work)


def test_stopping_with_a_dead_disk_does_not_hang(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.write_text("")

    async def work() -> None:
        async with Rig(folder, retry_s=LATER) as rig:
            written = rig.log.append("call.changed", {})
        assert not await written

    run(work)


def test_a_disk_that_hangs_lets_everybody_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "STALLED_S", 0.01)
    answer = threading.Event()
    opened = state.open_engine

    def hanging(url: Any) -> Any:
        answer.wait()
        return opened(url)

    monkeypatch.setattr(state, "open_engine", hanging)

    async def work() -> None:
        async with Rig(tmp_path) as rig:
            written = rig.log.append("door.opened", {})
            assert not await written
            assert "has not answered" in rig.problems[0]
            answer.set()
            await recovered(rig)
        assert on_disk(tmp_path)[0] == "door.opened"

    run(work)


def test_a_full_queue_drops_old_events_but_never_a_door_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "disk"
    folder.write_text("")

    async def work() -> None:
        async with Rig(folder) as rig:
            rig.log.append("door.opened", {})
            for number in range(MAX_QUEUED + 4):
                rig.log.append(f"event.{number}", {})
            folder.unlink()
            await recovered(rig)
            await rig.log.flush()
            [gap] = await rig.log.recent(name="store.gap")
            assert gap.data["lost"] >= 5
        assert on_disk(folder)[0] == "door.opened"
        assert "event.0" not in on_disk(folder)

    run(work)


def test_a_damaged_file_is_set_aside_and_a_new_one_begins(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"lightning struck " * 1000)

    async def work() -> None:
        async with Rig(tmp_path, retry_s=LATER) as rig:  # trying again at once helps here, and is done
            rig.log.append("probe", {})
            await recovered(rig)
            (problem,) = rig.problems
            assert "file is not a database; it is set aside and a new one begins" in problem
        assert "probe" in on_disk(tmp_path)

    run(work)
    [aside] = tmp_path.glob("state.db.damaged-*")
    assert aside.read_bytes().startswith(b"lightning")


def test_data_that_is_no_json_or_huge_is_replaced_by_a_note(tmp_path: Path) -> None:
    async def work() -> None:
        async with Rig(tmp_path) as rig:
            rig.log.append("huge", {"text": "x" * 20_000})
            rig.log.append("odd", {"path": Path("/x"), "nan": 1.0})
            await rig.log.append("bad\udcff", {"level": float("nan")})
            bad, odd, huge = await rig.log.recent()
            assert huge.data == {"left_out": "20012 characters of data"}
            assert odd.data == {"path": "/x", "nan": 1.0}
            assert bad.data["left_out"].startswith("not JSON")
            assert bad.name == "bad\\udcff"

    run(work)


def test_a_restart_loop_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MAX_RUNS", 3)

    async def work() -> None:
        for number in range(6):
            started = MORNING + timedelta(hours=number)
            async with Rig(tmp_path, run_id=f"r{number}", utc_now=lambda now=started: now) as rig:
                if number == 0:
                    rig.log.append("kept", {})
        connection = sqlite3.connect(tmp_path / "state.db")
        kept = [run for (run,) in connection.execute("select run_id from runs order by started_utc")]
        connection.close()
        assert kept == ["r0", "r3", "r4", "r5"], "the newest, and those that have events"

    run(work)


def test_a_url_moves_the_database_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "else" / "where.db"

    async def work() -> None:
        async with Rig(tmp_path, settings=StateSettings(url=f"sqlite+aiosqlite:///{elsewhere}")) as rig:
            assert await rig.log.append("probe", {})
        assert elsewhere.exists()
        assert not (tmp_path / "state.db").exists()

    run(work)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database URL"),
        ("mysql://h/x", "mysql is not served"),
        ("sqlite:///x.db", "sqlite is not served; use sqlite[+]aiosqlite"),
    ],
)
def test_a_url_that_cannot_be_served_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StateSettings(url=url)


def test_the_tables_are_good_postgresql() -> None:
    sql = str(CreateTable(events).compile(dialect=postgresql.dialect()))
    assert "id BIGSERIAL NOT NULL" in sql
    assert "data JSON NOT NULL" in sql


def test_a_killed_run_does_not_leave_the_process_waiting_for_the_database_thread(tmp_path: Path) -> None:
    """A node that is told to exit while the log is open must end."""
    script = VICTIM.replace("await asyncio.Event().wait()", "return")
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        timeout=30,
        capture_output=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert ended.returncode == 0


def test_events_are_added_by_the_drivers_own_statement() -> None:
    for dialect, data in ((sqlite_dialect(), "?"), (asyncpg_dialect(), "$4::JSON")):
        sql = event_insert(dialect)
        assert sql.startswith("INSERT INTO events (at_utc, run_id, name, data) VALUES (")
        assert sql.endswith(f"{data})")
