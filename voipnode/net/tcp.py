"""SIP over TCP: numbered connections, those that peers open and those that we open (RFC 3261 §18)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from dataclasses import dataclass
from typing import cast

from voipnode.net.resolver import Resolver, literal_family
from voipnode.net.udp import Sink
from voipnode.sipstack.transport import Address, Hop, Packet

log = logging.getLogger(__name__)

SWEEP_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpLimits:
    """What a peer may cost us. `max_incoming` and `per_host` count connections that others, that one address, opened to
    us: the rest of `max_connections` is for our own, so that nobody keeps the door from calling out."""

    max_connections: int = 200
    max_incoming: int = 150
    per_host: int = 50
    connect_timeout_s: float = 5.0
    first_bytes_timeout_s: float = 32.0  # a connection that never says anything
    idle_timeout_s: float = 600.0  # longer than any keep-alive interval (RFC 5626 §4.4.1: 120 s)
    stall_timeout_s: float = 32.0  # a peer that does not read, as long as a transaction lives
    max_write_buffer: int = 256 * 1024
    max_waiting_packets: int = 64  # while a connection is being opened


class SipTcp:
    """All stream connections. `open` first; failures reach the sink in a later turn of the loop.

    A packet whose hop names a connection goes there or fails; one that names none takes any open connection to that
    remote address, or opens one.
    """

    def __init__(self, resolver: Resolver, sink: Sink, limits: TcpLimits) -> None:
        self._loop = asyncio.get_running_loop()
        self._resolver = resolver
        self.sink = sink
        self.limits = limits
        self._servers: list[asyncio.Server] = []
        self._hosts: dict[int, str] = {}
        self._connections: dict[int, Connection] = {}
        self._by_remote: dict[Address, int] = {}
        self._opening: dict[Address, list[Packet]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._sweep = self._loop.call_later(SWEEP_S, self._sweep_idle)
        self.refused = 0  # connections closed at once because of the limits

    async def open(self, hosts: tuple[str, ...], port: int) -> None:
        """Listen on `port` of each host (literals, at most one per family). Raises OSError."""
        for host in hosts:
            family = literal_family(host) or socket.AF_INET
            sock = socket.create_server((host, port), family=family, backlog=128, dualstack_ipv6=False)
            sock.setblocking(False)
            self._servers.append(await self._loop.create_server(lambda: Connection(self), sock=sock))
            self._hosts[family] = host

    def send(self, packet: Packet) -> None:
        """Write to the connection, or begin to open one; a failure tells the sink `packet.transaction`."""
        hop = packet.hop
        number = hop.connection if hop.connection is not None else self._by_remote.get(hop.remote)
        connection = self._connections.get(number) if number is not None else None
        if connection is not None:
            if not connection.write(packet.data):
                self._fail(packet)
        elif hop.connection is not None:
            self._fail(packet)
        else:
            self._send_once_open(packet)

    def close_connection(self, hop: Hop) -> None:
        """Close one connection after what was written; does nothing when it is gone."""
        connection = self._connections.get(hop.connection) if hop.connection is not None else None
        if connection is not None:
            connection.close()

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    async def close(self) -> None:
        """Close everything; written bytes get a moment to leave, connections are aborted after it."""
        self._sweep.cancel()
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._connections.values()):
            connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while self._connections:
                    await next(iter(self._connections.values())).lost
        for connection in list(self._connections.values()):
            connection.abort()

    # What connections tell

    def admit(self, connection: Connection) -> int | None:
        """The number of a connection that has just been made; None when there is no room for it."""
        if connection.incoming:
            hosts = Counter(other.remote.host for other in self._connections.values() if other.incoming)
            if hosts[connection.remote.host] >= self.limits.per_host:
                return None
            if hosts.total() >= self.limits.max_incoming and not self._make_room():
                return None
        if len(self._connections) >= self.limits.max_connections and not self._make_room():
            return None
        self._number += 1
        self._connections[self._number] = connection
        self._by_remote[connection.remote] = self._number
        return self._number

    def forget(self, connection: Connection) -> None:
        """The connection is lost."""
        self._connections.pop(connection.number, None)
        for name, number in list(self._by_remote.items()):
            if number == connection.number:
                del self._by_remote[name]
        self.sink.connection_closed(connection.hop)

    def _make_room(self) -> bool:
        """Close the connection from outside that was silent longest, if that was a while."""
        others = [other for other in self._connections.values() if other.incoming]
        oldest = min(others, key=lambda other: other.active_at, default=None)
        if oldest is None or self._loop.time() - oldest.active_at < self.limits.first_bytes_timeout_s:
            return False
        oldest.abort()
        self._connections.pop(oldest.number, None)
        return True

    def _sweep_idle(self) -> None:
        self._sweep = self._loop.call_later(SWEEP_S, self._sweep_idle)
        now = self._loop.time()
        for connection in list(self._connections.values()):
            why = connection.overdue(now, self.limits)
            if why:
                log.info("connection %d with %s is closed: %s", connection.number, connection.remote, why)
                connection.abort()

    # Opening

    def _send_once_open(self, packet: Packet) -> None:
        remote = packet.hop.remote
        waiting = self._opening.get(remote)
        if waiting is not None:
            if len(waiting) < self.limits.max_waiting_packets:
                waiting.append(packet)
            else:
                self._fail(packet)
            return
        if len(self._connections) + len(self._opening) >= self.limits.max_connections:
            self._fail(packet)
            return
        self._opening[remote] = [packet]
        task = self._loop.create_task(self._open(remote))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, remote: Address) -> None:
        connection = None
        try:
            async with asyncio.timeout(self.limits.connect_timeout_s):
                connection = await self._connect(remote)
        except TimeoutError:
            log.debug("no TCP connection with %s within %.0f s", remote, self.limits.connect_timeout_s)
        finally:
            waiting = self._opening.pop(remote)
        if connection is not None and connection.number in self._connections:
            self._by_remote[remote] = connection.number  # under its name too, where `remote` is one
        for packet in waiting:
            if connection is None or not connection.write(packet.data):
                self._fail(packet)

    async def _connect(self, remote: Address) -> Connection | None:
        """Try the remote's addresses one after the other."""
        for host in await self._resolver.addresses(remote.host):
            own = self._hosts.get(literal_family(host) or socket.AF_INET)
            if own is None:
                continue
            local = None if own in ("0.0.0.0", "::") else (own, 0)  # noqa: S104 -- compared with, not bound to
            try:
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self, incoming=False), host, remote.port, local_addr=local
                )
            except OSError as error:
                log.debug("no TCP connection with %s: %s", remote, error)
                continue
            return connection
        return None

    def _fail(self, packet: Packet) -> None:
        if packet.transaction:
            self._loop.call_soon(self.sink.send_failed, packet.transaction)


