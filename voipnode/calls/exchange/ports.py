"""What the exchange needs of others: rooms in which parties hear each other, and what the node itself answers for."""

from __future__ import annotations

from typing import Protocol

from voipnode.calls.exchange.destination import Destination
from voipnode.calls.sip_leg import SipLeg


class Room(Protocol):
    """Where parties hear each other; `fit` after every change of a leg. `at_door`: digits may open the door there."""

    @property
    def at_door(self) -> bool: ...

    def join(self, leg: SipLeg, now: float) -> None: ...

    def leave(self, leg: SipLeg, now: float) -> None: ...

    def fit(self, now: float) -> None: ...

    def digit(self, leg: SipLeg, digit: str, road: str) -> None:
        """The leg pressed a key, of which the node was told by that road."""
        ...


class Service(Protocol):
    """What the node itself answers calls for: a conference, an announcement, a look outside."""

    def room(self, to: Destination) -> Room | None:
        """Where a caller of this destination is taken to; None where that cannot be now."""
        ...
