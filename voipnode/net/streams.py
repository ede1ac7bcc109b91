"""SIP over streams: the one table of numbered connections by TCP, TLS and WebSocket, those that peers open and those
that we open (RFC 3261 §18, RFC 7118)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, cast

from voipnode.net.connection import Connection, ConnectionLimits
from voipnode.net.layers import StreamFailure
from voipnode.net.qos import mark
from voipnode.net.resolver import Resolver, literal_family
from voipnode.net.stream_layers import StreamLayers
from voipnode.net.tls import TlsError
from voipnode.net.tls_probe import certificate_of
from voipnode.net.tls_words import certificate_words
from voipnode.net.udp import Sink
from voipnode.sipstack.transport import Address, Hop, Packet

log = logging.getLogger(__name__)

SWEEP_S = 5.0
HURRY_S = 2.0  # a handshake that takes longer gives way where there is no room
TELL_AGAIN_S = 60.0
MAX_TOLD = 64


class Route(NamedTuple):
    """What a connection serves: a connection for one name, or of one account, is not another's (RFC 5922 §7.3)."""

    transport: str
    remote: Address
    domain: str
    profile: str

    @classmethod
    def of(cls, hop: Hop) -> Route:
        if hop.transport == "TCP":
            return cls("TCP", hop.remote, "", "")
        domain = (hop.domain or hop.remote.host).lower().rstrip(".")
        return cls(hop.transport, hop.remote, domain, hop.profile)


