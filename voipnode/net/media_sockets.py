"""All RTP and RTCP sockets of the process behind one descriptor of the loop, read and sent by in batches.

A hundred calls bring five thousand datagrams a second, and a turn of the loop for each costs more than what is done
with it. While the media clock runs, the sockets are read when it ticks: what came since the tick before is in time for
whoever plays it, and is taken in one go. While it rests, the loop says when something came. Either way each datagram
is handed on with the time at which the kernel took it, so that nobody mistakes the batch for jitter. What a tick has
made, ready for the wire, leaves in one go as well, when the clock says so.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from voipnode.net.datagram import SockAddr

OnDatagram: TypeAlias = Callable[[bytes, SockAddr, float], None]
SendTo: TypeAlias = Callable[[bytes, SockAddr], object]
"""A socket's `sendto`."""

MAX_DATAGRAM_BYTES = 4096  # a longer one is no audio
ROUNDS = 16  # of one datagram per socket in one reading: bounded, so that a flood leaves room for all else
SO_TIMESTAMPNS = (
    35  # socket(7): a note with the time of arrival, by the wall clock; the socket module has no name for it
)
_TIMESPEC = struct.Struct("@ll")
_NOTES_BYTES = 64
_TRUNCATED = int(socket.MSG_TRUNC)  # an enumeration's member would cost more than all else that is done with a flag


class MediaSockets:
    """Reads the sockets that were added and calls `on_datagram(data, source, at)` for each datagram, in turn.

    `at` is the time of arrival on the loop's clock; it never goes back, and is never ahead of the loop's. The kernel
    begins to note times a moment after the first socket of the machine asks for them; until then it is that of reading.
    `on_datagram` must not raise; it may remove sockets and add others. To be used in one loop. `oversize` counts
    datagrams that were too long to be taken, `unsent` those that the network refused.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, tuple[Callable[..., Any], OnDatagram]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        # For one more reason: libuv stops watching a descriptor for good when it reports an error. This one never does.
        self._epoll: select.epoll | None = None
        self._clocked = False
        self._read_at = 0.0
        self._prompt: select.epoll | None = None  # of those that are read at once, which are not in the other
        self._hurried: set[int] = set()
        self._prompt_read_at = 0.0
        self._leaving: list[tuple[SendTo, bytes, SockAddr]] = []
        self.oversize = self.unsent = 0

    def add(self, sock: socket.socket, on_datagram: OnDatagram) -> None:
        """Read `sock`, which is bound and does not block, from now on."""
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if self._epoll is None:
            self._loop = asyncio.get_running_loop()
            self._epoll = select.epoll()
            self._watch()
        self._handlers[sock.fileno()] = (sock.recvmsg, on_datagram)
        self._epoll.register(sock, select.EPOLLIN)

    def remove(self, sock: socket.socket) -> None:
        """Read `sock` no more; to be called before it is closed."""
        self.hurry(sock, wanted=False)
        assert self._epoll is not None
        self._epoll.unregister(sock)
        del self._handlers[sock.fileno()]
        if not self._handlers:
            self._unwatch()
            self._epoll.close()
            self._epoll = None

    def hurry(self, sock: socket.socket, *, wanted: bool) -> None:
        """Read `sock` as soon as something comes, though the media clock runs: what it brings is for no tick."""
        number = sock.fileno()
        if wanted == (number in self._hurried) or self._epoll is None or self._loop is None:
            return
        if wanted:
            if self._prompt is None:
                self._prompt = select.epoll()
                self._loop.add_reader(self._prompt.fileno(), self._read_prompt)
            self._epoll.unregister(sock)
            self._prompt.register(sock, select.EPOLLIN)
            self._hurried.add(number)
            return
        self._hurried.discard(number)
        self._epoll.register(sock, select.EPOLLIN)
        if self._prompt is not None:
            self._prompt.unregister(sock)
            if not self._hurried:
                self._loop.remove_reader(self._prompt.fileno())
                self._prompt.close()
                self._prompt = None

    # -- who says when to read

    def clock_started(self) -> None:
        """The media clock runs, and calls `read` from now on."""
        self._unwatch()
        self._clocked = True

    def clock_stopped(self) -> None:
        """The media clock rests: the loop says when to read."""
        self.send()
        self._clocked = False
        self._watch()

    def _watch(self) -> None:
        if self._loop is not None and self._epoll is not None and not self._clocked:
            self._loop.add_reader(self._epoll.fileno(), self.read)

    def _unwatch(self) -> None:
        if self._loop is not None and self._epoll is not None and not self._clocked:
            self._loop.remove_reader(self._epoll.fileno())

    # -- sending

    def post(self, send_to: SendTo, data: bytes, target: SockAddr) -> None:
        """Have `data` leave when the media clock says so; at once, while it rests."""
        self._leaving.append((send_to, data, target))
        if not self._clocked:
            self.send()

    def send(self) -> None:
        """What was posted leaves now, with nothing done in between: the last is hardly later than the first."""
        leaving, self._leaving = self._leaving, []
        for send_to, data, target in leaving:
            try:
                send_to(data, target)
            except OSError:  # refused, no room, or closed meanwhile: dropped, as a router would
                self.unsent += 1

    # -- reading

    def read(self) -> None:
        """Hand on what has come, one datagram of each socket after the other, up to `ROUNDS` of each."""
        if self._epoll is None or self._loop is None:
            return
        floor, now = self._read_at, self._loop.time()
        self._read_at = now
        for _ in range(ROUNDS):
            ready = self._epoll.poll(0) if self._epoll is not None else []
            if not ready:
                return
            self._read_one_each(ready, floor, now)

    def _read_prompt(self) -> None:
        """The same for those that are read at once. Their times are told apart from the others', of which some may have
        come before and wait for the clock."""
        if self._prompt is None or self._loop is None:
            return
        floor, now = self._prompt_read_at, self._loop.time()
        self._prompt_read_at = now
        for _ in range(ROUNDS):
            ready = self._prompt.poll(0) if self._prompt is not None else []
            if not ready:
                return
            self._read_one_each(ready, floor, now)

    def _read_one_each(self, ready: list[tuple[int, int]], floor: float, now: float) -> None:
        """`floor` and `now`: between these came what is read, as far as anybody was told."""
        handlers, unpack = self._handlers, _TIMESPEC.unpack
        since = time.monotonic() - time.time()  # what the wall clock is off the loop's, which has whole milliseconds
        for number, _ in ready:
            handler = handlers.get(number)
            if handler is None:  # removed by what came before
                continue
            receive, on_datagram = handler
            try:
                data, notes, flags, source = receive(MAX_DATAGRAM_BYTES, _NOTES_BYTES)
            except OSError:  # nothing there after all, or an error of the network's, which is taken out by this
                continue
            if flags & _TRUNCATED:
                self.oversize += 1
                continue
            at = now
            if notes:
                seconds, nanoseconds = unpack(notes[0][2])
                at = since + seconds + nanoseconds * 1e-9
                at = floor if at < floor else now if at > now else at
            on_datagram(data, source, at)
