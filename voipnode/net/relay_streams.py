"""Connections to TURN servers by TCP and TLS: numbered, each with one relay behind it (RFC 8656 §3.1)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from voipnode.media.turn.values import Server
from voipnode.net.connection import Connection, ConnectionLimits
from voipnode.net.layers import StreamFailure
from voipnode.net.stream_layers import StreamLayers
from voipnode.net.tls import TlsError
from voipnode.net.tls_probe import certificate_of
from voipnode.net.tls_words import certificate_words
from voipnode.sipstack.transport import Address, Hop

log = logging.getLogger(__name__)

MAX_WAITING = 32  # messages to a server whose connection is being opened
MAX_UNSENT_BYTES = 8 * 1024  # of sound, a second: what waits longer is too late to be heard
LIMITS = ConnectionLimits(connect_timeout_s=5.0, stall_timeout_s=8.0, max_write_buffer=64 * 1024)

OnData = Callable[[bytes], None]
OnClosed = Callable[[str], None]


@dataclass(slots=True)
class _Stream:
    """One connection, open or being opened; and whom to tell what comes."""

    server: Server
    on_data: OnData
    on_closed: OnClosed
    connection: Connection | None = None
    waiting: list[bytes] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class RelayStreams:
    """All connections to TURN servers. `layers` has the TLS settings, by the profile that a server names."""

    limits = LIMITS

    def __init__(self, layers: StreamLayers | None = None, *, dscp: int = 0, max_connections: int = 512) -> None:
        self._loop = asyncio.get_running_loop()
        self._layers = layers or StreamLayers()
        self._max = max_connections
        self._streams: dict[int, _Stream] = {}
        self._number = 0
        self.dscp = dscp
        self.dropped = 0  # packets that the network did not take in time

    def __len__(self) -> int:
        return len(self._streams)

    def open(self, server: Server, on_data: OnData, on_closed: OnClosed) -> int:
        """Begin to connect; the number of the connection. `on_closed` says why, once it is gone or never came about."""
        self._number += 1
        number = self._number
        stream = self._streams[number] = _Stream(server, on_data, on_closed)
        stream.task = self._loop.create_task(self._open(number, stream))
        return number

    def send(self, number: int, data: bytes) -> bool:
        """Send, or keep until the connection is open; False where it is gone. Sound that would be late is dropped."""
        stream = self._streams.get(number)
        if stream is None:
            return False
        if stream.connection is None:
            if len(stream.waiting) >= MAX_WAITING:
                self.dropped += 1
                return False
            stream.waiting.append(data)
            return True
        if data[0] >= 64 and stream.connection.unsent_bytes > MAX_UNSENT_BYTES:  # ChannelData (RFC 7983)
            self.dropped += 1
            return False
        return stream.connection.write(data)

    def close(self, number: int) -> None:
        """Close a connection after what was written; nobody is told."""
        stream = self._streams.pop(number, None)
        if stream is None:
            return
        if stream.connection is not None:
            stream.connection.close()
        elif stream.task is not None:
            stream.task.cancel()

    async def close_all(self) -> None:
        """Close everything, after what was written."""
        tasks = [stream.task for stream in self._streams.values() if stream.task is not None]
        for number in list(self._streams):
            self.close(number)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self, number: int, stream: _Stream) -> None:
        server = stream.server
        why = f"cannot be reached: no answer within {LIMITS.connect_timeout_s:g} s"
        try:
            async with asyncio.timeout(LIMITS.connect_timeout_s):
                stream.connection = await self._connect(number, server)
        except TimeoutError:
            pass
        except StreamFailure as failure:
            why = f"cannot be used: {failure.words}"
        if stream.connection is None:
            if self._streams.pop(number, None) is not None:
                stream.on_closed(why)
            return
        for data in stream.waiting:
            stream.connection.write(data)
        stream.waiting.clear()

    async def _connect(self, number: int, server: Server) -> Connection:
        host, port = server.address
        hop = Hop(server.transport, Address(host, port), number, server.name or host, server.profile)
        try:
            connection = Connection(self, server.transport, self._layers.outgoing(hop), hop)
        except TlsError as error:
            raise StreamFailure(f"{error.field}: {error}") from error
        try:
            await self._loop.create_connection(lambda: connection, host, port)
            words = await connection.outcome
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)
            raise StreamFailure("nobody listens there" if refused else error.strerror or str(error)) from error
        except BaseException:  # cancelled by the time limit: the attempt must not come true later
            connection.abort()
            raise
        if not words:
            return connection
        failure = connection.failure
        if failure is not None and failure.verify_code:
            certificate = await certificate_of(self._layers.probe(hop), host, port, None)
            words = certificate_words(failure.verify_code, str(failure), certificate)
        raise StreamFailure(words)

    # What connections tell

    def admit(self, connection: Connection) -> int | None:
        """The number of a connection that has just been made."""
        number = connection.target.connection
        return number if number in self._streams and len(self._streams) <= self._max else None

    def opened(self, connection: Connection) -> None:
        """The connection is ready; `_open` sends what has waited."""

    def received(self, data: bytes, source: Hop) -> None:
        """Bytes of the server."""
        stream = self._streams.get(source.connection or 0)
        if stream is not None:
            stream.on_data(data)

    def broken(self, connection: Connection) -> None:
        """A layer failed; whoever waits for the connection, or hears of its end, says so."""

    def failed(self, transactions: list[str], why: str) -> None:
        """Nothing here has SIP transactions."""

    def forget(self, connection: Connection) -> None:
        """The connection is lost."""
        stream = self._streams.get(connection.number)
        if stream is not None and stream.connection is connection:
            del self._streams[connection.number]
            failure = connection.failure
            stream.on_closed("has closed the connection" if failure is None else f"failed: {failure.words}")
