"""The engine's side of the guardian: starts it, talks to it, notices its loss or its silence, starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import voipnode
from voipnode.calls.errors import CallError, NotNowError
from voipnode.modules.relay.child import Child
from voipnode.modules.relay.lines import LineSpec
from voipnode.modules.relay.protocol import (
    Bye,
    Ending,
    LineSplitter,
    Ping,
    ProtocolError,
    Ready,
    Report,
    Request,
    boottime,
    decode_report,
    encode,
)

log = logging.getLogger(__name__)

GUARDIAN = "voipnode.modules.relay.guardian"
START_WITHIN_S = 5.0
STOP_WITHIN_S = 2.0
PING_EVERY_S = 0.5
PONG_WITHIN_S = 2.0
OVERSLEPT_S = 0.5  # a supervisor that was itself asleep this long does not judge the guardian
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0  # between restarts that fail; the first restart is immediate
STEADY_AFTER_S = 10.0  # up for this long: the next loss starts with an immediate restart again
MAX_UNSENT = 65536  # bytes in the transport's buffer: a guardian that does not read is frozen


class Watcher(Protocol):
    """Who is told. Called in the event loop, in order; must not raise."""

    def guardian_up(self, detail: str) -> None: ...

    def guardian_lost(self, detail: str) -> None:
        """It is gone and every line with it; said once until `guardian_up`."""
        ...

    def guardian_troubled(self, detail: str) -> None:
        """Starting it again fails; said once for each reason."""
        ...

    def guardian_said(self, report: Report) -> None: ...


class Link(asyncio.Protocol):
    """One guardian's socket. `ready` and `closed` are futures; `reason` is its own word on why it ended."""

    def __init__(self, watcher: Watcher) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[Ready] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.heard_at = loop.time()
        self.reason = ""
        self._watcher = watcher
        self._splitter = LineSplitter()
        self._transport: asyncio.WriteTransport | None = None
        self._loop = loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's transports are no subclass of it

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        try:
            for line in self._splitter.feed(data):
                self._heard(decode_report(line))
        except ProtocolError as error:
            self.reason = f"it sent nonsense: {error}"
            self.abort()

    def _heard(self, report: Report) -> None:
        if isinstance(report, Ready):
            if not self.ready.done():
                self.ready.set_result(report)
        elif isinstance(report, Ending):
            self.reason = report.why
        else:
            self._watcher.guardian_said(report)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def send(self, request: Request) -> None:
        assert self._transport is not None
        self._transport.write(encode(request))

    @property
    def choked(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() > MAX_UNSENT

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Supervisor:
    """Keeps one guardian running for `lines`, whose simulated files and journal are in `state_dir`.

    `start` raises `CallError` when the guardian cannot hold a line (the message is its own); later failures are told to
    the watcher and tried again, at once and then after pauses that grow to 5 s. It never activates anything by itself.
    """

    def __init__(self, lines: Sequence[LineSpec], state_dir: Path, watcher: Watcher) -> None:
        self._lines = list(lines)
        self._state_dir = state_dir
        self._watcher = watcher
        self._process: Child | None = None
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the guardian that serves now."""
        return self._process.pid if self._link is not None and self._process is not None else None

    def now(self) -> float:
        """The clock of leases, seconds."""
        return boottime()

    def send(self, request: Request) -> None:
        """Hand a request to the guardian; raises `NotNowError` while there is none."""
        if self._link is None:
            raise NotNowError("the process that holds the outputs is down; it is being started again")
        self._link.send(request)

    async def start(self) -> None:
        link = await self._launch()
        self._task = asyncio.get_running_loop().create_task(self._keep(link))

    async def stop(self) -> None:
        """Release everything and end the guardian; by force when it does not within 2 s."""
        task, self._task = self._task, None
        if task is None:
            return
        link = self._link
        if link is not None:
            link.send(Bye())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN_S):
                    await asyncio.shield(link.closed)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._end_process(link)

    async def _keep(self, link: Link) -> None:
        """Serve one guardian after the other."""
        loop = asyncio.get_running_loop()
        pause_s = 0.0
        while True:
            up_at = loop.time()
            detail = await self._watch(link)
            await self._end_process(link)
            if self._task is None:
                return  # it is being stopped
            self._watcher.guardian_lost(detail)
            if loop.time() - up_at > STEADY_AFTER_S:
                pause_s = 0.0
            link, pause_s = await self._relaunch(pause_s)

    async def _relaunch(self, pause_s: float) -> tuple[Link, float]:
        """Try until one is up; returns it with the pause before the next attempt should it be lost soon."""
        told = ""
        while True:
            if pause_s:
                await asyncio.sleep(pause_s)
            pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            try:
                link = await self._launch()
            except CallError as error:
                if str(error) != told:
                    told = str(error)
                    self._watcher.guardian_troubled(told)
                continue
            assert self._process is not None
            self._watcher.guardian_up(f"started again, process {self._process.pid}; outputs in their normal state")
            return link, pause_s

    async def _launch(self) -> Link:
        """A guardian that holds the lines; raises `CallError`, and then no process is left."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await self._spawn(theirs.fileno())
            _, link = await asyncio.get_running_loop().create_unix_connection(lambda: Link(self._watcher), sock=ours)
        except BaseException:  # cancelled too: nothing that was started may hold a line on; raised again
            ours.close()  # end of file for whatever was started
            raise
        try:
            await self._first_word(link)
        except BaseException:  # as above
            await self._end_process(link)
            raise
        self._link = link
        return link

    async def _spawn(self, fd: int) -> Child:
        lines = os.memfd_create("lines")  # no command line and no disk for the passwords of boards
        told = {"fd": fd, "lines": lines, "engine": os.getpid(), "state_dir": str(self._state_dir.resolve())}
        try:
            os.pwrite(lines, json.dumps([line.to_dict() for line in self._lines]).encode("ascii"), 0)
            self._state_dir.mkdir(parents=True, exist_ok=True)
            return await Child.start(
                (sys.executable, "-m", GUARDIAN, json.dumps(told)),
                pass_fds=(fd, lines),
                start_new_session=True,  # Ctrl-C on the terminal is for the engine, which stops it
                env={**os.environ, "PYTHONPATH": _import_path()},
            )
        except OSError as error:
            raise CallError(f"the guardian of the outputs cannot be started: {error}") from None
        finally:
            os.close(lines)

    async def _first_word(self, link: Link) -> None:
        await asyncio.wait((link.ready, link.closed), timeout=START_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if not link.ready.done():
            reason = link.reason or "it ended" if link.closed.done() else f"no answer in {START_WITHIN_S:.0f} s"
            raise CallError(f"the guardian of the outputs does not start: {reason}")

    async def _watch(self, link: Link) -> str:
        """Wait until it is lost; returns why, in words."""
        loop = asyncio.get_running_loop()
        link.heard_at = loop.time()
        count = 0
        while not link.closed.done():
            count += 1
            link.send(Ping(count=count))
            asked_at = loop.time()
            await asyncio.wait((link.closed,), timeout=PING_EVERY_S)
            now = loop.time()
            if now - asked_at > PING_EVERY_S + OVERSLEPT_S:
                link.heard_at = now
            if link.choked or now - link.heard_at > PONG_WITHIN_S:
                return f"it gave no answer for {PONG_WITHIN_S:.0f} s and was killed"
        return link.reason or "it ended without a word"

    async def _end_process(self, link: Link | None) -> None:
        """Make sure that it is gone, so that nothing but the next one holds the lines."""
        self._link = None
        process = self._process
        if process is not None:
            if link is not None and not link.closed.done() and process.returncode is None:
                process.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN_S):
                    await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            self._process = None
        if link is not None:
            link.abort()


def _import_path() -> str:
    """PYTHONPATH of the guardian: where this very package lies comes first, so that both are of one version."""
    own = str(Path(voipnode.__file__).resolve().parents[1])
    return os.pathsep.join([own, *filter(None, [os.environ.get("PYTHONPATH", "")])])
