"""Network namespaces: machines of a network that a test builds for itself, and programs inside them.

Each has a network stack of its own, so their addresses and ports are nobody else's and parallel runs do not meet. Their
names are everybody's: they carry the pid of the test, and what a test that was killed left behind the next one removes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.aio import at_end
from voipnode.modules.relay.child import Child

PREFIX = "vn"
FOLDER = Path("/run/netns")
CLONE_NEWNET = 0x40000000
_NUMBERS = itertools.count(1)


class Namespace:
    """One machine. `address` is the one that tests call it by; "" until it has been given one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = ""
        self._forwards: list[Forward] = []

    @classmethod
    async def make(cls, what: str) -> Namespace:
        """A new one with its loopback up; it goes with the test (`run_test`). Skips where that is not allowed."""
        if os.geteuid() != 0:
            pytest.skip("network namespaces need root")
        _remove_orphans()
        made = cls(f"{PREFIX}-{os.getpid()}-{next(_NUMBERS)}-{what}")
        at_end(made.remove)
        try:
            await call("ip", "netns", "add", made.name)
        except AssertionError as error:
            pytest.skip(f"network namespaces are not allowed here: {error}")
        # No IPv6: its link-local addresses appear seconds later, and would be candidates in some runs and not in
        # others.
        await made.call("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        await made.ip("link set lo up")
        return made

    def command(self, *command: str | Path) -> tuple[str | Path, ...]:
        """The command that runs `command` inside; `ip` becomes it, so that its pid is the program's."""
        return ("ip", "netns", "exec", self.name, *command)

    async def call(self, *command: str | Path, said: str = "") -> str:
        """Run a command inside to its end; what it printed. Raises AssertionError with that when it fails."""
        return await call(*self.command(*command), said=said)

    async def ip(self, *lines: str) -> None:
        """Commands of `ip`."""
        await call("ip", "-n", self.name, "-batch", "-", said="\n".join(lines))

    async def forward(self, port: int, host: str = "127.0.0.1") -> int:
        """A TCP port of the test's own loopback that leads to `host`:`port` as seen from inside."""
        made = Forward(self.name, host, port)
        self._forwards.append(made)
        return await made.open()

    async def remove(self) -> None:
        """End, by their pids, all who still run inside, and let the namespace go; may be called twice."""
        for forward in self._forwards:
            await forward.stop()
        self._forwards.clear()
        _remove(self.name)


class Forward:
    """Carries TCP connections from the test's loopback into a namespace: the test itself stays outside."""

    def __init__(self, namespace: str, host: str, port: int) -> None:
        self._namespace = namespace
        self._to = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):  # nobody listens there: closed, as without us
            inside = await asyncio.to_thread(_connect, self._namespace, self._to)
            far_reader, far = await asyncio.open_connection(sock=inside)
            with contextlib.closing(far):
                await asyncio.gather(_pump(reader, far), _pump(far_reader, writer))

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    if not writer.is_closing():
        with contextlib.suppress(OSError):
            writer.write_eof()


def _connect(namespace: str, to: tuple[str, int]) -> socket.socket:
    """A connection that begins inside. A socket stays where it was made; the thread goes back home."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as home, (FOLDER / namespace).open() as inside:
        _enter(libc, inside.fileno())
        try:
            made = socket.create_connection(to, timeout=5.0)
        finally:
            _enter(libc, home.fileno())
    made.setblocking(False)
    return made


def _enter(libc: ctypes.CDLL, descriptor: int) -> None:
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


async def call(*command: str | Path, said: str = "") -> str:
    """Run a command to its end, `said` as its input; what it printed. Raises AssertionError with that when it fails."""
    process = await Child.start(
        [*map(str, command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    process.write(said.encode())
    process.end_input()
    assert process.stdout is not None
    text = (await process.stdout.read()).decode(errors="replace")
    assert await process.wait() == 0, f"{' '.join(map(str, command))}: {text}"
    return text


def _remove_orphans() -> None:
    """Remove those of tests that are no more."""
    for path in FOLDER.glob(f"{PREFIX}-*-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _remove(path.name)


def _remove(name: str) -> None:
    path = FOLDER / name
    if not path.exists():
        return
    for pid in _inside(path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.umount2(str(path).encode(), 2)  # MNT_DETACH, as `ip netns del` does
    path.unlink(missing_ok=True)


def _inside(path: Path) -> list[int]:
    """The processes in a namespace."""
    wanted = path.stat().st_ino
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            if (folder / "ns/net").stat().st_ino == wanted:
                found.append(int(folder.name))
    return found
