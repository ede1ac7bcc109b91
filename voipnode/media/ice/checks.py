"""Connectivity checks under way: Binding transactions with their repetitions (RFC 8445 §7.2, RFC 8489 §6.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.media.ice.pair import Pair

MAX_UNDER_WAY = 200  # transactions, cancelled ones among them


@dataclass(slots=True, eq=False)
class Check:
    """One transaction. `next_at`: when it is sent again; None: it only waits for an answer.

    `controlling` is the role that the request claimed, `nominates` whether it carried USE-CANDIDATE. A `cancelled` one
    is not repeated, and that nobody answers it means nothing (§7.3.1.4).
    """

    pair: Pair
    transaction_id: bytes
    data: bytes
    controlling: bool
    nominates: bool
    sent_at: float
    wait_s: float
    next_at: float | None
    ends_at: float
    sends: int = 1
    cancelled: bool = False


class Checks:
    """All transactions of one session."""

    def __init__(self, sends: int) -> None:
        self._sends = sends
        self._by_id: dict[bytes, Check] = {}

    def start(
        self,
        pair: Pair,
        transaction_id: bytes,
        data: bytes,
        wait_s: float,
        now: float,
        *,
        controlling: bool,
        nominates: bool,
    ) -> None:
        """Note a request that goes out now; it is repeated after `wait_s`, then after twice as long, and so on."""
        while len(self._by_id) >= MAX_UNDER_WAY:
            del self._by_id[next(iter(self._by_id))]
        ends_at = now + wait_s * (2**self._sends - 1)
        again_at = now + wait_s
        self._by_id[transaction_id] = Check(
            pair, transaction_id, data, controlling, nominates, now, wait_s, again_at, ends_at
        )

    def take(self, transaction_id: bytes) -> Check | None:
        """The transaction that an answer belongs to; it is over."""
        return self._by_id.pop(transaction_id, None)

    def cancel(self, pair: Pair) -> None:
        """Repeat no request of that pair; an answer may still come."""
        for check in self._by_id.values():
            if check.pair is pair:
                check.next_at, check.cancelled = None, True

    def clear(self) -> None:
        self._by_id.clear()

    def next_deadline(self) -> float | None:
        return min((c.ends_at if c.next_at is None else c.next_at for c in self._by_id.values()), default=None)

    def due(self, now: float) -> list[Check]:
        """What is to be sent once more now."""
        again = [check for check in self._by_id.values() if check.next_at is not None and check.next_at <= now]
        for check in again:
            check.sends += 1
            check.wait_s *= 2
            check.next_at = now + check.wait_s if check.sends < self._sends else None
        return again

    def expired(self, now: float) -> list[Check]:
        """Those that nobody answers any more; they are over."""
        ended = [check for check in self._by_id.values() if check.ends_at <= now]
        for check in ended:
            del self._by_id[check.transaction_id]
        return ended
