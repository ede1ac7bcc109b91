"""The engine's side of the guardian, with real processes: a killed, a frozen and a guardian that cannot start."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop

from tests.support.aio import PATIENCE_S
from tests.support.guardian_process import GuardianProcess, read_journal, simulated
from voipnode.calls.errors import CallError, NotNowError
from voipnode.modules.relay.lines import LineSpec
from voipnode.modules.relay.protocol import Lease, LineState, Report, Reset, boottime
from voipnode.modules.relay.supervisor import Supervisor

DOOR = LineSpec("door", False, "simulated")
Run = Callable[[Coroutine[None, None, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def runner(main: Coroutine[None, None, None]) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as loop:
            loop.run(main)

    return runner


class Listener:
    """Keeps what a supervisor tells, in order."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, object]] = asyncio.Queue()

    def guardian_up(self, detail: str) -> None:
        self.heard.put_nowait(("up", detail))

    def guardian_lost(self, detail: str) -> None:
        self.heard.put_nowait(("lost", detail))

    def guardian_troubled(self, detail: str) -> None:
        self.heard.put_nowait(("troubled", detail))

    def guardian_said(self, report: Report) -> None:
        if isinstance(report, LineState):
            self.heard.put_nowait(("line", report))

    async def next(self, kind: str) -> object:
        async with asyncio.timeout(PATIENCE_S):
            heard, detail = await self.heard.get()
        assert heard == kind, detail
        return detail


async def opened(tmp_path: Path) -> tuple[Supervisor, Listener]:
    """A supervisor whose door is open for 9 s."""
    listener = Listener()
    supervisor = Supervisor([DOOR], tmp_path, listener)
    await supervisor.start()
    supervisor.send(Lease("door", boottime() + 9, False, 1, ""))
    line = await listener.next("line")
    assert isinstance(line, LineState)
    assert line.active
    assert level(tmp_path) == b"1"
    return supervisor, listener


def level(state_dir: Path) -> bytes:
    return (state_dir / "lines" / "door").read_bytes()


def test_stop_releases_and_leaves_no_process(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        supervisor, listener = await opened(tmp_path)
        pid = supervisor.pid
        assert pid is not None
        await supervisor.stop()
        await supervisor.stop()
        line = await listener.next("line")
        assert isinstance(line, LineState)
        assert (line.active, line.why) == (False, "stop")
        assert level(tmp_path) == b"0"
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(NotNowError, match="down"):
            supervisor.send(Reset("after the end"))

    run(main())


def test_a_killed_guardian_is_told_of_and_started_again_with_the_door_shut(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        supervisor, listener = await opened(tmp_path)
        assert supervisor.pid is not None
        os.kill(supervisor.pid, signal.SIGKILL)
        assert await listener.next("lost") == "it ended without a word"
        assert "outputs in their normal state" in str(await listener.next("up"))
        assert level(tmp_path) == b"0"
        await supervisor.stop()
        assert [entry["what"] for entry in read_journal(tmp_path) if entry["what"] != "line"] == [
            *("start", "lost", "start", "end")
        ]

    run(main())


def test_a_frozen_guardian_is_killed_and_replaced(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        supervisor, listener = await opened(tmp_path)
        frozen = supervisor.pid
        assert frozen is not None
        os.kill(frozen, signal.SIGSTOP)
        assert "no answer for 2 s" in str(await listener.next("lost"))
        await listener.next("up")
        assert level(tmp_path) == b"0"
        assert supervisor.pid not in (None, frozen)
        await supervisor.stop()

    run(main())


def test_nonsense_ends_the_guardian_and_a_new_one_serves(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        supervisor, listener = await opened(tmp_path)
        supervisor.send(Lease("cellar", boottime() + 5, False, 2, ""))
        line = await listener.next("line")
        assert isinstance(line, LineState)
        assert (line.active, line.why) == (False, "nonsense")
        assert await listener.next("lost") == "nonsense from the engine: no line 'cellar'"
        await listener.next("up")
        supervisor.send(Lease("door", boottime() + 0.05, False, 3, ""))
        for active in (True, False):
            line = await listener.next("line")
            assert isinstance(line, LineState)
            assert line.active is active
        await supervisor.stop()

    run(main())


def test_a_line_that_cannot_be_held_is_refused_at_start_by_name(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        lamp = LineSpec("lamp", False, "gpiod", chip="/dev/no-such-chip", offset=3)
        supervisor = Supervisor([DOOR, lamp], tmp_path, Listener())
        with pytest.raises(CallError, match='output "lamp"'):
            await supervisor.start()
        await supervisor.stop()

    run(main())


def test_restarts_that_fail_are_told_once_and_go_on_until_one_works(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        supervisor, listener = await opened(tmp_path)
        assert supervisor.pid is not None
        (tmp_path / "lines").rename(tmp_path / "gone")
        (tmp_path / "lines").write_text("a file where the folder should be")
        os.kill(supervisor.pid, signal.SIGKILL)
        await listener.next("lost")
        assert 'output "door"' in str(await listener.next("troubled"))
        (tmp_path / "lines").unlink()
        await listener.next("up")
        assert level(tmp_path) == b"0"
        await supervisor.stop()

    run(main())


def test_stop_while_a_restart_is_under_way_leaves_nothing_behind(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        supervisor, listener = await opened(tmp_path)
        assert supervisor.pid is not None
        os.kill(supervisor.pid, signal.SIGKILL)
        await listener.next("lost")
        await supervisor.stop()
        with GuardianProcess(tmp_path, simulated("door")) as other:  # the line is free
            while (report := other.next_report()) is not None and report["is"] != "ready":
                raise AssertionError(report)

    run(main())
