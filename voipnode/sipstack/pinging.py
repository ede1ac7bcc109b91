"""Keep-alives that ask for an answer, and so tell when a flow has failed (RFC 5626 §4.4, RFC 7118 §6).

Over a connection two line ends are the ping and one is the pong, due within 10 s. Over UDP it is a STUN Binding
request, repeated like one; only a server that says that it takes them may be sent any (§8).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from hashlib import blake2b

from voipnode.sipstack.core import PING_DUE, Core
from voipnode.sipstack.events import PingFinished
from voipnode.sipstack.stun import TRANSACTION_ID_BYTES, Kind, Message, binding_request, binding_success, parse
from voipnode.sipstack.transport import Address, Hop, Packet

PING = b"\r\n\r\n"
PONG = b"\r\n"

PONG_WITHIN_S = 10.0  # RFC 5626 §4.4.1
RTO_S = 0.5  # RFC 5389 §7.2.1: first interval, doubled after each request; ...
REQUESTS = 7  # ... how many of them; ...
LAST_WAIT = 16  # ... and how many of the first intervals the last one is given
STUN_WITHIN_S = RTO_S * (2 ** (REQUESTS - 1) - 1 + LAST_WAIT)  # 39.5
MAX_PEERS = 256  # of so many it is remembered how they see us


@dataclass(slots=True)
class _Ping:
    hop: Hop
    ends_at: float
    transaction_id: bytes = b""
    sent: int = 1
    interval_s: float = RTO_S


class Pinging:
    """Sends pings and hears their answers; answers those of others that the gate lets through."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._pings: dict[str, _Ping] = {}
        self._seen_at: dict[Address, Address] = {}  # by peer, the one asked longest ago first
        core.due[PING_DUE] = self._due

    def __len__(self) -> int:
        """How many pings wait for their answer."""
        return len(self._pings)

    def ping(self, hop: Hop, now: float, within_s: float | None = None) -> str:
        token = self._core.number()
        if hop.reliable:
            ends_at = now + min(PONG_WITHIN_S, within_s or PONG_WITHIN_S)
            self._pings[token] = _Ping(hop, ends_at)
            self._core.transmit(Packet(PING, hop, token))
            self._core.deadlines.set((PING_DUE, token), ends_at)
        else:
            entropy = self._core.entropy.cnonce().encode()
            ends_at = now + min(STUN_WITHIN_S, within_s or STUN_WITHIN_S)
            ping = _Ping(hop, ends_at, blake2b(entropy, digest_size=TRANSACTION_ID_BYTES).digest())
            self._pings[token] = ping
            self._core.transmit(Packet(binding_request(ping.transaction_id), hop, token))
            self._core.deadlines.set((PING_DUE, token), min(ends_at, now + ping.interval_s))
        return token

    # ---- what comes

    def pong(self, source: Hop) -> bool:
        """A line end by itself came over a connection; False where no ping waits for one there."""
        answered = [token for token, ping in self._pings.items() if ping.hop.reliable and _is_at(ping.hop, source)]
        for token in answered:
            self._finish(token)
        return bool(answered)

    def heard_stun(self, data: bytes, source: Hop, now: float) -> None:
        """A STUN message came: an answer of ours, or a request that is worth one."""
        message = parse(data)
        if message is None:
            return
        if message.kind is Kind.REQUEST:
            # An answer is longer than its request by 12 bytes, so it is for those whom we answer anyway.
            if self._core.gate.answers(source, now):
                self._core.transmit(Packet(binding_success(message.transaction_id, source.remote), source))
            return
        for token, ping in list(self._pings.items()):
            if ping.transaction_id == message.transaction_id and ping.hop.same_place(source):
                self._answered(token, ping, message)

    def closed(self, source: Hop) -> None:
        """A connection is gone, and the pings over it with it."""
        for token, ping in list(self._pings.items()):
            if ping.hop.reliable and _is_at(ping.hop, source):
                self._finish(token, "the connection was closed")

    def send_failed(self, token: str, why: str) -> None:
        """The network refused a ping."""
        if token in self._pings:
            self._finish(token, why or "nothing could be sent there")

    # ---- inside

    def _due(self, token: Hashable, now: float) -> None:
        ping = self._pings[str(token)]
        if now >= ping.ends_at:
            self._finish(str(token), "no answer")
            return
        ping.sent += 1
        ping.interval_s *= 2
        self._core.transmit(Packet(binding_request(ping.transaction_id), ping.hop, str(token)))
        next_at = now + ping.interval_s if ping.sent < REQUESTS else ping.ends_at
        self._core.deadlines.set((PING_DUE, token), min(next_at, ping.ends_at))

    def _answered(self, token: str, ping: _Ping, message: Message) -> None:
        if message.kind is Kind.ERROR:
            self._finish(token, "an error response")
            return
        before, peer = self._seen_at.get(ping.hop.remote), ping.hop.remote
        if message.mapped is not None:
            self._seen_at.pop(peer, None)
            if len(self._seen_at) >= MAX_PEERS:
                self._seen_at.pop(next(iter(self._seen_at)))
            self._seen_at[peer] = message.mapped
        # Another address is another way through the NAT: what was registered leads nowhere (RFC 5626 §4.4.2).
        moved = before is not None and message.mapped is not None and before != message.mapped
        self._finish(token, f"we are seen at {message.mapped} and no longer at {before}" if moved else "")

    def _finish(self, token: str, why: str = "") -> None:
        ping = self._pings.pop(token)
        self._core.deadlines.cancel((PING_DUE, token))
        self._core.tell(PingFinished(token, ping.hop, not why, why))


def _is_at(hop: Hop, source: Hop) -> bool:
    """Whether a hop leads over this connection: by its number where it names one, else by where it leads."""
    return hop.connection == source.connection if hop.connection is not None else hop.same_place(source)
