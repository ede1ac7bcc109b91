"""The guardian: a process that alone holds the output lines, so that no failure of the engine leaves a door open.

    python -m voipnode.modules.relay.guardian '{"fd": 3, "lines": 4, "engine": 4711, "state_dir": "..."}'

Descriptor `fd` is the socket to the engine, `lines` a file that says what to hold: there may be passwords in it, and
everybody may read a command line.

The engine leases each activation with its end (see `protocol`). A line goes back to its normal state at the end of its
lease, whatever the engine does or does not; every line goes back, and the guardian ends, when the engine ends (end of
file, or its pidfd), says goodbye, sends nonsense, when SIGTERM comes and on any exception. Silence needs no rule of its
own: no lease reaches further than 10 s, so nothing is active 10 s after the last word. SIGINT is the engine's to
handle. A suspended machine drives its lines as they were; on waking an overdue lease ends at once.

One thread, one `select`. Nothing here waits for the engine (what it does not read is dropped, with a count), for a
disk (see `journal`) or for a relay at the end of a network (see `http_line`). Standard library only, for a start in
some 50 ms and for few ways to fail.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from voipnode.modules.relay.journal import Journal, boot_id
from voipnode.modules.relay.lines import Line, LineError, LineSpec, open_line
from voipnode.modules.relay.protocol import (
    MAX_LEASE_S,
    Bye,
    Ending,
    Late,
    Lease,
    LineSplitter,
    LineState,
    Ping,
    Pong,
    ProtocolError,
    Ready,
    Release,
    Report,
    Request,
    Reset,
    Trouble,
    boottime,
    decode_request,
    encode,
)

if TYPE_CHECKING:
    from voipnode.modules.relay.http_line import FarAnswer

READ_SIZE = 4096  # bytes per turn: expiries are looked at between any two reads
MAX_OUTBOX = 65536  # bytes kept for an engine that does not read
LOOK_AGAIN_S = 0.25  # while a line is active: `select` counts CLOCK_MONOTONIC, which stands still in a suspend


class End(Exception):  # noqa: N818 -- not an error: the way out of the loop, with the reason
    """Release everything and end; `why` is a word for events ("stop", "engine-lost", ...), `detail` for people."""

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why


class FarLine(Line, Protocol):
    """A line whose relay is far away: what came of `write` is heard later (`http_line`)."""

    def fileno(self) -> int: ...

    def answers(self) -> list[FarAnswer]: ...


@dataclass(slots=True)
class HeldLine:
    """A line and its lease: active while `until` is set. `asked`: leases that its far relay has yet to confirm."""

    spec: LineSpec
    driver: Line
    far: FarLine | None = None
    until: float | None = None
    since: float = 0.0
    asked: list[int] = field(default_factory=list)

    def drive(self, *, active: bool) -> None:
        self.driver.write(closed=active != self.spec.normally_closed, until=self.until or 0.0 if active else 0.0)


class Channel:
    """The guardian's end of the socket: reads what is there, writes what fits, never waits."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._splitter = LineSplitter()
        self._outbox = bytearray()
        self.dropped = 0

    @property
    def pending(self) -> bool:
        return bool(self._outbox)

    def send(self, report: Report) -> None:
        line = encode(report)
        if len(self._outbox) + len(line) > MAX_OUTBOX:
            self.dropped += 1
            return
        full = self.pending  # then `select` tells when the socket takes more
        self._outbox += line
        if not full:
            self.flush()

    def flush(self) -> None:
        """Hand over what the socket takes; an engine that is gone is noticed by reading, not here."""
        with contextlib.suppress(OSError):
            while self._outbox:
                del self._outbox[: self.sock.send(self._outbox)]

    def receive(self) -> list[Request]:
        """What has arrived. Raises `End` on end of file and on nonsense."""
        try:
            data = self.sock.recv(READ_SIZE)
        except BlockingIOError:
            return []
        except OSError:  # a reset: it was killed with our reports unread
            data = b""
        if not data:
            raise End("engine-lost", "the engine was lost")
        try:
            return [decode_request(line) for line in self._splitter.feed(data)]
        except ProtocolError as error:
            raise End("nonsense", f"nonsense from the engine: {error}") from None


