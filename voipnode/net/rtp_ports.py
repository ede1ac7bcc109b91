"""RTP and RTCP sockets in pairs, each driving the engine of one audio stream."""

from __future__ import annotations

import asyncio
import errno
import functools
import itertools
import logging
import socket
from collections.abc import Callable, Iterable
from typing import Protocol

from voipnode.media.turn.values import Server
from voipnode.media.values import Addr, MediaPacket
from voipnode.net.datagram import SockAddr, open_datagram_socket
from voipnode.net.media_sockets import MediaSockets
from voipnode.net.mishaps import Mishaps
from voipnode.net.relay_streams import RelayStreams
from voipnode.net.resolver import Resolver, literal_family
from voipnode.net.timer import LazyTimer

log = logging.getLogger(__name__)

START_PORT = 4000
DEFAULT_COUNT = 1000
DSCP_EF = 46  # expedited forwarding, for voice (RFC 3246; RFC 4594 §4.1)
MAX_TARGETS = 32
PAUSE_AFTER_FAILURE_S = 0.1
_RTP = b"\x80"  # what begins with less is STUN, DTLS or a relay's (RFC 7983 §7)
WILDCARD = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 -- RTP must be reachable


class MediaEngine(Protocol):
    """What a pair drives: the audio stream of a call."""

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool = False) -> bool:
        """True: there is nothing to be fetched, sent or timed anew after this datagram."""
        ...

    def outbox(self, now: float) -> Iterable[MediaPacket]: ...

    def next_deadline(self) -> float | None: ...

    def on_deadline(self, now: float) -> None: ...

    def receive_beside(self, beside: int, data: bytes, source: Addr, now: float, *, rtcp: bool) -> None: ...

    def receive_stream(self, stream: int, data: bytes, now: float) -> None: ...

    def stream_closed(self, stream: int, words: str, now: float) -> None: ...


def _nothing() -> None:
    """What a closed pair tells."""


