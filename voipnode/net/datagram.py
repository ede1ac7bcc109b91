"""A UDP socket on the loop, read in batches, with the network's error reports where the system gives them.

Not the loop's own datagram transport: that reads one datagram per turn, keeps an unbounded queue of what it could not
send, and does not tell to whom an ICMP error belongs.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

from voipnode.net.qos import mark

SockAddr: TypeAlias = tuple[Any, ...]  # (host, port) or (host, port, flow, scope), as the socket module has them

MAX_DATAGRAM_BYTES = 65535
BATCH = 32  # datagrams read per turn: bounded, so that a flood leaves room for timers
MAX_ERRORS_READ = 64

# Linux (ip(7), ipv6(7)): the error queue; the socket module has no names for these.
IP_RECVERR = 11
IPV6_RECVERR = 25
ORIGIN_ICMP, ORIGIN_ICMP6 = 2, 3
# ICMP destination unreachable (RFC 792, RFC 4443 §3.1) and parameter problem tell of a failure; time exceeded, source
# quench and "too big" do not (RFC 3261 §18.4).
UNREACHABLE_TYPES = {ORIGIN_ICMP: (3, 12), ORIGIN_ICMP6: (1, 4)}
FRAGMENTATION_NEEDED = (ORIGIN_ICMP, 3, 4)


def open_datagram_socket(host: str, port: int, *, receive_buffer: int = 0, dscp: int = 0) -> socket.socket:
    """A bound, non-blocking UDP socket; `host` is a literal, "::" takes IPv6 only. Raises OSError.

    `receive_buffer` in bytes is tried, and cut to what the system allows; 0 leaves the system's. `dscp`: see `qos`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        mark(sock, dscp)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _ignore(data: bytes, source: SockAddr) -> None:
    """What a closed socket hands datagrams to."""


class DatagramSocket:
    """Reads `sock` and hands every datagram to `on_datagram(data, sockaddr)`, which must not raise.

    With `on_unreachable`, ICMP reports that a datagram of ours reached nobody call it with the address that the
    datagram went to (Linux only; elsewhere it is never called). `close` may be called from any of the two.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_datagram: Callable[[bytes, SockAddr], None],
        on_unreachable: Callable[[SockAddr], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._on_datagram = on_datagram
        self._on_unreachable = on_unreachable
        self._closed = False
        self.family: int = sock.family
        self.dropped = 0  # not sent because the socket's buffer was full
        self._epoll: select.epoll | None = None
        if on_unreachable is not None and sys.platform == "linux":
            self._report_errors()
        self._fd = sock.fileno() if self._epoll is None else self._epoll.fileno()
        self._loop.add_reader(self._fd, self._readable)

    def _report_errors(self) -> None:
        if self.family == socket.AF_INET6:
            self._sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        else:
            self._sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        # libuv stops watching a descriptor for good when it reports EPOLLERR, which is how a waiting ICMP error shows.
        # An epoll descriptor in between is readable in that case and never in error.
        self._epoll = select.epoll()
        self._epoll.register(self._sock, select.EPOLLIN)

    @property
    def address(self) -> SockAddr:
        """What the socket is bound to."""
        name: SockAddr = self._sock.getsockname()
        return name

    def send(self, data: bytes, to: SockAddr) -> bool:
        """Send one datagram now; False when the network refused it. A full buffer drops it, as a router would."""
        if self._closed:
            return False
        try:
            self._sock.sendto(data, to)
        except BlockingIOError:
            self.dropped += 1
        except OSError:
            return self._send_again(data, to)
        return True

    def _send_again(self, data: bytes, to: SockAddr) -> bool:
        # The error may be a waiting ICMP report about an earlier datagram to somebody else: take that out, try again.
        self._read_errors()
        if self._closed:
            return False
        try:
            self._sock.sendto(data, to)
        except BlockingIOError:
            self.dropped += 1
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Read and send no more; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._fd)
        if self._epoll is not None:
            self._epoll.close()
        self._sock.close()
        self._on_datagram = _ignore  # the reader holds this socket as a rule: no circle for the garbage collector
        self._on_unreachable = None

    def _readable(self) -> None:
        receive = self._sock.recvfrom
        for count in range(BATCH):
            try:
                data, source = receive(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                if count == 0:  # woken, yet nothing to read: it is the error queue
                    self._read_errors()
                return
            except OSError:
                self._read_errors()
                return
            self._on_datagram(data, source)
            if self._closed:
                return

    def _read_errors(self) -> None:
        if self._epoll is None or self._on_unreachable is None:
            return
        for _ in range(MAX_ERRORS_READ):
            if self._closed:
                return
            # What is left of an error is the report, not a failure of this call.
            with contextlib.suppress(OSError):
                _, notes, _, to = self._sock.recvmsg(0, 512, socket.MSG_ERRQUEUE)
                if any(is_unreachable(note) for _, _, note in notes):
                    self._on_unreachable(to)
                continue
            return


def is_unreachable(extended_error: bytes) -> bool:
    """True when a `struct sock_extended_err` (ip(7)) says that the datagram reached nobody."""
    if len(extended_error) < 8:
        return False
    _, origin, kind, code = struct.unpack_from("=IBBB", extended_error)
    return kind in UNREACHABLE_TYPES.get(origin, ()) and (origin, kind, code) != FRAGMENTATION_NEEDED
