"""Every SIP socket of the node: one wire for the engine's packets, whatever their transport."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass

from voipnode.net.connection import ConnectionLimits
from voipnode.net.local_address import LocalAddresses
from voipnode.net.resolver import Resolver, literal_family
from voipnode.net.stream_layers import StreamLayers
from voipnode.net.streams import SipStreams
from voipnode.net.udp import Sink, SipUdp
from voipnode.sipstack.transport import Address, Hop, Packet

log = logging.getLogger(__name__)

PORT_TRIES = 20


class ListenError(OSError):
    """A port cannot be listened on; `transport` is whose it is, TCP for the one that UDP and TCP share."""

    def __init__(self, error: OSError, transport: str, port: int) -> None:
        super().__init__(error.errno, error.strerror)
        self.transport = transport
        self.port = port


@dataclass(frozen=True, slots=True, kw_only=True)
class MorePorts:
    """Where to listen beside UDP and TCP; None: not at all, 0: on any free port."""

    tls: int | None = None
    ws: int | None = None
    wss: int | None = None

    def wanted(self) -> dict[str, int]:
        """The ports by transport."""
        ports = {"TLS": self.tls, "WS": self.ws, "WSS": self.wss}
        return {transport: port for transport, port in ports.items() if port is not None}


class SipSockets:
    """SIP over UDP and TCP on the same port of one IPv4 and/or one IPv6 address, and over TLS and WebSocket on others.

    `hosts` are literals ("0.0.0.0", "::", "192.0.2.5"), at most one per family; "::" means IPv6 alone. Port 0 takes any
    port that is free for both transports. Connections are opened by every transport, listened to or not. Make it, give
    `local_address` to the engine, make the driver, then `open`.
    `resolver` looks names up for all of them, and is closed with them. `dscp` marks every packet (RFC 2474).
    Raises ValueError for bad `hosts`.
    """

    def __init__(
        self,
        hosts: tuple[str, ...],
        port: int = 5060,
        limits: ConnectionLimits | None = None,
        resolver: Resolver | None = None,
        *,
        more: MorePorts | None = None,
        layers: StreamLayers | None = None,
        dscp: int = 0,
    ) -> None:
        families = [literal_family(host) for host in hosts]
        if not hosts or None in families or len(set(families)) != len(families):
            raise ValueError(f"hosts {hosts!r}: one IPv4 and/or one IPv6 address are needed, no names")
        bound = {family: host for family, host in zip(families, hosts, strict=True) if family is not None}
        self._loop = asyncio.get_running_loop()
        self._hosts = hosts
        self._limits = limits or ConnectionLimits()
        self._layers = layers or StreamLayers()
        self._dscp = dscp
        self._more = (more or MorePorts()).wanted()
        self.port = port
        self.ports: dict[str, int] = {"UDP": port, "TCP": port, **self._more}
        self.resolver = resolver or Resolver(bound)
        self._addresses = LocalAddresses(bound, self.resolver.known, self._loop.time)
        self.is_stranger: Callable[[str], bool] = lambda host: False  # of whom nothing is expected; before `open`
        self._sink: Sink | None = None
        self._udp: SipUdp | None = None
        self._streams: SipStreams | None = None

    async def open(self, sink: Sink) -> None:
        """Bind and listen; input goes to `sink` from now on.

        Raises ListenError, and TlsError for certificates that cannot be used, with nothing left open.
        """
        self._layers.check()
        self._sink = sink
        for attempt in range(PORT_TRIES):
            udp, streams = await self._bind_shared_port(sink, last=attempt == PORT_TRIES - 1)
            if udp is not None:
                break
        assert udp is not None
        for transport, port in self._more.items():
            try:
                self.ports[transport] = await streams.open(self._hosts, port, transport)
            except OSError as error:
                udp.close()
                await streams.close()
                raise ListenError(error, transport, port) from error
        self._udp, self._streams, self.port = udp, streams, udp.port
        self.ports["UDP"] = self.ports["TCP"] = udp.port
        spoken = ", ".join(f"{transport} {port}" for transport, port in self.ports.items())
        log.info("SIP on %s: %s", " and ".join(self._hosts), spoken)

    async def _bind_shared_port(self, sink: Sink, *, last: bool) -> tuple[SipUdp | None, SipStreams]:
        """UDP and TCP on one port; None where a port of the system's choice was taken for TCP, and another may do."""
        streams = SipStreams(self.resolver, sink, self._limits, self._layers, self._dscp)
        streams.is_stranger = self.is_stranger
        try:
            udp = SipUdp(self._hosts, self.port, self.resolver, sink, self._dscp)
        except OSError as error:
            await streams.close()
            raise ListenError(error, "UDP", self.port) from error
        try:
            await streams.open(self._hosts, udp.port)
        except OSError as error:
            udp.close()
            await streams.close()
            if self.port or error.errno != errno.EADDRINUSE or last:
                raise ListenError(error, "TCP", udp.port) from error
            return None, streams
        return udp, streams

    def send(self, packet: Packet) -> None:
        """Send one message; never raises. A failure is told to the sink by `packet.transaction`, in a later turn."""
        transport = packet.hop.transport
        if self._udp is not None and transport == "UDP":
            self._udp.send(packet)
        elif self._streams is not None and transport in ("TCP", "TLS", "WS", "WSS"):
            self._streams.send(packet)
        else:
            log.warning("no %s socket for a packet to %s", transport, packet.hop.remote)
            if self._sink is not None and packet.transaction:
                self._loop.call_soon(self._sink.send_failed, packet.transaction, f"{transport} is not spoken here")

    def close_connection(self, hop: Hop) -> None:
        """Close a stream connection that the engine can make nothing of."""
        if self._streams is not None:
            self._streams.close_connection(hop)

    def reload(self) -> None:
        """Read certificates and keys again, for the connections to come. Raises TlsError; the old ones serve on."""
        self._layers.reload()

    def local_address(self, hop: Hop) -> Address:
        """The address and listening port that the peer at `hop` sees us at.

        Port 0 where it can reach us over our own connection alone: a WebSocket that we open (RFC 7118 §B.1), or a
        transport that is not listened to.
        """
        return Address(self._addresses.towards(hop.remote.host), self._port_for(hop))

    def _port_for(self, hop: Hop) -> int:
        if hop.transport in ("WS", "WSS"):
            ours = (
                self._streams is not None and hop.connection is not None and self._streams.opened_here(hop.connection)
            )
            if hop.connection is None or ours:
                return 0
        return self.ports.get(hop.transport, 0)

    async def close(self) -> None:
        """Close every socket; may be called twice."""
        udp, self._udp = self._udp, None
        streams, self._streams = self._streams, None
        if udp is not None:
            udp.close()
        if streams is not None:
            await streams.close()
        await self.resolver.close()
