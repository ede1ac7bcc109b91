"""What calls have learnt about the servers: who is not worth waiting for. Shared by all legs of a node."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from voipnode.media.turn.refusals import Refusal
from voipnode.media.turn.values import Server

log = logging.getLogger(__name__)

BRIEFLY_S = 0.2  # for a server that did not answer last time: no call is late by it, and one that is back is seen


@dataclass(slots=True)
class _Fault:
    refusal: Refusal
    until: float


class ServerMemory:
    """Faults of servers, until their time is over or they serve again. As large as the list of servers, and bounded.

    `tell` is told a server and what is wrong with it, once as long as it is so.
    """

    _MAX = 64

    def __init__(self, tell: Callable[[Server, str], None] | None = None) -> None:
        self._faults: dict[Server, _Fault] = {}
        self._tell = tell or (lambda server, words: log.warning("%s", words))

    def patience_s(self, server: Server, full_s: float, now: float) -> float:
        """How long a server is waited for; 0: it refused, and is left alone for as long as RFC 8656 §7.4 wants."""
        fault = self._faults.get(server)
        if fault is None or now >= fault.until:
            return full_s
        return min(BRIEFLY_S, full_s) if fault.refusal.code == 0 else 0.0

    def failed(self, server: Server, refusal: Refusal, now: float) -> None:
        """It did not do what was asked of it; told where it is news."""
        before = self._faults.pop(server, None)
        if len(self._faults) >= self._MAX:
            self._faults.pop(next(iter(self._faults)))
        self._faults[server] = _Fault(refusal, now + refusal.rest_s)
        if before is None or before.refusal.words != refusal.words:
            self._tell(server, f"{server} {refusal.words}")

    def served(self, server: Server) -> None:
        """It did what was asked of it."""
        if self._faults.pop(server, None) is not None:
            log.info("%s serves again", server)

    def fault(self, server: Server) -> str:
        """Its fault in words, "" where it has none."""
        fault = self._faults.get(server)
        return "" if fault is None else f"{server} {fault.refusal.words}"
