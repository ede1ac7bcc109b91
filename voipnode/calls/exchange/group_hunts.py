"""Groups that are called through the node: the hunt says who rings when, the ringer rings them."""

from __future__ import annotations

import logging
from typing import Protocol

from voipnode.calls.core import CallCore
from voipnode.calls.events import CallReason
from voipnode.calls.exchange.causes import UNAVAILABLE, best_status
from voipnode.calls.exchange.ports import Groups
from voipnode.calls.exchange.search import STOPPED, Search
from voipnode.calls.outcome import outcome_of_rejection, reason_of
from voipnode.calls.ringing.hunt import Cause, Exhausted, Hunt, Miss, Ring, Stop
from voipnode.calls.ringing.plan import Recipient

log = logging.getLogger(__name__)


class RingRecipient(Protocol):
    """Rings one recipient of a group, at all of its telephones."""

    def __call__(self, search: Search, recipient: Recipient, key: int) -> None: ...


class GroupHunts:
    """The hunts of all searches for groups."""

    def __init__(self, core: CallCore, groups: Groups, ring: RingRecipient) -> None:
        self._core = core
        self._groups = groups
        self._ring = ring
        self._searches: list[Search] = []

    def start(self, search: Search) -> None:
        """Begin with the first ones of the group."""
        search.hunt = Hunt(self._groups.plan(search.to.name))
        self._searches.append(search)
        search.hunt.start(self._core.now)
        self._go_on(search, search.hunt)

    def over(self, search: Search) -> None:
        """Somebody has answered, or nobody is wanted any more."""
        if search.hunt is not None:
            search.hunt.give_up()
            self._searches = [other for other in self._searches if other is not search]

    def missed(self, search: Search, hunt: Hunt, key: int) -> None:
        """Nobody may be left of a recipient: others may have to ring."""
        self._tell(search, hunt, key)
        self._go_on(search, hunt)

    def next_deadline(self) -> float | None:
        deadlines = [search.hunt.next_deadline() for search in self._searches if search.hunt is not None]
        return min((at for at in deadlines if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """The next ones of a group may have to ring."""
        for search in list(self._searches):
            if search.hunt is not None and not search.over:
                search.hunt.on_deadline(now)
                self._go_on(search, search.hunt)

    # ---- inside

    def _go_on(self, search: Search, hunt: Hunt) -> None:
        """Do what the hunt wants; what comes of it at once is told to it after that."""
        while not search.over and (action := hunt.next_action()) is not None:
            match action:
                case Ring():
                    search.pending[action.key] += 1
                    self._begin(search, action.recipient, action.key)
                    search.pending[action.key] -= 1
                    self._tell(search, hunt, action.key)
                case Stop():
                    self._stop(search, action)
                case Exhausted():
                    search.over = True
                    self.over(search)
                    search.errand.on_exhausted(search, _status_of(action.miss), search.last)

    def _begin(self, search: Search, recipient: Recipient, key: int) -> None:
        why = self._groups.hindrance(recipient)
        if why:
            log.info("%s", why)
            search.causes[key] = Cause.UNAVAILABLE
        else:
            self._ring(search, recipient, key)

    def _stop(self, search: Search, action: Stop) -> None:
        headers = () if action.why is None else reason_of((CallReason.NO_ANSWER, 0, ""))
        for session in [each for each, party in search.ringing.items() if party.key == action.key]:
            search.ringing[session].key = STOPPED
            self._core.hang_up(session, headers)

    def _tell(self, search: Search, hunt: Hunt, key: int) -> None:
        if search.over or search.is_rung(key):
            return
        if search.statuses[key]:
            miss = Miss.of(*outcome_of_rejection(best_status(search.statuses[key]), ""))
        else:
            miss = Miss(search.causes.get(key, Cause.UNREACHABLE))
        hunt.failed(key, miss, self._core.now)


def _status_of(miss: Miss) -> int:
    """What a caller of a group is answered when nobody of it has."""
    if miss.status >= 400:
        return best_status([miss.status])
    return {Cause.REFUSED: 603, Cause.BUSY: 486}.get(miss.cause, UNAVAILABLE)
