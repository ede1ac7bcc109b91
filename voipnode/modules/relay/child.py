"""A child process whose end the event loop hears of, started without running Python in a forked copy of this one."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class _Output(asyncio.StreamReaderProtocol):
    def eof_received(self) -> bool:
        super().eof_received()
        return False  # nothing is left to write either: uvloop would hold the pipe open


class Child:
    """A running program; made by `start`, within a running loop.

    uvloop starts programs by fork and then runs Python's after-fork work in the copy. Where other threads existed (a
    database has one), a lock that one of them held stays held there for ever, and the parent waits for that child as
    long. `subprocess` forks and executes in C; the kernel says through a descriptor (pidfd) when it has ended.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self.stdout: asyncio.StreamReader | None = None
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._reap)
        self._output: asyncio.ReadTransport | None = None

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        stderr: int | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        start_new_session: bool = False,
        limit: int = 1 << 16,
    ) -> Child:
        """Start `command`; descriptors as of `subprocess`. `limit` is of one line of its output, in bytes.

        Raises OSError where it cannot be started.
        """
        # Blocks until the new program is loaded, a few ms; that is what tells a missing one from a bad one.
        process = subprocess.Popen(  # noqa: ASYNC220, S603 -- see the class; the command is the caller's own
            command,
            bufsize=0,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=env,
            pass_fds=pass_fds,
            start_new_session=start_new_session,
        )
        child = cls(process)
        if process.stdout is not None:
            reader = asyncio.StreamReader(limit)
            child.stdout = reader
            child._output, _ = await child._loop.connect_read_pipe(lambda: _Output(reader), process.stdout)
        return child

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for the signal that ended it; None while it runs."""
        return self._process.returncode

    def write(self, data: bytes) -> None:
        """Give it `data` as input (a few lines: a pipe that is full would block). What it reads no more is lost."""
        stdin = self._process.stdin
        assert stdin is not None, "start it with stdin=PIPE"
        if stdin.closed:
            return  # it has ended
        try:
            stdin.write(data)
        except BrokenPipeError:
            return  # it is ending: `wait` tells

    def end_input(self) -> None:
        """There is no more to read for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def send_signal(self, number: int) -> None:
        """Signal it; does nothing once it has ended."""
        self._process.send_signal(number)

    def kill(self) -> None:
        self.send_signal(9)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.shield(self._ended)

    def close_output(self) -> None:
        """Read no more of it: something that it started may hold its output open."""
        if self._output is not None:
            self._output.close()

    def _reap(self) -> None:
        code = self._process.poll()
        if code is None:
            return  # the kernel woke us for nothing
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.end_input()
        if not self._ended.done():
            self._ended.set_result(code)
