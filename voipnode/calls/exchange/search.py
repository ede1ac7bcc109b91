"""A search for somebody who answers: what is being rung, for whom, and who wants to know."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Protocol

from voipnode.calls.exchange.destination import Destination
from voipnode.calls.exchange.party import Party
from voipnode.calls.exchange.through_call import ThroughCall
from voipnode.calls.ringing.hunt import Cause, Hunt
from voipnode.sipstack import events as sip
from voipnode.sipstack.uri import SipUri

STOPPED = -1  # the key of a party that the hunt has no use for any more


class Errand(Protocol):
    """Who wants to know how a search goes. `call.over` holds for whoever is told nothing any more."""

    def on_ringing(self, search: Search, party: Party, event: sip.CallProgress) -> None: ...

    def on_answered(self, search: Search, party: Party) -> None: ...

    def on_exhausted(self, search: Search, status: int, event: sip.SessionEnded | None) -> None:
        """Nobody answered; `status` says best why, `event` is the end of the last one."""
        ...


@dataclass(slots=True, eq=False)
class Search:
    """One destination that is being rung for `by`, who is to talk to whoever answers.

    `ringing`: by session; those that were cancelled are in it until they agree. `waiting`: how many are to be called as
    soon as our own addresses are known. `pending`: how many are being looked
    up, or wait for their addresses, and `statuses`: how the others ended, by the recipient of a group that they are
    rung for (0: there is no group); `causes`: why some of these were not even called. `tried`: all that were called, so
    that no circle of redirects can close.
    """

    call: ThroughCall
    to: Destination
    by: Party
    errand: Errand
    headers: tuple[tuple[str, str], ...] = ()
    over: bool = False
    hunt: Hunt | None = None
    waiting: int = 0
    pending: Counter[int] = field(default_factory=Counter)
    ringing: dict[str, Party] = field(default_factory=dict)
    statuses: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    causes: dict[int, Cause] = field(default_factory=dict)
    tried: list[SipUri] = field(default_factory=list)
    last: sip.SessionEnded | None = None

    @property
    def legs(self) -> int:
        """How many telephones ring, or are about to."""
        return self.waiting + sum(party.key != STOPPED for party in self.ringing.values())

    def is_rung(self, key: int) -> bool:
        """Whether anybody of this recipient rings, or is being looked up."""
        return bool(self.pending[key]) or any(party.key == key for party in self.ringing.values())
