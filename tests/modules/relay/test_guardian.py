"""The guardian as a process: whatever happens to the engine, the line returns to its normal state."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aio import PATIENCE_S
from tests.support.corpora import ROOT
from tests.support.guardian_process import GuardianProcess, boottime, simulated
from tests.support.small_disk import fill, small_disk
from tests.support.watch_file import FileWatch

LATE_S = 0.05  # the promise: never longer than this over its time
BUFFERS = 300_000  # bytes; a UNIX socket keeps some 200 KiB (net.core.wmem_default)


@pytest.fixture
def guardian(tmp_path: Path) -> Iterator[GuardianProcess]:
    with GuardianProcess(tmp_path, simulated("door"), simulated("gate", normally_closed=True)) as process:
        process.report("ready")
        yield process


@pytest.mark.promise
def test_seven_seconds_are_seven_seconds(guardian: GuardianProcess) -> None:
    with FileWatch(guardian.state_dir / "lines" / "door") as watch:
        until = guardian.lease("door", 7.0)
        opened_at = watch.until(b"1")
        closed_at = watch.until(b"0", within_s=10)
    assert abs(closed_at - until) < LATE_S
    assert abs(closed_at - opened_at - 7.0) < LATE_S
    assert guardian.report("linestate")["active"]
    assert abs(guardian.report("linestate")["held_s"] - 7.0) < LATE_S


@pytest.mark.promise
def test_200_random_pulses_never_exceed_their_time(tmp_path: Path) -> None:
    rng = random.Random(7020)
    names = [f"relay-{number}" for number in range(8)]
    todo = dict.fromkeys(names, 25)
    asked: dict[int, tuple[str, float]] = {}  # by ref: leases without an answer yet
    granted: dict[str, float] = {}  # ends of the lines that are active
    over: list[float] = []
    refs = itertools.count(1)

    def pulse(name: str) -> None:
        ref = next(refs)
        asked[ref] = (name, process.lease(name, rng.uniform(0.001, 0.1), ref=ref))

    with GuardianProcess(tmp_path, *(simulated(name) for name in names)) as process:
        process.report("ready")
        for name in names:
            pulse(name)
        while asked or granted:
            report = process.next_report()
            assert report is not None
            name = report["line"]
            _, end = asked.pop(report["ref"], (name, 0.0))
            if report["is"] == "linestate" and report["active"]:
                granted[name] = max(granted.get(name, 0.0), end)
                if rng.random() < 0.3:  # a second wish, later or earlier: the later end counts
                    pulse(name)
            elif report["is"] == "linestate":
                over.append(report["at"] - granted.pop(name))
            if name not in granted and name not in {waiting for waiting, _ in asked.values()} and todo[name] > 0:
                todo[name] -= 1
                pulse(name)
        levels = {process.level(name) for name in names}
    assert len(over) >= 200
    assert 0 <= min(over) <= max(over) < LATE_S
    assert levels == {b"0"}


def test_normally_closed_is_closed_at_rest_and_open_when_active(guardian: GuardianProcess) -> None:
    assert (guardian.level("door"), guardian.level("gate")) == (b"0", b"1")
    guardian.lease("gate", 5)
    assert guardian.report("linestate")["active"]
    assert (guardian.level("door"), guardian.level("gate")) == (b"0", b"0")
    guardian.send({"is": "release", "line": "gate", "why": "released", "ref": 2})
    report = guardian.report("linestate")
    assert (report["active"], report["why"], report["ref"]) == (False, "released", 2)
    assert guardian.level("gate") == b"1"


def test_a_start_opens_every_line_before_its_normal_state(tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "door").write_bytes(b"1")  # left active by a guardian that was killed
    with GuardianProcess(tmp_path, simulated("door")) as guardian:
        guardian.report("ready")
        assert guardian.level("door") == b"0"


def test_end_of_file_releases_at_once_and_ends(guardian: GuardianProcess) -> None:
    guardian.lease("door", 9)
    guardian.report("linestate")
    assert guardian.level() == b"1"
    guardian.sock.close()
    assert guardian.wait() == 1
    assert guardian.level() == b"0"
    assert guardian.journal()[-1]["why"] == "engine-lost"


def test_a_forked_child_that_keeps_the_socket_does_not_keep_the_door_open(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from tests.support.guardian_process import *\n"
        "g = GuardianProcess(Path(sys.argv[1]), simulated())\n"
        "g.report('ready'); g.lease('door', 9); g.report('linestate')\n"
        "if os.fork() == 0: sys.stdin.read(); os._exit(0)\n"  # holds the socket until the test is over
        "print(g.process.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    engine = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert engine.stdin is not None
    assert engine.stdout is not None
    with engine.stdin, engine.stdout:
        assert engine.stdout.readline().strip().isdigit()
        with FileWatch(tmp_path / "lines" / "door") as watch:
            watch.until(b"0", within_s=4)
    assert engine.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff\xfe\x00\n",
        b"[]\n",
        b"{}\n",
        b'{"is": "open"}\n',
        b'{"is": ["lease"]}\n',
        b'{"is": "lease", "line": "door", "until": NaN, "renew": false, "ref": 1}\n',
        b'{"is": "lease", "line": "door", "until": 1e999, "renew": false, "ref": 1}\n',
        b'{"is": "lease", "line": "door", "until": true, "renew": false, "ref": 1}\n',
        b'{"is": "lease", "line": "door", "until": "soon", "renew": false, "ref": 1}\n',
        b'{"is": "lease", "line": "door", "until": 1' + b"0" * 400 + b', "renew": false, "ref": 1}\n',
        b'{"is": "release", "line": "cellar", "why": "released", "ref": 1}\n',
        b'{"is": "ping", "count": 1, "more": 2}\n',
        b"x" * 600,  # no end of line ever
        b"[" * 500 + b"\n",
        b"\n",
    ],
    ids=lambda text: repr(text[:60]),
)
def test_nonsense_releases_every_line_and_ends(guardian: GuardianProcess, nonsense: bytes) -> None:
    for line in ("door", "gate"):
        guardian.lease(line, 9)
        assert guardian.report("linestate")["active"]
    guardian.send(nonsense)
    reports = [guardian.report("linestate") for _ in range(2)]
    assert {(report["line"], report["active"], report["why"]) for report in reports} == {
        ("door", False, "nonsense"),
        ("gate", False, "nonsense"),
    }
    assert "nonsense" in guardian.report("ending")["why"]
    assert guardian.wait() == 1
    assert (guardian.level("door"), guardian.level("gate")) == (b"0", b"1")


def test_a_lease_further_than_ten_seconds_is_nonsense(guardian: GuardianProcess) -> None:
    guardian.lease("door", 9.9)
    assert guardian.report("linestate")["active"]
    guardian.lease("door", 10.5)
    assert guardian.report("linestate")["why"] == "nonsense"
    assert guardian.level() == b"0"


def test_a_lease_that_arrives_after_its_end_changes_nothing(guardian: GuardianProcess) -> None:
    guardian.lease("door", -0.001, ref=5)
    assert guardian.report("late")["ref"] == 5
    assert guardian.level() == b"0"


def test_a_renewal_of_what_has_ended_opens_nothing(guardian: GuardianProcess) -> None:
    guardian.lease("door", 5, renew=True, ref=6)
    assert guardian.report("late")["ref"] == 6
    assert guardian.level() == b"0"


def test_a_second_lease_never_shortens(guardian: GuardianProcess) -> None:
    first = guardian.lease("door", 0.3)
    assert guardian.report("linestate")["until"] == first
    guardian.lease("door", 0.1, ref=2)
    assert guardian.report("linestate")["until"] == first
    assert guardian.report("linestate")["at"] >= first


def test_an_engine_that_floods_and_never_reads_cannot_delay_an_expiry(guardian: GuardianProcess) -> None:
    guardian.sock.setblocking(False)
    with FileWatch(guardian.state_dir / "lines" / "door") as watch:
        until = guardian.lease("door", 0.5)
        watch.until(b"1")
        flood = json.dumps({"is": "ping", "count": 1}).encode() + b"\n"
        sent, rest = 0, b""
        while boottime() < until + 0.1:
            rest = rest or flood * 100
            try:
                done = guardian.sock.send(rest)
            except BlockingIOError:
                continue
            rest, sent = rest[done:], sent + done
        assert guardian.level() == b"0"
    assert sent > BUFFERS  # more than the kernel keeps: the guardian went on reading
    guardian.sock.close()
    guardian.wait()
    entry = next(entry for entry in guardian.journal() if entry["what"] == "line" and not entry["active"])
    assert entry["held_s"] < 0.5 + LATE_S
    assert guardian.journal()[-1]["dropped"] > 0


def test_sigterm_releases_and_ends(guardian: GuardianProcess) -> None:
    guardian.lease("door", 9)
    guardian.report("linestate")
    guardian.process.send_signal(signal.SIGTERM)
    assert guardian.report("linestate")["why"] == "terminated"
    assert guardian.wait() == 0
    assert guardian.level() == b"0"


def test_ctrl_c_is_the_engines_to_handle(guardian: GuardianProcess) -> None:
    guardian.process.send_signal(signal.SIGINT)
    guardian.process.send_signal(signal.SIGHUP)
    guardian.send({"is": "ping", "count": 77})
    assert guardian.report("pong")["count"] == 77


def test_goodbye_releases_and_ends_in_order(guardian: GuardianProcess) -> None:
    guardian.lease("door", 9)
    guardian.report("linestate")
    guardian.lease("door", 9.5)
    guardian.lease("door", 9.5, renew=True)
    assert {guardian.report("linestate")["why"] for _ in range(2)} == {"extended"}
    guardian.send({"is": "bye"})
    assert guardian.report("linestate")["why"] == "stop"
    assert guardian.wait() == 0
    journal = guardian.journal()
    assert [entry["what"] for entry in journal] == ["start", "line", "line", "line", "end"]
    # Who wants it for longer is noted as well; a renewal is nobody's.
    assert [(e["why"], e.get("by")) for e in journal[1:4]] == [("pulse", "test"), ("extended", "test"), ("stop", None)]


def test_killed_with_its_engine_it_leaves_a_word_in_the_journal(guardian: GuardianProcess) -> None:
    guardian.lease("door", 9)
    guardian.report("linestate")
    with FileWatch(guardian.state_dir / "guardian.jsonl") as watch:
        guardian.process.kill()
        watch.until_it(lambda text: b'"what": "lost"' in text)


def test_two_guardians_never_hold_one_line(guardian: GuardianProcess) -> None:
    with GuardianProcess(guardian.state_dir, simulated("door")) as second:
        assert "another guardian holds this line" in second.report("ending")["why"]
        assert second.wait() == 1


def test_a_line_that_cannot_be_held_is_named_and_the_others_are_given_back(tmp_path: Path) -> None:
    broken = {**simulated("lamp"), "driver": "gpiod", "chip": "/dev/no-such-chip", "offset": 4}
    with GuardianProcess(tmp_path, simulated("gate", normally_closed=True), broken) as guardian:
        why = guardian.report("ending")["why"]
        assert 'output "lamp"' in why
        assert guardian.wait() == 1
    with GuardianProcess(tmp_path, simulated("gate", normally_closed=True)) as guardian:
        guardian.report("ready")


def test_it_loads_neither_numpy_nor_pydantic_nor_asyncio() -> None:
    heavy = ["numpy", "pydantic", "asyncio", "gpiod", "av"]
    script = f"import sys, voipnode.modules.relay.guardian; print([n for n in {heavy} if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True).strip() == "[]"


def test_a_full_disk_never_delays_a_release(full_disk: Path) -> None:
    with GuardianProcess(full_disk, simulated("door")) as guardian:
        guardian.report("ready")
        fill(full_disk)
        for _ in range(3):
            until = guardian.lease("door", 0.2)
            assert guardian.report("linestate")["active"]
            assert guardian.level() == b"1"
            report = guardian.report("linestate")
            assert guardian.level() == b"0"
            assert 0 <= report["at"] - until < LATE_S
        guardian.send({"is": "bye"})
        assert guardian.wait() == 0


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A tiny file system of its own, to be filled."""
    with small_disk(tmp_path / "disk", "64k") as disk:
        yield disk


def test_a_clock_that_is_set_by_hours_moves_no_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever asks the wall's clock in the guardian and its journal finds it hours away from where it was."""
    jumping = "import itertools, time\nhours = itertools.cycle((0, 5, -7))\nreal = time.time\n"
    (tmp_path / "sitecustomize.py").write_text(f"{jumping}time.time = lambda: real() + 3600 * next(hours)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with GuardianProcess(tmp_path, simulated("door")) as guardian:
        guardian.report("ready")
        for _ in range(2):
            until = guardian.lease("door", 0.5)
            assert guardian.report("linestate")["until"] == until
            assert guardian.report("linestate")["at"] >= until
        guardian.send({"is": "bye"})
        assert guardian.wait() == 0
    journal = guardian.journal()
    walls = [entry["wall"] - journal[0]["wall"] for entry in journal]
    assert {round(wall / 3600) for wall in walls} >= {5, -7}  # it did jump
    assert [entry["at"] for entry in journal] == sorted(entry["at"] for entry in journal)
    assert all(entry["held_s"] < PATIENCE_S for entry in journal if "held_s" in entry)
