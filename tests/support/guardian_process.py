"""Runs the guardian as a process and talks to it in its own protocol, as an engine, or a broken one, would."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.aio import PATIENCE_S
from tests.support.corpora import ROOT


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def simulated(name: str = "door", *, normally_closed: bool = False) -> dict[str, Any]:
    """A line as the guardian is told of it."""
    return {"name": name, "normally_closed": normally_closed, "driver": "simulated"}


class GuardianProcess:
    """A guardian whose engine is the test. Messages are dicts, as on the wire."""

    def __init__(self, state_dir: Path, *lines: dict[str, Any], engine: int = 0) -> None:
        self.state_dir = state_dir
        self.sock, theirs = socket.socketpair()
        file = os.memfd_create("lines")
        os.pwrite(file, json.dumps(lines).encode(), 0)
        told = {"fd": theirs.fileno(), "lines": file, "engine": engine or os.getpid(), "state_dir": str(state_dir)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "voipnode.modules.relay.guardian", json.dumps(told)],
            pass_fds=[theirs.fileno(), file],
            start_new_session=True,
            cwd=ROOT,
        )
        theirs.close()
        os.close(file)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def send(self, message: dict[str, Any] | bytes) -> None:
        self.sock.sendall(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")

    def lease(self, line: str, for_s: float, *, ref: int = 1, renew: bool = False) -> float:
        """Ask for a lease from now; returns its end."""
        until = boottime() + for_s
        self.send({"is": "lease", "line": line, "until": until, "renew": renew, "ref": ref, "why": "test"})
        return until

    def report(self, kind: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next report, which must be of `kind`."""
        report = self.next_report(within_s)
        assert report is not None, f"end of file instead of {kind}"
        assert report["is"] == kind, report
        return report

    def next_report(self, within_s: float = PATIENCE_S) -> dict[str, Any] | None:
        """The next report, None at end of file."""
        deadline = time.monotonic() + within_s
        while b"\n" not in self._buffer:
            ready = select.select([self.sock], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, f"no word from the guardian in {within_s} s"
            data = self.sock.recv(65536)
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        report: dict[str, Any] = json.loads(line)
        return report

    def level(self, line: str = "door") -> bytes:
        """What an observer sees: b"0" open contact, b"1" closed."""
        return (self.state_dir / "lines" / line).read_bytes()

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)

    def journal(self) -> list[dict[str, Any]]:
        return read_journal(self.state_dir)


def read_journal(state_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (state_dir / "guardian.jsonl").read_text().splitlines()]
