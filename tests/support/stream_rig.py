"""Stream tables on loopback with their recorders, and what a test does with them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.net_recorder import Recorder
from voipnode.net.connection import ConnectionLimits
from voipnode.net.resolver import Resolver
from voipnode.net.stream_layers import StreamLayers
from voipnode.net.streams import SipStreams
from voipnode.net.tls import TlsProfile
from voipnode.net.web_socket import Origins
from voipnode.sipstack.transport import Address, Hop, Packet


class Side:
    """One end: its table, what it was told, and the port it listens on."""

    def __init__(self, streams: SipStreams, sink: Recorder, layers: StreamLayers, port: int) -> None:
        self.streams = streams
        self.sink = sink
        self.layers = layers
        self.port = port

    async def fails_to_send(self, hop: Hop) -> str:
        """Why a packet over `hop` fails."""
        before = len(self.sink.failed)
        self.streams.send(Packet(b"OPTIONS", hop, "t"))
        await self.sink.until(lambda: len(self.sink.failed) > before)
        return self.sink.why[-1]

    async def reaches(self, other: Side, hop: Hop, data: bytes = b"OPTIONS") -> Hop:
        """Send `data` over `hop`, which leads to `other`; where it came from, seen there."""
        before = len(other.sink.received)
        self.streams.send(Packet(data, hop, "t"))
        await other.sink.until(lambda: len(other.sink.received) > before or bool(self.sink.failed))
        assert self.sink.why == []
        assert other.sink.received[-1][0] == data
        return other.sink.received[-1][1]


@contextlib.asynccontextmanager
async def side(
    transport: str = "TLS",
    *,
    server: TlsProfile | None = None,
    client: TlsProfile | None = None,
    profiles: dict[str, TlsProfile] | None = None,
    origins: Origins | None = None,
    limits: ConnectionLimits | None = None,
    host: str = "127.0.0.1",
    paths: dict[str, str] | None = None,
) -> AsyncIterator[Side]:
    """A table that listens for `transport` where it has a certificate for that, or needs none."""
    sink = Recorder()
    layers = StreamLayers({"": client or TlsProfile(), **(profiles or {})}, server, origins, paths)
    streams = SipStreams(Resolver(), sink, limits or ConnectionLimits(), layers)
    streams.connect_from((host,))
    port = 0
    if server is not None or transport in ("TCP", "WS"):
        port = await streams.open((host,), 0, transport)
    try:
        yield Side(streams, sink, layers, port)
    finally:
        await streams.close()


def hop(
    port: int,
    domain: str = "localhost",
    transport: str = "TLS",
    *,
    host: str = "127.0.0.1",
    profile: str = "",
    connection: int | None = None,
) -> Hop:
    return Hop(transport, Address(host, port), connection, domain, profile)


def serving(certificate: Path, **more: object) -> TlsProfile:
    """A server's profile with this certificate."""
    return TlsProfile(certificate=certificate, **more)  # type: ignore[arg-type]  # a test names the fields it wants