class Connection(asyncio.Protocol):
    """One stream: hands pieces to the sink as they come, closes itself when the peer does not read."""

    def __init__(self, owner: SipTcp, *, incoming: bool = True) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.incoming = incoming
        self.number = 0
        self.remote = Address("", 0)
        self.hop = Hop("TCP", self.remote)
        self.active_at = self._loop.time()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._heard = False
        self._stalled_at: float | None = None

    def connection_made(self, base: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", base)  # uvloop's is one in all but its class
        self._transport = transport
        peer = transport.get_extra_info("peername") or ("", 0)  # already gone again
        self.remote = Address(str(peer[0]), int(peer[1]))
        number = self._owner.admit(self)
        if number is None:
            self._owner.refused += 1
            transport.abort()
            return
        self.number = number
        self.hop = Hop("TCP", self.remote, number)
        self._watch_over(transport.get_extra_info("socket"))
        transport.set_write_buffer_limits(high=self._owner.limits.max_write_buffer // 4)

    def _watch_over(self, sock: socket.socket) -> None:
        """Let the system notice a peer that is gone without a word, instead of after its own quarter of an hour."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux (tcp(7), RFC 5482)
            timeout_ms = int(self._owner.limits.stall_timeout_s * 1000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)

    def data_received(self, data: bytes) -> None:
        if self.number:
            self.active_at = self._loop.time()
            self._heard = True
            self._owner.sink.receive(bytes(data), self.hop)

    def eof_received(self) -> bool:
        return False  # the peer has no more to say: SIP has no half-open connections, close ours too

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        if self.number:
            self._owner.forget(self)

    def pause_writing(self) -> None:
        self._stalled_at = self._loop.time()

    def resume_writing(self) -> None:
        self._stalled_at = None

    def write(self, data: bytes) -> bool:
        """Write, unless the connection is closing or the peer has left too much unread: then it is closed."""
        transport = self._transport
        if transport is None or transport.is_closing() or not self.number:
            return False
        if transport.get_write_buffer_size() + len(data) > self._owner.limits.max_write_buffer:
            log.info("connection %d with %s is closed: the peer does not read", self.number, self.remote)
            transport.abort()
            return False
        self.active_at = self._loop.time()
        transport.write(data)
        return True

    def overdue(self, now: float, limits: TcpLimits) -> str:
        """Why the connection should be closed now; empty when it should not."""
        if self._stalled_at is not None and now - self._stalled_at > limits.stall_timeout_s:
            return "the peer does not read"
        if self.incoming and not self._heard and now - self.active_at > limits.first_bytes_timeout_s:
            return "it never said anything"
        if now - self.active_at > limits.idle_timeout_s:
            return "it was idle"
        return ""

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