class SipStreams:
    """All stream connections. `open` first; failures reach the sink in a later turn of the loop.

    A packet whose hop names a connection goes there or fails; one that names none takes any open connection that serves
    its transport, address, name and profile, or opens one. Connections that others opened serve such packets over TCP
    alone: over TLS their owners have proven no name.
    """

    def __init__(
        self,
        resolver: Resolver,
        sink: Sink,
        limits: ConnectionLimits,
        layers: StreamLayers | None = None,
        dscp: int = 0,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._resolver = resolver
        self._layers = layers or StreamLayers()
        self.sink = sink
        self.limits = limits
        self.dscp = dscp
        self._servers: list[asyncio.Server] = []
        self._hosts: dict[int, str] = {}
        self._connections: dict[int, Connection] = {}
        self._by_route: dict[Route, int] = {}
        self._opening: dict[Route, list[Packet]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._told_at: dict[str, float] = {}
        self._number = 0
        self._sweep = self._loop.call_later(SWEEP_S, self._sweep_idle)
        self.is_stranger: Callable[[str], bool] = lambda host: False
        self.refused = 0  # connections closed at once because of the limits

    def connect_from(self, hosts: tuple[str, ...]) -> None:
        """Our addresses (literals, at most one per family), of which connections are opened."""
        self._hosts = {literal_family(host) or socket.AF_INET: host for host in hosts}

    async def open(self, hosts: tuple[str, ...], port: int, transport: str = "TCP") -> int:
        """Listen for `transport` on `port` of each host (0: any); the port. Raises OSError."""
        self.connect_from(hosts)
        for host in hosts:
            family = literal_family(host) or socket.AF_INET
            sock = socket.create_server((host, port), family=family, backlog=128, dualstack_ipv6=False)
            sock.setblocking(False)
            mark(sock, self.dscp)  # for the first packet of the handshake
            port = int(sock.getsockname()[1])
            self._servers.append(await self._loop.create_server(lambda: self._incoming(transport), sock=sock))
        return port

    def send(self, packet: Packet) -> None:
        """Write to the connection, or begin to open one; a failure tells the sink `packet.transaction`, and why."""
        hop = packet.hop
        number = hop.connection if hop.connection is not None else self._by_route.get(Route.of(hop))
        connection = self._connections.get(number) if number is not None else None
        if connection is not None:
            if not connection.write(packet.data, packet.transaction):
                self._fail(packet, f"the connection with {hop.remote} is closed, or its peer does not read")
        elif hop.connection is not None:
            self._fail(packet, f"the connection with {hop.remote} is gone")
        else:
            self._send_once_open(packet)

    def close_connection(self, hop: Hop) -> None:
        """Close one connection after what was written; does nothing when it is gone."""
        connection = self._connections.get(hop.connection) if hop.connection is not None else None
        if connection is not None:
            connection.close()

    def opened_here(self, number: int) -> bool:
        """Whether we opened that connection."""
        connection = self._connections.get(number)
        return connection is not None and not connection.incoming

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

    def _incoming(self, transport: str) -> asyncio.Protocol:
        try:
            return Connection(self, transport, self._layers.incoming(transport))
        except TlsError as error:  # no context was ever made, as `StreamLayers.check` would have told at the start
            log.warning("no %s connection can be taken: %s", transport, error)
            return _Refused()

    def admit(self, connection: Connection) -> int | None:
        """The number of a connection that has just been made; None when there is no room for it."""
        full = len(self._connections) >= self.limits.max_connections
        if (connection.incoming and not self._has_room_for(connection.remote.host)) or (full and not self._make_room()):
            self.refused += 1
            return None
        self._number += 1
        self._connections[self._number] = connection
        return self._number

    def _has_room_for(self, host: str) -> bool:
        hosts = Counter(other.remote.host for other in self._connections.values() if other.incoming)
        if hosts[host] >= self.limits.per_host:
            return False
        if self.is_stranger(host):
            strangers = sum(count for other, count in hosts.items() if self.is_stranger(other))
            if strangers >= self.limits.max_strangers:
                return False
        return hosts.total() < self.limits.max_incoming or self._make_room()

    def opened(self, connection: Connection) -> None:
        """The connection is ready for SIP."""
        if not (connection.incoming and connection.hop.transport != "TCP"):
            self._by_route[Route.of(connection.hop)] = connection.number

    def received(self, data: bytes, source: Hop) -> None:
        """Something of SIP came in."""
        self.sink.receive(data, source)

    def broken(self, connection: Connection) -> None:
        """A peer broke the rules of a layer; said once a minute and host, so that nobody writes our log."""
        host, now = connection.remote.host, self._loop.time()
        if not connection.number or now - self._told_at.get(host, -TELL_AGAIN_S) < TELL_AGAIN_S:
            return
        if len(self._told_at) >= MAX_TOLD:
            self._told_at.pop(next(iter(self._told_at)))
        self._told_at[host] = now
        what = "from" if connection.incoming else "to"
        log.info(
            "%s connection %s %s failed: %s", connection.hop.transport, what, connection.remote, connection.failure
        )

    def failed(self, transactions: list[str], why: str) -> None:
        """What was sent over a new connection was refused with it."""
        for transaction in transactions:
            self.sink.send_failed(transaction, why)

    def forget(self, connection: Connection) -> None:
        """The connection is lost."""
        self._connections.pop(connection.number, None)
        for route, number in list(self._by_route.items()):
            if number == connection.number:
                del self._by_route[route]
        if connection.is_open:
            self.sink.connection_closed(connection.hop)

    def _make_room(self) -> bool:
        """Close the connection from outside that was silent longest, if that was a while."""
        now = self._loop.time()
        others = [
            other
            for other in self._connections.values()
            if other.incoming
            and now - other.active_at >= (self.limits.first_bytes_timeout_s if other.is_open else HURRY_S)
        ]
        oldest = min(others, key=lambda other: (other.is_open, other.active_at), default=None)
        if oldest is None:
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
            else:
                connection.keep_alive(now, self.limits)

    # Opening

    def _send_once_open(self, packet: Packet) -> None:
        hop = packet.hop
        route = Route.of(hop)
        waiting = self._opening.get(route)
        if waiting is not None:
            if len(waiting) < self.limits.max_waiting_packets:
                waiting.append(packet)
            else:
                self._fail(packet, f"too many messages wait for a connection with {hop.remote}")
            return
        if len(self._connections) + len(self._opening) >= self.limits.max_connections:
            self._fail(packet, "too many connections are open")
            return
        self._opening[route] = [packet]
        task = self._loop.create_task(self._open(route, hop))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, route: Route, hop: Hop) -> None:
        connection, why = None, f"no answer from {hop.remote} within {self.limits.connect_timeout_s:g} s"
        try:
            async with asyncio.timeout(self.limits.connect_timeout_s):
                connection = await self._connect(hop)
        except TimeoutError:
            log.debug("no %s connection with %s: %s", hop.transport, hop.remote, why)
        except StreamFailure as failure:
            why = f"{hop.transport} to {hop.remote}: {failure.words}"
            log.debug("no connection: %s", why)
        finally:
            waiting = self._opening.pop(route)
        if connection is not None and connection.number in self._connections:
            self._by_route[route] = connection.number  # under its name too, where `remote` is one
        for packet in waiting:
            if connection is None or not connection.write(packet.data, packet.transaction):
                self._fail(packet, why)

    async def _connect(self, hop: Hop) -> Connection:
        """Try the remote's addresses one after the other. Raises StreamFailure with what the last one said."""
        failure = StreamFailure(f'the name "{hop.remote.host}" has no address that we can reach')
        for host in await self._resolver.addresses(hop.remote.host):
            own = self._hosts.get(literal_family(host) or socket.AF_INET)
            if own is None:
                continue
            local = None if own in ("0.0.0.0", "::") else (own, 0)  # noqa: S104 -- compared with, not bound to
            try:
                return await self._connect_to(host, hop, local)
            except OSError as error:
                words = "nobody listens there" if isinstance(error, ConnectionRefusedError) else error.strerror
                failure = StreamFailure(f"{words or error}")
            except StreamFailure as error:
                failure = error
        raise failure

    async def _connect_to(self, host: str, hop: Hop, local: tuple[str, int] | None) -> Connection:
        try:
            connection = Connection(self, hop.transport, self._layers.outgoing(hop), hop)
        except TlsError as error:
            raise StreamFailure(f"{error.field}: {error}") from error
        try:
            await self._loop.create_connection(lambda: connection, host, hop.remote.port, local_addr=local)
            words = await connection.outcome
        except BaseException:  # cancelled by the time limit: the attempt must not come true later
            connection.abort()
            raise
        if not words:
            return connection
        failure = connection.failure
        if failure is not None and failure.verify_code:
            # Refused without having been shown: look once more, to say whose it is and what is wrong with it.
            certificate = await certificate_of(self._layers.probe(hop), host, hop.remote.port, local)
            if certificate is not None:
                words = certificate_words(failure.verify_code, str(failure), certificate)
        raise StreamFailure(words)

    def _fail(self, packet: Packet, why: str) -> None:
        if packet.transaction:
            self._loop.call_soon(self.sink.send_failed, packet.transaction, why)


class _Refused(asyncio.Protocol):
    """A connection that nobody can serve."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
