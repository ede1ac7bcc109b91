"""A real program as a test's peer: started in the foreground, its output read, ended by its pid."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.aio import within


def need(*programs: str) -> None:
    """Skip, saying which program is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)} (make test installs it when it runs as root)")


class PeerProcess:
    """A child process whose output lines are kept and can be waited for."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process
        self.lines: list[str] = []
        self._grown = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls, *command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> PeerProcess:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            limit=1 << 20,
        )
        return cls(Path(str(command[0])).name, process)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            async with self._grown:
                self.lines.append(line.decode(errors="replace").rstrip())
                self._grown.notify_all()
        async with self._grown:
            self._grown.notify_all()

    async def line_with(self, *texts: str, seconds: float = 10.0, after: int = 0) -> str:
        """The first output line, from number `after` on, that holds one of the texts."""
        async with within(seconds, f"line with {texts!r} from {self.name}; it said {self.lines[-12:]}"), self._grown:
            while True:
                for line in self.lines[after:]:
                    if any(text in line for text in texts):
                        return line
                await self._grown.wait()

    def say(self, line: str) -> None:
        """Type a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    async def wait(self, seconds: float = 30.0) -> int:
        """Its exit code."""
        async with within(seconds, f"end of {self.name}; it said {self.lines[-12:]}"):
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
        await self._reader
