"""The door whatever happens: engine, guardian, disk or phone is lost while a phone holds it open for 7 seconds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support import strangers
from tests.support.aio import run_test
from tests.support.free_ports import free_port, rtp_range
from tests.support.guardian_process import boottime
from tests.support.line_observer import CLOSED_CONTACT, OPEN_CONTACT, LineObserver
from tests.support.node import LOOPBACK, SETTINGS, SILENT_AUDIO, Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.process import PeerProcess
from tests.support.watch_file import FileWatch
from tests.support.wav_files import write_tone

pytestmark = [pytest.mark.interop, pytest.mark.outage]

DOOR_S = 7.0
ON_TIME_S = 0.050
AT_ONCE_S = 0.5
ACTIVE, NORMAL = CLOSED_CONTACT, OPEN_CONTACT  # of the default port, whose contact is open at rest


@dataclass
class Scene:
    """A phone in a call with the door, and an observer of the door's output."""

    node: Node
    phone: Baresip
    door: LineObserver
    opened_at: float = 0.0

    async def talk(self) -> None:
        """Press the button, answer on the phone."""
        await self.node.press(self.phone.uri)
        await self.phone.event("CALL_INCOMING")
        self.phone.command("accept")
        await self.phone.event("CALL_RTPESTAB")

    async def open_the_door(self) -> None:
        """Dial 1 on the phone."""
        seen = len(self.node.events)
        self.phone.command("sndcode", "1")
        self.opened_at = await self.door.until(ACTIVE)
        await self.node.event("door.opened", after=seen, who=self.phone.uri, duration_s=DOOR_S)


@contextlib.asynccontextmanager
async def running(start: Awaitable[Node]) -> AsyncIterator[Node]:
    """A node that is stopped at the end, whatever became of it."""
    node = await start
    try:
        yield node
    finally:
        await node.stop()


@contextlib.asynccontextmanager
async def a_phone(folder: Path) -> AsyncIterator[Baresip]:
    folder.mkdir()
    phone = await Baresip.start(folder, microphone=write_tone(folder / "440.wav", 440.0))
    try:
        yield phone
    finally:
        if phone.process.process.returncode is None:
            phone.process.process.kill()  # it would wait for a node that is gone to take leave
        await phone.stop()


@contextlib.asynccontextmanager
async def an_open_door(folder: Path, *, sip: str = "") -> AsyncIterator[Scene]:
    """A phone has been called by the door and has just opened it."""
    async with a_phone(folder / "phone") as phone, running(Node.start(folder / "node", sip=sip)) as node:
        with LineObserver(node.state_dir / "lines" / "door") as door:
            scene = Scene(node, phone, door)
            await scene.talk()
            await scene.open_the_door()
            yield scene


async def guardian(node: Node, *, number: int = 1) -> int:
    """The process that holds the outputs, by its own account; `number` counts those of this state folder."""
    starts = await node.journal("start", at_least=number)
    return int(starts[number - 1]["pid"])


async def held(node: Node) -> float:
    """How long the guardian, by its own account, held the door open the first time."""
    on, off = (await node.journal("line", at_least=2))[:2]
    assert (on["active"], off["active"]) == (True, False)
    return float(off["at"] - on["at"])


async def status(node: Node) -> dict[str, Any]:
    response = await node.client.get("/api/v1/status")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def past_calls(node: Node) -> list[dict[str, Any]]:
    """The call history, which is on the disk when it is told."""
    answer: list[dict[str, Any]] = (await node.client.get("/api/v1/history")).json()["calls"]
    return answer


async def told_of_before(node: Node) -> str:
    """How the run before ended, as the page and the event node.started say it."""
    previous: str = (await status(node))["node"]["previous"]
    assert previous in await node.process.line_with("node.started")
    return previous