class RtpPair:
    """One open pair: RTP on the even port, RTCP on the odd one above (RFC 3550 §11).

    `on_events` is called after every input that may have brought any, so that the owner fetches the engine's events; it
    may close the pair.
    Nothing that the engine raises escapes: it is counted in `mishaps` and logged.
    """

    # Slots: as in `media.stream.AudioStream`.
    __slots__ = (
        "__weakref__",
        "_beside",
        "_closed",
        "_dscp",
        "_engine",
        "_lookups",
        "_loop",
        "_on_close",
        "_on_events",
        "_opened",
        "_readers",
        "_resolver",
        "_rtcp",
        "_rtcp_to",
        "_rtp",
        "_rtp_to",
        "_streams",
        "_targets",
        "_time",
        "_timer",
        "_told",
        "mishaps",
        "rtcp_port",
        "rtp_port",
        "unsent",
    )

    def __init__(
        self,
        sockets: tuple[socket.socket, socket.socket],
        engine: MediaEngine,
        on_events: Callable[[], None],
        on_close: Callable[[], None],
        resolver: Resolver | None,
        readers: MediaSockets,
        streams: RelayStreams | None = None,
        dscp: int = 0,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._engine = engine
        self._on_events = on_events
        self._on_close = on_close
        self._resolver = resolver
        self._timer = LazyTimer(self._loop, self._on_due)
        self._streams = streams
        self._opened: list[int] = []  # our connections to relays
        self._dscp = dscp
        self._beside: list[tuple[socket.socket, socket.socket]] = []  # the same ports of other addresses of ours
        self._targets: dict[Addr, Addr | None] = {}  # as the engine says it -> to send to; None: being looked up
        self._lookups: set[asyncio.Task[None]] = set()
        self._closed = False
        self.mishaps = Mishaps("the media engine")
        self._told = False
        self.unsent = 0  # packets that had no address (yet), or that the network refused
        self._rtp, self._rtcp = sockets
        self._rtp_to, self._rtcp_to = self._rtp.sendto, self._rtcp.sendto
        self.rtp_port = int(self._rtp.getsockname()[1])
        self.rtcp_port = int(self._rtcp.getsockname()[1])
        self._readers = readers
        readers.add(self._rtp, self._on_rtp)
        readers.add(self._rtcp, self._on_rtcp)
        self._arm()

    def flush(self, now: float) -> None:
        """Send what the engine has in its outbox and set the timer."""
        if self._closed:
            return
        try:
            for packet in self._engine.outbox(now):
                self._send(packet)
        except Exception:  # noqa: BLE001 -- the edge: one stream's failure must not stop the media clock
            self.mishaps.note("the outbox")
        self._arm()

    def send(self, now: float) -> None:
        """Have what the engine has in its outbox, after frames were pushed, leave when the media clock says so. Frames
        move no deadline."""
        if self._closed:
            return
        try:
            outbox = self._engine.outbox  # an attribute of its own there: as a method it would be looked for twice
            for packet in outbox(now):
                data, remote, rtcp, stream = packet
                target = None if stream is not None else self._targets.get(remote)
                if target is None:
                    self._send(packet)  # to a relay by TCP, from another address of ours, or the first to this one
                else:
                    self._readers.post(self._rtcp_to if rtcp else self._rtp_to, data, target)
        except Exception:  # noqa: BLE001 -- the edge, as above
            self.mishaps.note("the outbox")

    def send_now(self, now: float) -> None:
        """Send what the engine has in its outbox, whatever the media clock does; for packets that are passed on, which
        move no deadline."""
        if self._closed:
            return
        try:
            for packet in self._engine.outbox(now):
                self._send(packet)
        except Exception:  # noqa: BLE001 -- the edge, as above
            self.mishaps.note("the outbox")

    def hurry(self, *, wanted: bool) -> None:
        """Take RTP as soon as it comes, though the media clock runs: it is passed on."""
        if not self._closed:
            self._readers.hurry(self._rtp, wanted=wanted)

    def close(self) -> None:
        """Close both sockets and give the ports back; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._timer.close()
        for task in self._lookups:
            task.cancel()
        for sock in itertools.chain((self._rtp, self._rtcp), *self._beside):
            self._readers.remove(sock)
            sock.close()
        for stream in self._opened:
            if self._streams is not None:
                self._streams.close(stream)
        on_close = self._on_close
        # Whoever opened the pair holds it, and is held by these: a circle, left to the garbage collector, would cost
        # every other call a pause of a tenth of a second now and then.
        self._on_events = self._on_close = _nothing
        on_close()

    def _on_rtp(self, data: bytes, source: SockAddr, at: float) -> None:
        try:
            # IPv6 has flow and scope too.
            receive = self._engine.receive  # as in `send`
            if receive(data, source if len(source) == 2 else source[:2], at):
                return
            self._on_events()
            if data[:1] >= _RTP and not self._closed:
                self._timer.arm(self._engine.next_deadline())
                return
        except Exception:  # noqa: BLE001 -- the edge: no peer's bytes may stop the node
            self.mishaps.note(source, data)
        self.flush(self._time())  # an ICE check or a handshake is answered

    def _on_rtcp(self, data: bytes, source: SockAddr, at: float) -> None:
        try:
            self._engine.receive(data, source[:2], at, rtcp=True)
            self._on_events()
        except Exception:  # noqa: BLE001 -- the edge, as above
            self.mishaps.note(source, data)
        self.flush(self._time())

    def open_beside(self, host: str) -> int:
        """Open the same two ports at another address of this host; the number by which packets name it, below zero.

        Raises OSError where they are not to be had.
        """
        if self._closed:
            raise OSError(errno.ENOTCONN, "this pair is closed")
        sockets = bind_pair(host, self.rtp_port, self._dscp)
        self._beside.append(sockets)
        number = -len(self._beside)
        for sock, rtcp in zip(sockets, (False, True), strict=True):
            self._readers.add(sock, functools.partial(self._on_beside, number, rtcp))
        return number

    def _on_beside(self, number: int, rtcp: bool, data: bytes, source: SockAddr, at: float) -> None:
        try:
            self._engine.receive_beside(number, data, source[:2], at, rtcp=rtcp)
            self._on_events()
        except Exception:  # noqa: BLE001 -- the edge, as above
            self.mishaps.note(source, data)
        self.flush(self._time())

    def open_stream(self, server: Server) -> int:
        """Begin to open a connection to a TURN server by TCP or TLS; its number. What it brings, and its end, go to the
        engine; packets that name it go there. Raises OSError where connections are not provided for."""
        if self._streams is None or self._closed:
            raise OSError(errno.ENOTCONN, "no connections are opened here")
        number = self._streams.open(
            server, lambda data: self._on_stream(number, data), lambda words: self._on_stream_closed(number, words)
        )
        self._opened.append(number)
        return number

    def _on_stream(self, number: int, data: bytes) -> None:
        if self._closed:
            return
        try:
            self._engine.receive_stream(number, data, self._time())
            self._on_events()
        except Exception:  # noqa: BLE001 -- the edge, as above
            self.mishaps.note(f"connection {number}", data)
        self.flush(self._time())

    def _on_stream_closed(self, number: int, words: str) -> None:
        if self._closed:
            return
        try:
            self._engine.stream_closed(number, words, self._time())
            self._on_events()
        except Exception:  # noqa: BLE001 -- the edge, as above
            self.mishaps.note(f"connection {number}")
        self.flush(self._time())

    def _on_due(self) -> None:
        now = self._time()
        failures = self.mishaps.count
        try:
            self._engine.on_deadline(now)
            self._on_events()
        except Exception:  # noqa: BLE001 -- the edge, as above
            self.mishaps.note("a deadline")
        self.flush(now)
        if self.mishaps.count != failures and not self._closed:
            self._timer.cancel()
            self._timer.arm(now + PAUSE_AFTER_FAILURE_S)  # a failing engine must not take the whole core

    def _arm(self) -> None:
        if self._closed:
            return
        try:
            self._timer.arm(self._engine.next_deadline())
        except Exception:  # noqa: BLE001 -- the edge, as above
            self.mishaps.note("the deadline")

    def _send(self, packet: MediaPacket) -> None:
        data, remote, rtcp, stream = packet
        if stream is not None:
            if stream < 0:
                self._send_beside(packet, -1 - stream)
            elif self._streams is None or not self._streams.send(stream, data):
                self.unsent += 1
            return
        target = self._targets.get(remote) or self._find(remote)
        try:
            if target is None:
                self.unsent += 1
            else:
                (self._rtcp_to if rtcp else self._rtp_to)(data, target)
        except OSError:  # refused, or the buffer is full: dropped, as a router would
            self.unsent += 1

    def _send_beside(self, packet: MediaPacket, place: int) -> None:
        try:
            self._beside[place][packet.rtcp].sendto(packet.data, packet.remote)
        except OSError:  # no way from there, or the buffer is full
            self.unsent += 1

    def _find(self, remote: Addr) -> Addr | None:
        """Where to send to; None while a name (SDP allows one, RFC 8866 §5.7) is being looked up."""
        if remote in self._targets:
            return self._targets[remote]
        if len(self._targets) >= MAX_TARGETS:
            self._targets.pop(next(iter(self._targets)))
        family = literal_family(remote[0])
        self._targets[remote] = remote if family is not None else None
        if family is None and self._resolver is not None and len(self._lookups) < MAX_TARGETS:
            task = self._loop.create_task(self._look_up(self._resolver, remote))
            self._lookups.add(task)
            task.add_done_callback(self._lookups.discard)
        return self._targets[remote]

    async def _look_up(self, resolver: Resolver, remote: Addr) -> None:
        host, port = remote
        for address in await resolver.addresses(host):
            if literal_family(address) == self._rtp.family:
                self._targets[remote] = (address, port)
                return
        if not self._told:  # once a call: the peer may name another one in every re-INVITE
            self._told = True
            log.warning("media cannot be sent to %r: the name does not resolve to an address of our kind", host)


class RtpPorts:
    """Hands out pairs of ports upwards from `start_port`; a released pair is used again only after all others.

    `host`: bound where `open` is given none. `count` pairs at most, up to port 65535. `resolver` looks up names that a
    peer's SDP may hold instead of addresses; `dscp` marks every packet (RFC 2474); `streams` opens connections to TURN
    servers; `sockets` reads them, which others may share. Raises ValueError for a range without a pair.
    """

    def __init__(
        self,
        host: str = WILDCARD[socket.AF_INET],
        start_port: int = START_PORT,
        count: int = DEFAULT_COUNT,
        resolver: Resolver | None = None,
        *,
        dscp: int = DSCP_EF,
        streams: RelayStreams | None = None,
        sockets: MediaSockets | None = None,
    ) -> None:
        first = start_port + start_port % 2  # RTP ports are even (RFC 3550 §11)
        self._ports = range(first, min(first + 2 * count, 65536), 2)
        if start_port < 1 or not self._ports:
            raise ValueError(f"start_port {start_port}, count {count}: no pair of ports between 1 and 65535")
        self._host = host
        self._resolver = resolver
        self._dscp = dscp
        self._streams = streams
        self._turn = 0
        self._open: set[int] = set()
        self.sockets = sockets or MediaSockets()

    @property
    def open_pairs(self) -> int:
        return len(self._open)

    def open(self, local_host: str, engine: MediaEngine, on_events: Callable[[], None]) -> RtpPair:
        """Bind the next free pair on `local_host` ("": the default host) and drive `engine` with it.

        Raises OSError when no pair is free. An address that is not ours (a router's, say) means all of ours.
        """
        host = local_host or self._host
        if literal_family(host) is None:
            host = WILDCARD[socket.AF_INET]
        for _ in range(len(self._ports)):
            port = self._ports[self._turn]
            self._turn = (self._turn + 1) % len(self._ports)
            if port in self._open:
                continue
            sockets = self._bind(host, port)
            if sockets is None:
                continue
            self._open.add(port)
            given_back = functools.partial(self._open.discard, port)
            readers, streams, dscp = self.sockets, self._streams, self._dscp
            return RtpPair(sockets, engine, on_events, given_back, self._resolver, readers, streams, dscp)
        raise OSError(errno.EADDRINUSE, f"no pair of RTP ports is free from {self._ports[0]} to {self._ports[-1] + 1}")

    def _bind(self, host: str, port: int) -> tuple[socket.socket, socket.socket] | None:
        try:
            return bind_pair(host, port, self._dscp)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return None
            if error.errno != errno.EADDRNOTAVAIL:
                raise
        try:
            return bind_pair(WILDCARD[socket.AddressFamily(literal_family(host) or socket.AF_INET)], port, self._dscp)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return None
            raise


def bind_pair(host: str, port: int, dscp: int = DSCP_EF) -> tuple[socket.socket, socket.socket]:
    """Two bound sockets, on `port` and the one above. Raises OSError with neither left open."""
    rtp = open_datagram_socket(host, port, dscp=dscp)
    try:
        return rtp, open_datagram_socket(host, port + 1, dscp=dscp)
    except OSError:
        rtp.close()
        raise
