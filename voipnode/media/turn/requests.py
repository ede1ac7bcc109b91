"""STUN requests of a client that wait for their answers (RFC 8489 §6.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from voipnode.media.stun.message import TRANSACTION_ID_BYTES
from voipnode.media.turn.values import Tokens

RTO_S = 0.5  # §6.2.1: at least, whatever a round trip was measured to be
MAX_SENT = 7  # Rc
MAX_OPEN = 64  # on one way at a time; more is a mistake of ours

P = TypeVar("P")


@dataclass(slots=True)
class _Open(Generic[P]):
    purpose: P
    data: bytes
    give_up_at: float
    next_at: float | None  # of the next repetition
    rto_s: float = RTO_S
    sent: int = 1


@dataclass(slots=True)
class Requests(Generic[P]):
    """The open requests of one way to a server, each with its purpose.

    `reliable`: over a stream, where nothing is repeated (§6.2.2). `send` is given each datagram.
    """

    tokens: Tokens
    send: Callable[[bytes], None]
    reliable: bool = False
    _open: dict[bytes, _Open[P]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    def ask(self, purpose: P, build: Callable[[bytes], bytes], now: float, patience_s: float) -> None:
        """Send what `build` makes of a new transaction id, again at 0.5, 1.5, 3.5 s ... until `patience_s` is over."""
        if len(self._open) >= MAX_OPEN:
            self._open.pop(next(iter(self._open)))
        token = self.tokens(8 * TRANSACTION_ID_BYTES).to_bytes(TRANSACTION_ID_BYTES, "big")
        data = build(token)
        self._open[token] = _Open(purpose, data, now + patience_s, None if self.reliable else now + RTO_S)
        self.send(data)

    def waits_for(self, transaction_id: bytes) -> bool:
        return transaction_id in self._open

    def purpose_of(self, transaction_id: bytes) -> P | None:
        """What a request was for, while it waits."""
        found = self._open.get(transaction_id)
        return None if found is None else found.purpose

    def done(self, transaction_id: bytes) -> None:
        """Its answer came."""
        self._open.pop(transaction_id, None)

    def forget(self) -> None:
        """Wait for no answer any more."""
        self._open.clear()

    def next_deadline(self) -> float | None:
        times = [min(wait.give_up_at, wait.next_at or wait.give_up_at) for wait in self._open.values()]
        return min(times, default=None)

    def on_deadline(self, now: float) -> list[P]:
        """Repeat what is due; the purposes of requests that stayed without an answer."""
        silent: list[P] = []
        for token, wait in list(self._open.items()):
            if now >= wait.give_up_at:
                del self._open[token]
                silent.append(wait.purpose)
            elif wait.next_at is not None and now >= wait.next_at:
                self._repeat(wait, now)
        return silent

    def _repeat(self, wait: _Open[P], now: float) -> None:
        self.send(wait.data)
        wait.sent += 1
        wait.rto_s *= 2
        wait.next_at = wait.next_at + wait.rto_s if wait.next_at is not None and wait.sent < MAX_SENT else None
