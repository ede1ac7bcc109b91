"""Consent freshness (RFC 7675): whoever gets our packets says every few seconds that he still wants them."""

from __future__ import annotations

from collections import deque

from voipnode.media.ice.pair import Pair
from voipnode.media.ice.values import Times

_MAX_ASKED = 8  # as many as fit into the time in which an answer counts


class Consent:
    """The consent of one pair. `ask_at`: when the next request is due; `ends_at`: when we have to fall silent."""

    def __init__(self, pair: Pair, times: Times, now: float, draw: float) -> None:
        self.pair = pair
        self._times = times
        self._asked: deque[bytes] = deque(maxlen=_MAX_ASKED)
        self.ask_at = 0.0
        self.plan(now, draw)

    @property
    def ends_at(self) -> float:
        return self.pair.answered_at + self._times.consent_ends_s

    def plan(self, now: float, draw: float) -> None:
        """§5.1: 0.8 to 1.2 times the period from now, so that nobody's requests fall together; `draw` is 0 to 1."""
        self.ask_at = now + self._times.consent_s * (0.8 + 0.4 * draw)

    def asked(self, transaction_id: bytes) -> None:
        """A request went out; each goes out once (§5.1)."""
        self._asked.append(transaction_id)

    def knows(self, transaction_id: bytes) -> bool:
        """Whether an answer would be to one of these requests."""
        return transaction_id in self._asked

    def confirm(self, now: float) -> None:
        """It was answered."""
        self.pair.answered_at = now