class Guardian:
    """Holds lines for one engine; `run` ends only by an exception, after which `release_all` is to be called."""

    def __init__(self, channel: Channel, journal: Journal, clock: Callable[[], float] = boottime) -> None:
        self._lines: dict[str, HeldLine] = {}
        self._channel = channel
        self._journal = journal
        self._clock = clock

    def hold(self, spec: LineSpec, driver: Line) -> None:
        """Take an open line, in its normal state, into care."""
        far = cast("FarLine", driver) if spec.driver == "http" else None
        self._lines[spec.name] = HeldLine(spec, driver, far)

    def run(self, engine_end: int, wake: int) -> None:
        """Serve; `engine_end` becomes readable when the engine's process ends (-1: unknown), `wake` on SIGTERM."""
        far = {line.far.fileno(): line for line in self._lines.values() if line.far is not None}
        watched = [self._channel.sock.fileno(), wake, *([engine_end] if engine_end >= 0 else []), *far]
        while True:
            writing = [self._channel.sock.fileno()] if self._channel.pending else []
            readable, writable, _ = select.select(watched, writing, [], self._patience())
            self._expire()  # first, so that no flood of messages pushes an expiry away
            if wake in readable:
                raise End("terminated", "told to end (SIGTERM)")
            if writable:
                self._channel.flush()
            if self._channel.sock.fileno() in readable:
                self._handle(self._channel.receive(), gone=engine_end in readable)
            for descriptor in far.keys() & set(readable):
                self._hear_far(far[descriptor])
            if engine_end in readable:  # the socket may stay open in a process that the engine forked
                raise End("engine-lost", "the engine was lost")

    def _patience(self) -> float | None:
        """How long nothing need be looked at."""
        ends = [line.until for line in self._lines.values() if line.until is not None]
        return min(max(0.0, min(ends) - self._clock()), LOOK_AGAIN_S) if ends else None

    def _expire(self) -> None:
        now = self._clock()
        for line in self._lines.values():
            if line.until is not None and line.until <= now:
                self._release(line, "expired")

    def _handle(self, requests: list[Request], *, gone: bool) -> None:
        for request in requests:
            if isinstance(request, Bye):
                raise End("stop", "the engine stopped in order")
            if gone:
                continue  # the last words of a dead engine open nothing
            if isinstance(request, Lease):
                self._lease(request)
            elif isinstance(request, Release):
                self._release(self._named(request.line), request.why, request.ref)
            elif isinstance(request, Reset):
                self._release_active(request.why)
            elif isinstance(request, Ping):
                self._channel.send(Pong(request.count))

    def _named(self, name: str) -> HeldLine:
        if name not in self._lines:
            raise End("nonsense", f"nonsense from the engine: no line {name!r}")
        return self._lines[name]

    def _lease(self, lease: Lease) -> None:
        line, now = self._named(lease.line), self._clock()
        if lease.until > now + MAX_LEASE_S:
            raise End("nonsense", f"nonsense from the engine: a lease of {lease.until - now:.1f} s")
        if line.until is not None and line.until <= now:
            self._release(line, "expired")  # it ended while this message was on its way: not to be renewed
        if lease.until <= now or (lease.renew and line.until is None):
            self._channel.send(Late(lease.line, lease.ref, now))
            return
        if line.until is not None:
            line.until = max(line.until, lease.until)
            if line.far is not None:
                line.drive(active=True)
            self._activated(line, "extended", lease.ref, confirmed=line.far is None or not line.asked)
            if not lease.renew:
                self._note_active(lease, "extended", now)
            return
        # Before the line moves: where driving it fails it counts as active, and where we are killed the journal has it.
        line.until, line.since = lease.until, now
        self._note_active(lease, "pulse", now)
        line.drive(active=True)
        self._activated(line, "pulse", lease.ref, confirmed=line.far is None)

    def _note_active(self, lease: Lease, why: str, now: float) -> None:
        lease_s = round(lease.until - now, 3)
        self._journal.write("line", line=lease.line, active=True, why=why, by=lease.why, lease_s=lease_s)

    def _activated(self, line: HeldLine, why: str, ref: int, *, confirmed: bool) -> None:
        if not confirmed:
            line.asked.append(ref)
            return
        assert line.until is not None
        self._channel.send(LineState(line.spec.name, True, why, line.since, line.until, 0.0, ref))

    def _hear_far(self, line: HeldLine) -> None:
        """What the far relay made of its orders; of those that were superseded only what a person should know."""
        assert line.far is not None
        for answer in line.far.answers():
            if answer.newest and line.until is not None and answer.ok:
                asked, line.asked = line.asked, []
                for ref in asked:
                    self._activated(line, "pulse", ref, confirmed=True)
            elif answer.newest and line.until is not None:
                self._release(line, "unconfirmed", detail=answer.detail, unsure=answer.unsure)
            elif answer.detail:
                self._channel.send(Trouble(line.spec.name, answer.detail, answer.ok, answer.unsure, 0))
                self._journal.write("far", line=line.spec.name, ok=answer.ok, detail=answer.detail)

    def _release(
        self, line: HeldLine, why: str, ref: int = 0, detail: str = "it has not confirmed in time", unsure: bool = True
    ) -> None:
        line.drive(active=False)
        for asked in line.asked or ([0] if why == "unconfirmed" else []):
            self._channel.send(Trouble(line.spec.name, detail, False, unsure, asked))
        line.asked = []
        now = self._clock()
        held_s = now - line.since if line.until is not None else 0.0
        was_active, line.until = line.until is not None, None
        if was_active or ref:
            self._channel.send(LineState(line.spec.name, False, why, now, 0.0, held_s, ref))
        if was_active:
            self._journal.write("line", line=line.spec.name, active=False, why=why, held_s=round(held_s, 3))

    def _release_active(self, why: str) -> None:
        for line in self._lines.values():
            if line.until is not None:
                self._release(line, why)

    def release_all(self, why: str) -> None:
        """Every line to its normal state and given back, each for itself: one that fails does not hold up the next."""
        for line in self._lines.values():
            with contextlib.suppress(Exception):  # the last resort follows: the process ends, the kernel takes the line
                self._release(line, why)
        for line in self._lines.values():
            with contextlib.suppress(Exception):
                line.driver.close()


