"""SIP over UDP: one socket per address family, and who is told when the network says that nobody is there."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from voipnode.net.datagram import DatagramSocket, SockAddr, open_datagram_socket
from voipnode.net.resolver import Resolver, literal_family
from voipnode.sipstack.transport import Address, Hop, Packet

RECEIVE_BUFFER_BYTES = 4 << 20  # bursts of calls overflow the system's default
MAX_HOPS = 4096  # remembered as values, so that a datagram makes none anew
MAX_REMOTES = 512  # for which transactions are remembered
MAX_TRANSACTIONS = 16  # remembered per remote
MEMORY_S = 64.0  # an INVITE may wait 32 s for its answer, and Timer D keeps its transaction as long again
MAX_WAITING = 64  # packets that wait for a name to be looked up


class Sink(Protocol):
    """Where input goes: the engine's driver."""

    def receive(self, data: bytes, source: Hop) -> None: ...

    def connection_closed(self, source: Hop) -> None: ...

    def send_failed(self, transaction: str, why: str = "") -> None: ...


class SipUdp:
    """UDP sockets bound to `hosts` (at most one per address family) on one port; port 0 takes any free one.

    Raises OSError when a socket cannot be bound. Failures reach the sink in a later turn of the loop.
    """

    def __init__(self, hosts: tuple[str, ...], port: int, resolver: Resolver, sink: Sink, dscp: int = 0) -> None:
        self._loop = asyncio.get_running_loop()
        self._resolver = resolver
        self._sink = sink
        self._dscp = dscp
        self._sockets: dict[int, DatagramSocket] = {}
        self._hops: dict[SockAddr, Hop] = {}
        self._targets: dict[Address, tuple[DatagramSocket, SockAddr]] = {}
        self._scopes: dict[str, int] = {}  # of link-local peers: their address alone does not say which link
        self._recent: dict[tuple[str, int], dict[str, float]] = {}
        self._lookups: set[asyncio.Task[None]] = set()
        self.port = port
        try:
            for host in hosts:
                self._bind(host)
        except OSError:
            self.close()
            raise

    def _bind(self, host: str) -> None:
        sock = open_datagram_socket(host, self.port, receive_buffer=RECEIVE_BUFFER_BYTES, dscp=self._dscp)
        opened = DatagramSocket(sock, self._on_datagram, self._on_unreachable)
        self._sockets[opened.family] = opened
        self.port = int(opened.address[1])

    @property
    def dropped(self) -> int:
        """Datagrams not sent because a socket's buffer was full."""
        return sum(opened.dropped for opened in self._sockets.values())

    def send(self, packet: Packet) -> None:
        """Send now, or once the name is looked up; a failure tells the sink `packet.transaction`."""
        target = self._targets.get(packet.hop.remote) or self._target(packet.hop.remote)
        if target is not None:
            self._send_to(packet, *target)
        elif self._resolver.known(packet.hop.remote.host) is not None or len(self._lookups) >= MAX_WAITING:
            self._fail(packet.transaction, f'the name "{packet.hop.remote.host}" has no address that we can reach')
        else:
            task = self._loop.create_task(self._look_up_and_send(packet))
            self._lookups.add(task)
            task.add_done_callback(self._lookups.discard)

    def close(self) -> None:
        for task in self._lookups:
            task.cancel()
        for opened in self._sockets.values():
            opened.close()

    def _target(self, remote: Address) -> tuple[DatagramSocket, SockAddr] | None:
        """The socket and address for a literal or a name that is known; None otherwise."""
        literal = literal_family(remote.host) is not None
        for host in self._resolver.known(remote.host) or ():
            opened = self._sockets.get(literal_family(host) or socket.AF_INET)
            if opened is None:
                continue
            scope = self._scopes.get(host, 0)
            target = (opened, (host, remote.port, 0, scope) if scope else (host, remote.port))
            if literal:  # a name's address may change: the resolver remembers it for a while only
                if len(self._targets) >= MAX_HOPS:
                    self._targets.clear()
                self._targets[remote] = target
            return target
        return None

    async def _look_up_and_send(self, packet: Packet) -> None:
        await self._resolver.addresses(packet.hop.remote.host)
        target = self._target(packet.hop.remote)
        if target is None:
            self._fail(packet.transaction, f'the name "{packet.hop.remote.host}" cannot be resolved')
        else:
            self._send_to(packet, *target)

    def _send_to(self, packet: Packet, opened: DatagramSocket, to: SockAddr) -> None:
        if packet.transaction:
            self._remember(packet.transaction, to)
        if not opened.send(packet.data, to):
            self._fail(packet.transaction, f"the network refuses packets to {packet.hop.remote}")

    def _fail(self, transaction: str, why: str = "") -> None:
        if transaction:
            self._loop.call_soon(self._sink.send_failed, transaction, why)

    def _remember(self, transaction: str, to: SockAddr) -> None:
        key = (to[0], to[1])
        recent = self._recent.pop(key, None)
        if recent is None:
            recent = {}
            if len(self._recent) >= MAX_REMOTES:
                self._recent.pop(next(iter(self._recent)))
        self._recent[key] = recent  # last: the one in use longest ago is forgotten first
        recent.pop(transaction, None)
        if len(recent) >= MAX_TRANSACTIONS:
            recent.pop(next(iter(recent)))
        recent[transaction] = self._loop.time()

    def _on_unreachable(self, to: SockAddr) -> None:
        # RFC 3261 §18.4: the transport user is told; the engine ignores transactions that are over.
        since = self._loop.time() - MEMORY_S
        for transaction, sent_at in self._recent.pop((to[0], to[1]), {}).items():
            if sent_at >= since:
                self._fail(transaction, f"nobody listens at {Address(to[0], to[1])} (UDP)")

    def _on_datagram(self, data: bytes, source: SockAddr) -> None:
        hop = self._hops.get(source)
        if hop is None:
            hop = self._new_hop(source)
        self._sink.receive(data, hop)

    def _new_hop(self, source: SockAddr) -> Hop:
        if len(self._hops) >= MAX_HOPS:
            self._hops.clear()
        hop = Hop("UDP", Address(source[0], source[1]))
        self._hops[source] = hop
        if len(source) == 4 and source[3]:
            if len(self._scopes) >= MAX_HOPS:
                self._scopes.clear()
            self._scopes[source[0]] = source[3]
            self._targets.pop(hop.remote, None)
        return hop
