"""Looks at a server's certificate that was refused, so that it can be said what is wrong with it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

from voipnode.net.layers import StreamFailure
from voipnode.net.tls_identity import Certificate
from voipnode.net.tls_layer import TlsLayer

PROBE_TIMEOUT_S = 2.0


class _Probe(asyncio.Protocol):
    def __init__(self, layer: TlsLayer) -> None:
        self._layer = layer
        self._transport: asyncio.Transport | None = None
        self.seen: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._layer.begin()
        self._transport.write(self._layer.data_to_send())

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        try:
            self._layer.receive(data)
        except StreamFailure:
            self._transport.abort()
            return
        self._transport.write(self._layer.data_to_send())
        if self._layer.ready:
            self._tell(self._layer.certificate)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tell(None)

    def _tell(self, certificate: bytes | None) -> None:
        if not self.seen.done():
            self.seen.set_result(certificate)


async def certificate_of(layer: TlsLayer, host: str, port: int, local: tuple[str, int] | None) -> Certificate | None:
    """The certificate that a server shows, trusted or not; None where it cannot be had within 2 s.

    Nothing but a TLS handshake is sent.
    """
    probe = _Probe(layer)
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, ValueError, TimeoutError):
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            transport, _ = await loop.create_connection(lambda: probe, host, port, local_addr=local)
            try:
                der = await probe.seen
            finally:
                transport.abort()
            return None if der is None else Certificate(der)
    return None
