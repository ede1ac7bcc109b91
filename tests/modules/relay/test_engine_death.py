"""An engine that is killed, frozen or told to stop while its door is open for 7 s."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.corpora import ROOT
from tests.support.guardian_process import boottime, read_journal
from tests.support.watch_file import FileWatch
from voipnode.modules.relay.history import ended_badly, previous_run

LATE_S = 0.05


class Engine:
    """The stand-in's process and what it told so far."""

    def __init__(self, process: subprocess.Popen[str], output: IO[str]) -> None:
        self.process = process
        self._output = output

    def until(self, name: str) -> dict[str, Any]:
        """Read on to the event `name`; a blocking read, ended by the test's own time-out."""
        for line in self._output:
            data: dict[str, Any] = json.loads(line)
            if data["event"] == name:
                return data
        raise AssertionError(f"the engine ended without {name}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def engine(state_dir: Path, duration_s: float, *options: str) -> Iterator[Engine]:
    """A stand-in whose door is open; ends in order if the test did not end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.engine_stand_in", str(state_dir), str(duration_s), *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        try:
            yield Engine(process, process.stdout)
            process.stdin.close()
            process.wait(20)
        finally:
            process.kill()
            process.wait()


def door(state_dir: Path) -> Path:
    return state_dir / "lines" / "door"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_kill_9_of_the_engine_shuts_the_door_at_once(tmp_path: Path, loop: str) -> None:
    with engine(tmp_path, 7.0, loop) as node:
        assert node.until("door.opened")["duration_s"] == 7.0
        with FileWatch(door(tmp_path)) as watch:
            assert door(tmp_path).read_bytes() == b"1"
            node.kill()
            watch.until(b"0", within_s=3)  # long before the 7 s are over
    with FileWatch(tmp_path / "guardian.jsonl") as watch:
        watch.until_it(lambda text: b'"what": "end"' in text)
    told = previous_run(tmp_path)
    assert "the engine was lost at " in told
    assert "relay 'door' was on (by sip:guard@example, dtmf \"1\") and was released after" in told
    assert ended_badly(tmp_path)


@pytest.mark.promise
def test_a_frozen_engine_does_not_prolong_its_lease(tmp_path: Path) -> None:
    with engine(tmp_path, 2.0) as node:
        node.until("door.opened")
        node.process.send_signal(signal.SIGSTOP)
        with FileWatch(door(tmp_path)) as watch:
            watch.until(b"0", within_s=5)
        with FileWatch(tmp_path / "guardian.jsonl") as watch:
            watch.until_it(lambda text: b"expired" in text)
        node.process.send_signal(signal.SIGCONT)
        assert node.until("port.changed")["why"] == "expired"
    held_s = read_journal(tmp_path)[2]["held_s"]
    assert abs(held_s - 2.0) < LATE_S


def test_a_frozen_engine_loses_a_long_activation_within_ten_seconds_and_never_gets_it_back(tmp_path: Path) -> None:
    with engine(tmp_path, 60.0, "uvloop") as node:  # it serves timers before sockets, so the overdue renewal goes first
        node.until("door.opened")
        frozen_at = boottime()
        node.process.send_signal(signal.SIGSTOP)
        with FileWatch(door(tmp_path)) as watch:
            assert watch.until(b"0", within_s=12) - frozen_at <= 10 + LATE_S
        node.process.send_signal(signal.SIGCONT)  # its renewal is overdue and comes too late now
        assert node.until("port.changed")["why"] == "expired"
    journal = read_journal(tmp_path)
    assert [entry["active"] for entry in journal if entry["what"] == "line"] == [True, False]
    assert [entry["what"] for entry in journal].count("start") == 1  # it was the engine that slept, not the guardian


def test_the_guardian_does_not_outlive_an_engine_that_is_killed(tmp_path: Path) -> None:
    with engine(tmp_path, 7.0) as node, FileWatch(tmp_path / "guardian.jsonl") as watch:
        node.until("door.opened")
        watch.until_it(lambda text: b'"start"' in text)
        guardian = os.pidfd_open(read_journal(tmp_path)[0]["pid"])
        node.kill()
        try:
            assert select.select([guardian], [], [], 5)[0], "the guardian is alive still"
        finally:
            os.close(guardian)


def test_an_engine_that_stops_in_order_says_so_to_the_next(tmp_path: Path) -> None:
    with engine(tmp_path, 7.0) as node:
        assert node.until("ready")["previous"] == ""
        node.until("done")
    assert node.process.returncode == 0
    assert door(tmp_path).read_bytes() == b"0"
    assert not ended_badly(tmp_path)
    with engine(tmp_path, 0) as node:
        assert node.until("ready")["previous"].startswith("stopped in order at ")


def test_the_next_engine_tells_how_the_one_before_ended(tmp_path: Path) -> None:
    with engine(tmp_path, 7.0) as node:
        node.until("door.opened")
        with FileWatch(tmp_path / "guardian.jsonl") as watch:
            node.kill()
            watch.until_it(lambda text: b'"what": "end"' in text)
    with engine(tmp_path, 0) as node:
        problem = node.until("problem")
        assert problem["where"] == "relay"
        assert "the engine was lost" in problem["detail"]
        assert "relay 'door' was on" in node.until("ready")["previous"]
