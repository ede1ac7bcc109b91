"""A real program as a test's peer: started in the foreground, its output read, ended by its pid."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.aio import PATIENCE_S, at_end, within
from tests.support.namespaces import Namespace
from voipnode.modules.relay.child import Child


def need(*programs: str) -> None:
    """Skip, saying which program is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)} (make test installs it when it runs as root)")


class PeerProcess:
    """A child process whose output lines are kept and waited for; it ends with the test (`run_test`) at the latest."""

    def __init__(self, name: str, process: Child) -> None:
        self.name = name
        self.process = process
        self.lines: list[str] = []
        self._grown = asyncio.Condition()
        self._silent = False  # its output has ended, and it most likely with it
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        *command: str | Path,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        inside: Namespace | None = None,
    ) -> PeerProcess:
        """Start it, on the machine `inside` instead of this one where that is given."""
        process = await Child.start(
            [*map(str, command if inside is None else inside.command(*command))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            limit=1 << 20,
        )
        peer = cls(Path(str(command[0])).name, process)
        at_end(peer.stop)
        return peer

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            async with self._grown:
                self.lines.append(line.decode(errors="replace").rstrip())
                self._grown.notify_all()
        async with self._grown:
            self._silent = True
            self._grown.notify_all()

    async def line_with(self, *texts: str, seconds: float = PATIENCE_S, after: int = 0, count: int = 1) -> str:
        """The `count`th output line, from number `after` on, with one of the texts; fails at once if it ends."""
        wanted = f"line with {texts!r} from {self.name}"
        async with within(seconds, wanted, self.account), self._grown:
            while True:
                found = [line for line in self.lines[after:] if any(text in line for text in texts)]
                if len(found) >= count:
                    return found[count - 1]
                assert not self._silent, f"{self.name} ended, and no {wanted}; {self.account()}"
                await self._grown.wait()

    def account(self) -> str:
        """For a failure: what it said, and what the kernel knows of it."""
        said = "\n  ".join(self.lines[-30:]) or "nothing"
        return f"it said:\n  {said}\n{describe(self.process.pid)}"

    def say(self, line: str) -> None:
        """Type a line."""
        self.process.write(f"{line}\n".encode())

    async def wait(self, seconds: float = PATIENCE_S) -> int:
        """Its exit code."""
        async with within(seconds, f"end of {self.name}", self.account):
            return await self.process.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 5.0) -> None:
        """End it by its pid; killed when it does not go by itself."""
        if self.process.returncode is None:
            self.process.send_signal(number)
            try:
                async with asyncio.timeout(seconds):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        await asyncio.wait({self._reader}, timeout=seconds)
        if not self._reader.done():  # what it forked lives on and holds its output open
            self._reader.cancel()
            self.process.close_output()
            await asyncio.wait({self._reader})


def describe(pid: int) -> str:
    """What a process does, by /proc: its state, the kernel call it waits in, its files; how busy the machine is."""
    folder = Path(f"/proc/{pid}")
    status = _read(folder / "status")
    state = [line for line in status.splitlines() if line.startswith(("State:", "VmRSS:", "Threads:", "SigBlk:"))]
    waits = [(name, _read(folder / name).strip()) for name in ("wchan", "syscall", "stack")]
    lines = [f"pid {pid}: {', '.join(state) or 'gone'}", *(f"{name}: {text}" for name, text in waits if text)]
    for entry in sorted(folder.glob("fd/*"), key=lambda path: int(path.name)):
        try:
            lines.append(f"fd {entry.name}: {entry.readlink()}")
        except OSError:
            continue  # closed while we looked
    lines.append(f"load: {_read(Path('/proc/loadavg')).strip()}")
    lines.append(f"pressure: {'; '.join(_read(Path('/proc/pressure/cpu')).splitlines())}")
    return "\n".join(lines)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # not there, or not for us to read
        return ""
