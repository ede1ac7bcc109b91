"""What is remembered of numbers, in state.db: here where telephones are registered."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from voipnode.store.number_records import BINDINGS, NumberRecords
from voipnode.store.settings import StateSettings

A, B = {"uri": "sip:101@192.168.1.20"}, {"uri": "sip:101@192.168.1.21"}


def store(folder: Path, problems: list[str] | None = None, node: str = "") -> NumberRecords:
    told = problems if problems is not None else []
    return NumberRecords(
        StateSettings(node=node), folder, BINDINGS, on_problem=told.append, batch_delay_s=0.0, retry_s=0.0
    )


def test_the_newest_state_of_each_number_is_kept(tmp_path: Path) -> None:
    async def run() -> None:
        kept = store(tmp_path)
        kept.keep("101", [A])
        kept.keep("101", [B, A])
        kept.keep("102", [B])
        kept.keep("102", [])
        assert await kept.load() == {"101": [B, A]}
        kept.keep("101", [A])
        await kept.stop()
        again = store(tmp_path)
        assert await again.load() == {"101": [A]}
        await again.stop()

    asyncio.run(run())


def test_nodes_that_share_a_database_keep_their_own(tmp_path: Path) -> None:
    async def run() -> None:
        one, two = store(tmp_path, node="one"), store(tmp_path, node="two")
        assert (await one.load(), await two.load()) == ({}, {})
        one.keep("101", [A])
        two.keep("101", [B])
        assert (await one.load(), await two.load()) == ({"101": [A]}, {"101": [B]})
        one.keep("101", [])
        assert (await one.load(), await two.load()) == ({}, {"101": [B]})
        await one.stop()
        await two.stop()

    asyncio.run(run())


def test_a_disk_that_takes_nothing_is_reported_once_and_tried_again(tmp_path: Path) -> None:
    async def run() -> None:
        problems: list[str] = []
        (tmp_path / "state.db").mkdir()
        kept = store(tmp_path, problems)
        assert await kept.load() == {}
        kept.keep("101", [A])
        assert await kept.load() == {}
        assert len(problems) == 1
        assert "cannot be kept in state.db" in problems[0]
        (tmp_path / "state.db").rmdir()
        assert await kept.load() == {"101": [A]}
        await kept.stop()

    asyncio.run(run())


def test_what_is_no_list_of_records_is_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        kept = store(tmp_path)
        for number in ("101", "102", "103"):
            kept.keep(number, [A])
        await kept.load()
        with sqlite3.connect(tmp_path / "state.db") as database:
            database.execute("update bindings set data = 'x' where number = '101'")
            database.execute("update bindings set data = '{}' where number = '102'")
        database.close()
        assert await kept.load() == {"103": [A]}
        await kept.stop()

    asyncio.run(run())


def test_after_a_kill_what_was_written_behind_is_there(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "written\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()

    async def run() -> None:
        kept = store(tmp_path)
        assert await kept.load() == {"101": [A]}
        await kept.stop()

    asyncio.run(run())


_CHILD = """
import asyncio, sys
from pathlib import Path
from voipnode.store.number_records import BINDINGS, NumberRecords
from voipnode.store.settings import StateSettings

async def run():
    kept = NumberRecords(StateSettings(), Path(sys.argv[1]), BINDINGS, on_problem=print, batch_delay_s=0.0)
    kept.keep("101", [{"uri": "sip:101@192.168.1.20"}])
    while kept._behind._waiting:
        await asyncio.sleep(0.001)
    print("written", flush=True)
    await asyncio.sleep(3600)

asyncio.run(run())
"""
