"""What the exchange needs of others: rooms in which parties hear each other, and what the node itself answers for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from voipnode.calls.exchange.destination import Destination
from voipnode.calls.ringing.directory import Directory
from voipnode.calls.ringing.plan import Recipient, RingPlan
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


class Groups(Protocol):
    """Who is rung for a group, and who of them is not to be rung now."""

    def has(self, name: str) -> bool:
        """Whether there is such a group."""
        ...

    def plan(self, name: str) -> RingPlan: ...

    def hindrance(self, recipient: Recipient) -> str:
        """Why somebody may not be rung now, in words; "" where nothing is in the way."""
        ...


class NoGroups:
    """A node without groups."""

    def has(self, name: str) -> bool:
        return False

    def plan(self, name: str) -> RingPlan:
        return RingPlan(name, ())

    def hindrance(self, recipient: Recipient) -> str:
        return ""


class GroupsOf:
    """The ring groups of a directory, as they are at the time of day that `utc_now` tells."""

    def __init__(self, directory: Directory, utc_now: Callable[[], datetime]) -> None:
        self._directory = directory
        self._utc_now = utc_now

    def has(self, name: str) -> bool:
        return any(group.name == name for group in self._directory.groups)

    def plan(self, name: str) -> RingPlan:
        return self._directory.plan(name)

    def hindrance(self, recipient: Recipient) -> str:
        return self._directory.hindrance(recipient, self._utc_now())