def serve(channel: Channel, engine: int, state_dir: Path, specs: list[LineSpec], wake: int) -> int:
    """Hold the lines until it is over; returns the exit status, 0 when it ended in order."""
    journal = Journal.start(state_dir, keep_out_of=(channel.sock.fileno(),))
    journal.write("start", pid=os.getpid(), engine=engine, boot=boot_id(), lines=[spec.name for spec in specs])
    guardian = Guardian(channel, journal)
    try:
        for spec in specs:
            guardian.hold(spec, open_line(spec, state_dir))
        channel.send(Ready(boottime(), os.getpid()))
        guardian.run(_engine_end(engine), wake)
        why, detail = "stop", ""  # not reached: `run` ends by an exception
    except End as end:
        why, detail = end.why, str(end)
    except LineError as error:
        why, detail = "failed", str(error)
    except BaseException as error:  # noqa: BLE001 -- whatever it is, the lines go to normal first
        why, detail = "failed", f"the guardian failed: {error!r}"
    guardian.release_all(why)
    journal.write("end", why=why, detail=detail, dropped=channel.dropped)
    channel.send(Ending(detail, boottime()))
    journal.close()
    return 0 if why in ("stop", "terminated") else 1


def _engine_end(engine: int) -> int:
    """A descriptor that becomes readable when the engine's process ends; -1 where the kernel has none (Linux < 5.3)."""
    try:
        descriptor = os.pidfd_open(engine)
    except ProcessLookupError:
        raise End("engine-lost", "the engine was lost") from None
    except OSError:
        return -1
    if os.getppid() != engine:  # it died before, and its number may be somebody else's by now
        raise End("engine-lost", "the engine was lost")
    return descriptor


def _prepare_signals() -> int:
    """SIGTERM wakes the loop through the returned descriptor; Ctrl-C and a lost terminal are the engine's affair."""
    wake, write = os.pipe()
    os.set_blocking(write, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    with contextlib.suppress(OSError):  # only root may: run the moment a lease ends, however busy the machine is
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    return wake


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit("the guardian is started by `voipnode run`, which tells it what to hold")
    wake = _prepare_signals()
    told = json.loads(sys.argv[1])
    channel = Channel(socket.socket(fileno=told["fd"]))
    with os.fdopen(told["lines"], "rb") as file:
        specs = [LineSpec(**spec) for spec in json.load(file)]
    return serve(channel, told["engine"], Path(told["state_dir"]), specs, wake)


if __name__ == "__main__":
    sys.exit(main())
