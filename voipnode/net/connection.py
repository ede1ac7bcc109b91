"""One stream connection: bytes, through its layers, to whole pieces of SIP, within limits of size and time."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

from voipnode.net.layers import Layer, StreamFailure
from voipnode.net.qos import mark
from voipnode.net.web_socket import WebSocketLayer
from voipnode.sipstack.transport import Address, Hop

log = logging.getLogger(__name__)

T = TypeVar("T")
MAX_UNANSWERED = 64  # transactions remembered until a new connection has proven itself by an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What a peer may cost us. `max_incoming` and `per_host` count connections that others, that one address, opened to
    us: the rest of `max_connections` is for our own, so that nobody keeps the door from calling out. `max_strangers`
    are those from hosts that we expect nothing of, so that these keep nobody else from calling in."""

    max_connections: int = 200
    max_incoming: int = 150
    per_host: int = 50
    max_strangers: int = 30
    connect_timeout_s: float = 5.0  # with the handshakes of TLS and WebSocket
    handshake_timeout_s: float = 8.0  # of connections that others open
    first_bytes_timeout_s: float = 32.0  # a connection that never says anything
    idle_timeout_s: float = 600.0  # longer than any keep-alive interval (RFC 5626 §4.4.1: 120 s)
    ping_after_s: float = 60.0  # WebSocket: browsers send no keep-alive by themselves (RFC 7118 §6)
    stall_timeout_s: float = 32.0  # a peer that does not read, as long as a transaction lives
    max_write_buffer: int = 256 * 1024
    max_waiting_packets: int = 64  # while a connection is being opened


