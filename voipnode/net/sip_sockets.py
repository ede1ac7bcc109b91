"""Every SIP socket of the node: one wire for the engine's packets, whatever their transport."""

from __future__ import annotations

import asyncio
import errno
import logging

from voipnode.net.local_address import LocalAddresses
from voipnode.net.resolver import Resolver, literal_family
from voipnode.net.tcp import SipTcp, TcpLimits
from voipnode.net.udp import Sink, SipUdp
from voipnode.sipstack.transport import Address, Hop, Packet

log = logging.getLogger(__name__)

PORT_TRIES = 20


class SipSockets:
    """SIP over UDP and TCP on the same port of one IPv4 and/or one IPv6 address.

    `hosts` are literals ("0.0.0.0", "::", "192.0.2.5"), at most one per family; "::" means IPv6 alone. Port 0 takes any
    port that is free for both transports. Make it, give `local_address` to the engine, make the driver, then `open`.
    `resolver` looks names up for all of them, and is closed with them.
    Raises ValueError for bad `hosts`.
    """

    def __init__(
        self,
        hosts: tuple[str, ...],
        port: int = 5060,
        limits: TcpLimits | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        families = [literal_family(host) for host in hosts]
        if not hosts or None in families or len(set(families)) != len(families):
            raise ValueError(f"hosts {hosts!r}: one IPv4 and/or one IPv6 address are needed, no names")
        bound = {family: host for family, host in zip(families, hosts, strict=True) if family is not None}
        self._loop = asyncio.get_running_loop()
        self._hosts = hosts
        self._limits = limits or TcpLimits()
        self.port = port
        self.resolver = resolver or Resolver(bound)
        self._addresses = LocalAddresses(bound, self.resolver.known, self._loop.time)
        self._sink: Sink | None = None
        self._udp: SipUdp | None = None
        self._tcp: SipTcp | None = None

    async def open(self, sink: Sink) -> None:
        """Bind and listen; input goes to `sink` from now on. Raises OSError, with nothing left open."""
        self._sink = sink
        for attempt in range(PORT_TRIES):
            udp = SipUdp(self._hosts, self.port, self.resolver, sink)
            tcp = SipTcp(self.resolver, sink, self._limits)
            try:
                await tcp.open(self._hosts, udp.port)
            except OSError as error:
                udp.close()
                await tcp.close()
                # A port of the system's choice may be taken for TCP: try another one.
                if self.port or error.errno != errno.EADDRINUSE or attempt == PORT_TRIES - 1:
                    raise
                continue
            self._udp, self._tcp, self.port = udp, tcp, udp.port
            log.info("SIP on %s, UDP and TCP", ", ".join(str(Address(host, self.port)) for host in self._hosts))
            return

    def send(self, packet: Packet) -> None:
        """Send one message; never raises. A failure is told to the sink by `packet.transaction`, in a later turn."""
        if self._udp is not None and packet.hop.transport == "UDP":
            self._udp.send(packet)
        elif self._tcp is not None and packet.hop.transport == "TCP":
            self._tcp.send(packet)
        else:
            log.warning("no %s socket for a packet to %s", packet.hop.transport, packet.hop.remote)
            if self._sink is not None and packet.transaction:
                self._loop.call_soon(self._sink.send_failed, packet.transaction)

    def close_connection(self, hop: Hop) -> None:
        """Close a stream connection that the engine can make nothing of."""
        if self._tcp is not None:
            self._tcp.close_connection(hop)

    def local_address(self, hop: Hop) -> Address:
        """The address and listening port that the peer at `hop` sees us at."""
        return Address(self._addresses.towards(hop.remote.host), self.port)

    async def close(self) -> None:
        """Close every socket; may be called twice."""
        udp, self._udp = self._udp, None
        tcp, self._tcp = self._tcp, None
        if udp is not None:
            udp.close()
        if tcp is not None:
            await tcp.close()
        await self.resolver.close()
