"""Who is spoken with at all: asked for every request that belongs to nothing we agreed to, before it leaves a trace.

The endpoint asks, the layer above decides. Whoever is turned away gets one answer without a transaction behind it,
never repeated (RFC 3261 §26.3.2.4), or none: so that nobody makes us send more than he sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voipnode.sipstack.message import Request
from voipnode.sipstack.transport import Hop


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The one answer to give; `status` 0 means none. `why` is for our own log and never sent."""

    status: int
    reason: str
    why: str
    headers: tuple[tuple[str, str], ...] = ()


class Gate(Protocol):
    """What decides; it is asked once per request and must be quick."""

    def request(self, request: Request, source: Hop, now: float) -> TurnedAway | None:
        """Turn a request away, or None to serve it. Retransmissions, dialogs' requests and ACKs are not asked about."""
        ...

    def answers(self, source: Hop, now: float) -> bool:
        """Whether a malformed request from there is worth the 400 that it would get."""
        ...


class OpenGate:
    """Lets everything in."""

    def request(self, request: Request, source: Hop, now: float) -> TurnedAway | None:
        return None

    def answers(self, source: Hop, now: float) -> bool:
        return True