def remembered(node: Node, name: str) -> list[dict[str, Any]]:
    """The events of that name in state.db, oldest first, each with its time of day."""
    with contextlib.closing(sqlite3.connect(f"file:{node.state_dir / 'state.db'}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT at_utc, data FROM events WHERE name = ? ORDER BY id", (name,)).fetchall()
    return [{"at_utc": at_utc, **json.loads(data)} for at_utc, data in rows]


async def on_the_disk(node: Node, text: str) -> None:
    """Wait until `text` is in the database's log, where SQLite keeps what is committed and not yet moved."""
    with FileWatch(node.state_dir / "state.db-wal") as log:
        await asyncio.to_thread(log.until_it, lambda content: text.encode() in content)


# The engine


def test_an_engine_that_is_killed_lets_the_door_close_at_once(tmp_path: Path) -> None:
    async def play() -> None:
        async with an_open_door(tmp_path) as scene:
            node, holder = scene.node, await guardian(scene.node)
            await on_the_disk(node, "door.opened")
            assert [each["outcome"] for each in await past_calls(node)] == [""]
            killed_at = boottime()
            node.kill(signal.SIGKILL)
            closed_at = await scene.door.until(NORMAL)
            await strangers.ended(holder)
            print(f"closed after {closed_at - killed_at:.4f} s")
            print(f"guardian ended after {boottime() - killed_at:.4f} s")
            assert closed_at - killed_at < AT_ONCE_S
            async with running(node.again()) as second:
                assert scene.door.levels == [NORMAL, ACTIVE, NORMAL]
                assert await guardian(second, number=2) != holder
                words = await told_of_before(second)
                assert "did not stop cleanly" in words
                assert "the engine was lost at" in words
                held_s = float(
                    re.findall(
                        r"relay 'door' was on \(by .*\) and was released after ([0-9.]+) s by the guardian", words
                    )[0]
                )
                assert held_s == pytest.approx(closed_at - scene.opened_at, abs=ON_TIME_S)
                (opened,) = remembered(second, "door.opened")
                assert (opened["who"], opened["how"], opened["duration_s"]) == (scene.phone.uri, 'dtmf "1"', DOOR_S)
                age_s = (datetime.now(UTC) - datetime.fromisoformat(opened["at_utc"])).total_seconds()
                assert age_s == pytest.approx(boottime() - scene.opened_at, abs=0.2)
                (call,) = await past_calls(second)
                assert (call["outcome"], call["answered_by"]) == ("node stopped", scene.phone.uri)
                assert [each["who"] for each in call["openings"]] == [scene.phone.uri]

    run_test(play())


def test_a_frozen_engine_cannot_hold_the_door_and_goes_on_when_it_thaws(tmp_path: Path) -> None:
    async def play() -> None:
        async with an_open_door(tmp_path) as scene:
            node, seen = scene.node, len(scene.node.events)
            node.kill(signal.SIGSTOP)
            closed_at = await scene.door.until(NORMAL, seconds=DOOR_S + 2)
            node.kill(signal.SIGCONT)
            await node.event("port.changed", after=seen, port="door", active=False, why="expired")
            print(f"held by the guardian's clock {await held(node):.4f} s")
            print(f"held by the observer's clock {closed_at - scene.opened_at:.4f} s")
            assert await held(node) == pytest.approx(DOOR_S, abs=ON_TIME_S)
            assert closed_at - scene.opened_at == pytest.approx(DOOR_S, abs=ON_TIME_S)
            port = (await status(node))["ports"][0]
            assert (port["active"], port["why"], port["remaining_s"]) == (False, "expired", 0.0)
            assert scene.door.levels == [NORMAL, ACTIVE, NORMAL]
            await scene.open_the_door()  # in the same call
            scene.phone.command("hangup")
            ended = await node.event("call.changed", state="Terminated")
            assert ended["detail"] == "hung up by the far side"
            told = [event["event"] for event in node.events[seen:]]
            assert not {"guardian.changed", "problem", "door.refused"} & set(told)

    run_test(play())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_node_that_is_told_to_stop_closes_the_door_and_hangs_up(tmp_path: Path, number: signal.Signals) -> None:
    async def play() -> None:
        async with an_open_door(tmp_path) as scene:
            node, holder = scene.node, await guardian(scene.node)
            told_at = boottime()
            node.kill(number)
            closed_at = await scene.door.until(NORMAL)
            over = await scene.phone.event("CALL_CLOSED")
            assert over["param"] == "Connection reset by peer"  # what baresip calls a BYE
            code = await node.process.wait()
            print(f"closed after {closed_at - told_at:.4f} s")
            print(f"stopped after {boottime() - told_at:.4f} s")
            assert closed_at - told_at < AT_ONCE_S
            assert code == 0
            await strangers.ended(holder)
            async with running(node.again()) as second:
                words = await told_of_before(second)
                assert words.startswith("stopped cleanly at")
                assert "stopped in order" in words
                (last,) = [call for call in remembered(second, "call.changed") if call["state"] == "Terminated"]
                assert last["detail"] == "the node stops"
                assert scene.door.levels == [NORMAL, ACTIVE, NORMAL]

    run_test(play())


# The guardian


def test_a_guardian_that_is_killed_is_replaced_and_the_door_works_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with an_open_door(tmp_path) as scene:
            node, seen = scene.node, len(scene.node.events)
            killed_at = boottime()
            os.kill(await guardian(node), signal.SIGKILL)
            closed_at = await scene.door.until(NORMAL)
            print(f"closed after {closed_at - killed_at:.4f} s")
            assert closed_at - killed_at < AT_ONCE_S
            await the_guardian_was_replaced(node, seen, "it ended without a word")
            await scene.open_the_door()  # in the same call

    run_test(play())


def test_a_frozen_guardian_is_killed_and_replaced(tmp_path: Path) -> None:
    async def play() -> None:
        async with an_open_door(tmp_path) as scene:
            node, seen, frozen = scene.node, len(scene.node.events), await guardian(scene.node)
            frozen_at = boottime()
            os.kill(frozen, signal.SIGSTOP)
            closed_at = await scene.door.until(NORMAL)
            print(f"closed after {closed_at - frozen_at:.4f} s")
            assert 1.5 < closed_at - frozen_at < 3.0  # no answer for 2 s; it is asked every half second
            await strangers.ended(frozen)
            await the_guardian_was_replaced(node, seen, "it gave no answer for 2 s and was killed")
            await scene.open_the_door()  # in the same call

    run_test(play())


async def the_guardian_was_replaced(node: Node, seen: int, why: str) -> None:
    """It is told in this order: lost, the output with it, up again."""
    await node.event("guardian.changed", after=seen, up=True)
    told = [event for event in node.events[seen:] if event["event"] in ("guardian.changed", "port.changed", "problem")]
    lost, port, up = told
    assert (lost["event"], lost["up"], lost["detail"]) == ("guardian.changed", False, why)
    assert (port["event"], port["active"], port["why"]) == ("port.changed", False, "guardian-lost")
    assert (up["event"], up["up"]) == ("guardian.changed", True)
    assert "started again" in up["detail"]


# The disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB where the node keeps its state."""
    folder = tmp_path / "node" / "state"
    folder.mkdir(parents=True)
    mount = ("mount", "-t", "tmpfs", "-o", "size=2m", "voipnode-test", str(folder))
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


def fill(folder: Path) -> Path:
    """Fill the disk to its last byte; returns the file that takes the place."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(65536)):
            pass
    with pytest.raises(OSError, match="No space left"):
        (folder / "probe").write_bytes(b"x")
    (folder / "probe").unlink()
    return path


def test_on_a_full_disk_the_door_opens_and_closes_on_time(tmp_path: Path, small_disk: Path) -> None:
    async def play() -> None:
        async with a_phone(tmp_path / "phone") as phone, running(Node.start(tmp_path / "node")) as node:
            filler = fill(small_disk)
            with LineObserver(small_disk / "lines" / "door") as door:
                scene = Scene(node, phone, door)
                await scene.talk()
                await scene.open_the_door()
                closed_at = await door.until(NORMAL, seconds=DOOR_S + 2)
            print(f"held by the observer's clock {closed_at - scene.opened_at:.4f} s")
            assert closed_at - scene.opened_at == pytest.approx(DOOR_S, abs=ON_TIME_S)
            phone.command("hangup")
            await node.event("call.changed", state="Terminated")
            problems = [event for event in node.events if event["event"] == "problem"]
            assert {problem["where"] for problem in problems} == {"state"}
            told = "; ".join(problem["detail"] for problem in problems)
            assert told.count("state.db cannot be used: database or disk is full; calls go on") == 1
            assert told.count("the call history cannot be kept in state.db: database or disk is full") == 1
            filler.unlink()
            await node.process.line_with("state.db can be written again")
            await on_the_disk(node, "Terminated")
            assert [opened["who"] for opened in remembered(node, "door.opened")] == [phone.uri]
            assert not [line for line in node.process.lines if "Traceback" in line]

    run_test(play())


def test_a_node_starts_on_a_full_disk_and_says_so(tmp_path: Path, small_disk: Path) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node")) as first:
            await first.process.stop()
        fill(small_disk)
        async with running(first.again()) as node:
            problems = (await status(node))["problems"]
            assert {problem["where"] for problem in problems} == {"state"}, problems
            assert any("state.db cannot be used: " in problem["detail"] for problem in problems), problems
            print(await told_of_before(node))
            assert (await status(node))["guardian"]["up"]

    run_test(play())


def delete(database: Path) -> None:
    database.unlink()


def scribble(database: Path) -> None:
    database.write_bytes(b"this was a database once\n" * 400)


def cut(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


@pytest.mark.parametrize(
    ("harm", "problem"),
    [(delete, None), (scribble, "file is not a database"), (cut, "database disk image is malformed")],
    ids=["deleted", "garbage", "cut"],
)
def test_a_node_whose_memory_is_gone_starts_and_says_so(
    tmp_path: Path, harm: Callable[[Path], None], problem: str | None
) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node")) as first:
            await first.process.stop()
        harm(first.state_dir / "state.db")
        async with running(first.again()) as node:
            words = await told_of_before(node)
            assert words.startswith("the event log knows of no run before: it is new or cannot be read; stopped in")
            problems = [told["detail"] for told in (await status(node))["problems"]]
            assert len(problems) == (problem is not None)
            assert all(f"{problem}; it is set aside and a new one begins" in told for told in problems)
            assert len(list(node.state_dir.glob("state.db.damaged-*"))) == len(problems)
            await node.press("sip:nobody@127.0.0.1:9")
            await on_the_disk(node, "input.changed")

    run_test(play())


# Two nodes


async def refused(folder: Path, state_dir: Path, *, sip_port: int, web_port: int) -> str:
    """Start a node that must not run; its words, once it has gone with exit code 1 and left no process behind."""
    folder.mkdir()
    ports = {"sip_port": sip_port, "tls_port": free_port(), "web_port": web_port, "rtp_start": rtp_range()}
    text = SETTINGS.format(**ports, sip="", tls="", audio=SILENT_AUDIO, more="", hosts=LOOPBACK)
    (folder / "voipnode.toml").write_text(text)
    command = ("-m", "voipnode", "run", "--settings", folder / "voipnode.toml", "--state-dir", state_dir)
    process = await PeerProcess.start(sys.executable, *command, env={"COLUMNS": "1000"})
    try:
        assert await process.wait() == 1
    finally:
        await process.stop()
    for pid in strangers.with_argument(str(folder)):  # a guardian and the writer of its journal carry it too
        await strangers.ended(pid)
    return process.lines[-1]


def test_a_second_node_in_the_way_of_the_first_is_refused_by_setting(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "first")) as node:
            processes = strangers.with_argument(str(node.state_dir))
            a, b, c = (tmp_path / name for name in "abc")
            words = await refused(a, node.state_dir, sip_port=free_port(), web_port=free_port())
            assert words == f"--state-dir {node.state_dir}: another node is running there"
            words = await refused(b, b / "state", sip_port=node.sip_port, web_port=free_port())
            assert words.startswith(f"sip.port = {node.sip_port}: another program has this port; stop it, or")
            words = await refused(c, c / "state", sip_port=free_port(), web_port=node.web_port)
            assert f"web.port = {node.web_port}: cannot listen there (Address already in use" in words
            (started,) = [json.loads(line) for line in (c / "state" / "guardian.jsonl").read_text().splitlines()][:1]
            await strangers.ended(started["pid"])
            assert strangers.with_argument(str(node.state_dir)) == processes
            assert (await status(node))["guardian"]["up"]
            assert not [event for event in node.events if event["event"] in ("guardian.changed", "problem")]

    run_test(play())


# The phone


def test_a_phone_that_vanishes_in_a_call_is_missed_and_the_next_press_works(tmp_path: Path) -> None:
    async def play() -> None:
        async with a_phone(tmp_path / "next") as other, an_open_door(tmp_path, sip="dead_call_timeout_s = 5") as scene:
            node, seen = scene.node, len(scene.node.events)
            killed_at = time.monotonic()
            scene.phone.process.process.kill()
            missed = await node.event("call.changed", state="Terminating", after=seen)
            ended = await node.event("call.changed", state="Terminated", after=seen)
            print(f"missed after {missed['at'] - killed_at:.4f} s")
            print(f"ended after {ended['at'] - killed_at:.4f} s")
            assert missed["reason"] == "Failed"
            assert missed["at"] - killed_at == pytest.approx(5.0, abs=1.0)
            await scene.door.until(NORMAL)
            second = Scene(node, other, scene.door)
            await second.talk()
            await second.open_the_door()

    run_test(play())