class Owner(Protocol):
    """The table that a connection belongs to."""

    limits: ConnectionLimits
    dscp: int

    def admit(self, connection: Connection) -> int | None: ...

    def opened(self, connection: Connection) -> None: ...

    def received(self, data: bytes, source: Hop) -> None: ...

    def broken(self, connection: Connection) -> None: ...

    def failed(self, transactions: list[str], why: str) -> None: ...

    def forget(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """Hands pieces to its owner as they come, closes itself when the peer breaks a rule or does not read.

    `target` is the hop that we opened it for; None where the peer opened it. `outcome` is "" once it is open, or says
    why it never will be.
    """

    def __init__(self, owner: Owner, transport: str, layers: list[Layer], target: Hop | None = None) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._layers = layers
        self._patience: asyncio.TimerHandle | None = None
        self._heard = False
        self._stalled_at: float | None = None
        self._unanswered: list[str] = []
        self.incoming = target is None
        self.target = target or Hop(transport, Address("", 0))
        self.hop = self.target
        self.number = 0
        self.is_open = False
        self.failure: StreamFailure | None = None
        self.active_at = self._loop.time()
        self.pinged_at = self.active_at
        self.outcome: asyncio.Future[str] = self._loop.create_future()
        self.lost: asyncio.Future[None] = self._loop.create_future()

    @property
    def remote(self) -> Address:
        return self.hop.remote

    # What the loop tells

    def connection_made(self, base: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", base)  # uvloop's is one in all but its class
        self._transport = transport
        peer = transport.get_extra_info("peername") or ("", 0)  # already gone again
        target = self.target
        self.hop = Hop(target.transport, Address(str(peer[0]), int(peer[1])), None, target.domain, target.profile)
        number = self._owner.admit(self)
        if number is None:
            self._fail(StreamFailure("too many connections are open"))
            transport.abort()
            return
        self.number = number
        self.hop = Hop(target.transport, self.remote, number, target.domain, target.profile)
        self._watch_over(transport.get_extra_info("socket"))
        transport.set_write_buffer_limits(high=self._owner.limits.max_write_buffer // 4)
        if self.incoming and self._layers:
            self._patience = self._loop.call_later(self._owner.limits.handshake_timeout_s, self._too_slow)
        self._guarded(self._begin, 0)

    def _watch_over(self, sock: socket.socket) -> None:
        """Mark what is sent, and have the system notice a peer that is gone without a word, sooner than by itself."""
        mark(sock, self._owner.dscp)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux (tcp(7), RFC 5482)
            timeout_ms = int(self._owner.limits.stall_timeout_s * 1000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)

    def data_received(self, data: bytes) -> None:
        if self.number and self.failure is None:
            self._guarded(self._take_in, bytes(data))

    def eof_received(self) -> bool:
        return False  # the peer has no more to say: SIP has no half-open connections, close ours too

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        if not self.is_open:
            self._fail(StreamFailure(self._closed_words()))
        if self._unanswered and self.failure is not None:
            self._owner.failed(self._unanswered, self.failure.words)
        if not self.lost.done():
            self.lost.set_result(None)
        if self.number:
            self._owner.forget(self)

    def pause_writing(self) -> None:
        self._stalled_at = self._loop.time()

    def resume_writing(self) -> None:
        self._stalled_at = None

    # What the owner asks

    @property
    def unsent_bytes(self) -> int:
        """What was written and the network has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def write(self, data: bytes, transaction: str = "") -> bool:
        """Write, unless the connection is closing or the peer has left too much unread: then it is closed."""
        transport = self._transport
        if transport is None or transport.is_closing() or not self.is_open:
            return False
        if transport.get_write_buffer_size() + len(data) > self._owner.limits.max_write_buffer:
            log.info("connection %d with %s is closed: the peer does not read", self.number, self.remote)
            transport.abort()
            return False
        if not self._heard and transaction and not self.incoming and len(self._unanswered) < MAX_UNANSWERED:
            self._unanswered.append(transaction)
        self.active_at = self._loop.time()
        self._guarded(self._flush, data)
        return self.failure is None

    def overdue(self, now: float, limits: ConnectionLimits) -> str:
        """Why the connection should be closed now; empty when it should not."""
        if self._stalled_at is not None and now - self._stalled_at > limits.stall_timeout_s:
            return "the peer does not read"
        if self.incoming and not self._heard and now - self.active_at > limits.first_bytes_timeout_s:
            return "it never said anything"
        if now - self.active_at > limits.idle_timeout_s:
            return "it was idle"
        return ""

    def keep_alive(self, now: float, limits: ConnectionLimits) -> None:
        """Ping a WebSocket that was silent for a while: the answer counts as a sign of life."""
        last = max(self.active_at, self.pinged_at)
        if self._layers and self.is_open and now - last > limits.ping_after_s:
            layer = self._layers[-1]
            if isinstance(layer, WebSocketLayer):
                self.pinged_at = now
                layer.ping()
                self._guarded(self._flush, b"")

    def close(self) -> None:
        """Say goodbye in every layer, from the top, and close after what was written."""
        if self._transport is None or self._transport.is_closing():
            return
        for layer in reversed(self._layers):
            layer.end()
            self._guarded(self._flush, b"")
        self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # Up and down the layers

    def _guarded(self, act: Callable[[T], None], argument: T) -> None:
        """Carry out a step; where a layer can go no further, its last words are sent and the connection is closed."""
        try:
            act(argument)
        except StreamFailure as failure:
            self._fail(failure)
            self._last_words()

    def _begin(self, index: int) -> None:
        """Begin the layers from `index` on, as far as they are ready; above the last one the connection is open."""
        for layer in self._layers[index:]:
            layer.begin()
            self._flush(b"")
            if not layer.ready:
                return
        if not self.is_open:
            self.is_open = True
            if self._patience is not None:
                self._patience.cancel()
            self._owner.opened(self)
            if not self.outcome.done():
                self.outcome.set_result("")

    def _take_in(self, data: bytes) -> None:
        pieces = [data]
        for index, layer in enumerate(self._layers):
            was_ready = layer.ready
            pieces = [result for piece in pieces for result in layer.receive(piece)]
            self._flush(b"")
            if layer.ready and not was_ready:
                self._begin(index + 1)
        if not self._layers or pieces or self._heard:
            self._alive()
        for piece in pieces:
            if self.failure is None:
                self._owner.received(piece, self.hop)
        if any(layer.ended for layer in self._layers):
            self.close()

    def _alive(self) -> None:
        self.active_at = self._loop.time()
        if not self._heard:
            self._heard = True
            self._unanswered.clear()

    def _flush(self, data: bytes) -> None:
        """Send `data` from above, and whatever the layers have to say, down to the socket."""
        for layer in reversed(self._layers):
            if data:
                layer.send(data)
            data = layer.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    def _last_words(self) -> None:
        """What a failed layer has to say to the peer (an alert, an HTTP error), then close."""
        if self._transport is None:
            return
        try:
            self._flush(b"")
        except StreamFailure:
            log.debug("connection %d with %s: nothing can be said any more", self.number, self.remote)
        self._transport.close()

    def _too_slow(self) -> None:
        self._fail(StreamFailure("the peer did not finish the handshake in time"))
        self.abort()

    def _closed_words(self) -> str:
        waiting = next((layer for layer in self._layers if not layer.ready), None)
        if waiting is None:
            return "the peer closed the connection"
        return (
            f"the peer closed the connection during the {waiting.name} handshake;"
            f" does it speak {waiting.name} on that port?"
        )

    def _fail(self, failure: StreamFailure) -> None:
        if self.failure is not None:
            return
        self.failure = failure
        self._owner.broken(self)
        if not self.outcome.done():
            self.outcome.set_result(failure.words)
