"""Rings whoever a destination means until one answers: every device of an extension, somebody behind a trunk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from voipnode.calls.accounts import Accounts
from voipnode.calls.core import ANSWERED_ELSEWHERE, Found
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.exchange.board import Board
from voipnode.calls.exchange.causes import UNAVAILABLE, best_status, status_of
from voipnode.calls.exchange.destination import Caller, Destination
from voipnode.calls.exchange.dial_plan import DialPlan
from voipnode.calls.exchange.identity import Identity
from voipnode.calls.exchange.party import Party
from voipnode.calls.exchange.through_call import ThroughCall
from voipnode.calls.outgoing import keep_early
from voipnode.calls.redirects import FOLLOWED, MAX_TARGETS, usable_contacts
from voipnode.calls.settings import AccountSettings
from voipnode.calls.ways import OwnTelephones, Way, parse_target
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.uri import SipUri

log = logging.getLogger(__name__)

MAX_LEGS = 6  # that ring at the same time for one call
NO_KEYS, NOT_ACCEPTABLE, NO_PORTS = 488, 488, 503


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

    `ringing`: by session; those that were cancelled are in it until they agree. `pending`: how many are being looked
    up, or wait for their addresses. `tried`: all that were called, so that no circle of redirects can close.
    """

    call: ThroughCall
    to: Destination
    by: Party
    errand: Errand
    headers: tuple[tuple[str, str], ...] = ()
    over: bool = False
    pending: int = 0
    ringing: dict[str, Party] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    tried: list[SipUri] = field(default_factory=list)
    last: sip.SessionEnded | None = None


class Ringer:
    """Carries searches out; each tells its errand of one answer, or that there is none."""

    def __init__(
        self,
        board: Board,
        accounts: Accounts,
        telephones: OwnTelephones,
        plan: DialPlan,
        who_is: Callable[[str], Caller],
    ) -> None:
        self._board = board
        self._core = board.core
        self._accounts = accounts
        self._telephones = telephones
        self._plan = plan
        self._who_is = who_is
        self._searches: dict[str, Search] = {}  # by session

    def search_of(self, session: str) -> Search | None:
        """The search that this session rings for, or has rung for."""
        return self._searches.get(session)

    def start(self, search: Search) -> None:
        """Ring; the errand may be told before this returns."""
        search.pending += 1  # so that nothing is settled before all were tried
        self._ring(search, search.to)
        search.pending -= 1
        self._settle(search)

    def stop(self, search: Search, headers: tuple[tuple[str, str], ...]) -> None:
        """Nobody is to answer any more; `headers` say why."""
        search.over = True
        for session in list(search.ringing):
            self._core.hang_up(session, headers)

    def move(self, search: Search, call: ThroughCall, by: Party, errand: Errand) -> None:
        """Who rings here rings for somebody else's call from now on."""
        for session in search.ringing:
            found = self._board.release(session)
            if found is not None:
                self._board.attach(call, found[1])
        search.call, search.by, search.errand = call, by, errand

    # ---- whom to ring

    def _ring(self, search: Search, to: Destination) -> None:
        if to.kind == "extension":
            self._ring_extension(search, to.name)
        elif to.kind == "trunk":
            self._ring_number(search, to)
        else:
            search.statuses.append(to.status or 404)

    def _ring_extension(self, search: Search, number: str) -> None:
        try:
            ways = self._telephones.reach(number)
        except NotNowError as error:
            log.info("%s is not called: %s", number, error)
            search.statuses.append(UNAVAILABLE)
            return
        for way in ways:
            self._call(search, way, self._who_is(number), number)

    def _ring_number(self, search: Search, to: Destination) -> None:
        try:
            account = self._accounts.named(to.name)
            registration = self._accounts.registration(account)
            if registration is None or not registration.servers:
                raise NotNowError(f'account "{to.name}" has no server now')
            target = parse_target(to.number, registration.servers[0].aor)
        except CallError as error:
            log.info("%s is not called: %s", to.number, error)
            search.statuses.append(503 if isinstance(error, NotNowError) else 404)
            return
        self._find(search, target, account)

    def _find(self, search: Search, target: SipUri, account: AccountSettings) -> None:
        """Call this address once it is known where that is."""
        waiting = search.call
        search.pending += 1
        waiting.searching += 1

        def found(ways: Found) -> None:
            search.pending -= 1
            waiting.searching -= 1
            if not search.over and not ways:
                search.statuses.append(503)
            for way in ways if not search.over else ():
                self._call(search, way, Caller("trunk", account.name), target.user or str(target))
            self._settle(search)
            self._board.settle(waiting)

        self._core.reach(target, account, found)

    # ---- one leg

    def _call(self, search: Search, way: Way, who: Caller, name: str) -> None:
        core = self._core
        if any(way.target.equivalent(other) for other in search.tried):
            return
        if sum(session in search.ringing for session in search.call.parties) >= MAX_LEGS:
            log.info("%s is not called: %d ring already", way.target, MAX_LEGS)
            return
        search.tried.append(way.target)
        host = core.local_address(way.hops[0]).host
        leg = core.new_leg(way.account, host, way.hops[0], str(way.target), confidential=way.confidential)
        if leg is None:
            search.statuses.append(NO_PORTS)
            return
        if not leg.security.can_offer:
            leg.close(core.now)
            search.statuses.append(NO_KEYS)
            return
        leg.remote, leg.target = str(way.target), way.target
        party = Party(leg, name, who, Identity(name, who.display_name))
        shown = search.by.identity.present(way, host, to_server=who.kind == "trunk")
        search.pending += 1
        self._board.when_ready(search.call, leg, lambda: self._invite(search, party, shown))

    def _invite(self, search: Search, party: Party, way: Way) -> None:
        core, leg = self._core, party.leg
        search.pending -= 1
        if search.over:
            leg.close(core.now)
            return
        # What the caller speaks comes first, so that nothing has to be coded anew.
        party.told = search.by.wants
        leg.describe(party.told.direction, search.by.codecs)
        invite = way.invite(leg.make_offer(), headers=search.headers, max_forwards=search.call.max_forwards)
        try:
            leg.session = core.endpoint.invite(invite, core.now)
        except LocalError as error:
            log.info("%s cannot be called now: %s", way.target, error)
            leg.close(core.now)
            search.statuses.append(NO_PORTS)
            self._settle(search)
            return
        search.ringing[leg.session] = party
        self._searches[leg.session] = search
        self._board.attach(search.call, party)

    # ---- what becomes of it

    def on_progress(self, search: Search, event: sip.CallProgress) -> None:
        """A called party rings, or says something on the way there."""
        party = search.ringing[event.session]
        keep_early(party.leg, event)
        if not search.over:
            search.errand.on_ringing(search, party, event)

    def on_answered(self, search: Search, event: sip.CallAnswered) -> None:
        """The first one has the call, the others are told."""
        core, party = self._core, search.ringing[event.session]
        if search.over:  # two answered at the same moment, or one as everything ended
            core.hang_up(event.session, ANSWERED_ELSEWHERE)
            return
        leg, body = party.leg, event.body or party.leg.early_answer(event.tag)
        # What was agreed with this very fork while it rang stands, with all later changes (RFC 6337 §3.1.1).
        if event.body is not None or event.tag != leg.early_tag or leg.agreed is None:
            try:
                leg.take_answer(body, core.now)
            except RemoteError as error:
                log.info("%s answers with what is of no use: %s", leg.remote, error.reason)
                search.statuses.append(NOT_ACCEPTABLE)
                core.hang_up(event.session)
                return
            party.answered(body)
        leg.proven = True  # the answer carried what only the INVITE that we sent to its address told
        search.over = True
        del search.ringing[event.session], self._searches[event.session]
        for session in list(search.ringing):
            core.hang_up(session, ANSWERED_ELSEWHERE)
        search.errand.on_answered(search, party)

    def on_ended(self, search: Search, event: sip.SessionEnded) -> None:
        """A leg is over without an answer; its call has let go of it already."""
        party = search.ringing.pop(event.session)
        del self._searches[event.session]
        if search.over:
            return
        search.last = event
        if event.status in FOLLOWED and self._core.settings.follow_redirects:
            self._redirected(search, party, event)
        else:
            search.statuses.append(status_of(event))
            if event.cause is sip.EndCause.REJECTED and event.status >= 600:  # it speaks for all (RFC 3261 §16.7)
                for session in list(search.ringing):
                    self._core.hang_up(session)
        self._settle(search)

    def _redirected(self, search: Search, party: Party, event: sip.SessionEnded) -> None:
        """Where a telephone sends its callers is looked up in the dial plan, with the rights of who called: nobody gets
        further by a redirect than by dialling. A server may send us to others that it serves."""
        targets = usable_contacts(event.contacts)
        if len(search.tried) + len(targets) > MAX_TARGETS:
            targets = targets[: max(0, MAX_TARGETS - len(search.tried))]
        before = len(search.tried) + search.pending
        for target in targets:
            if party.who.kind == "trunk":
                self._find(search, target, party.leg.account)
            else:
                self._ring(search, self._plan.onward(search.by.who, target))
        if len(search.tried) + search.pending == before:
            search.statuses.append(UNAVAILABLE)

    def _settle(self, search: Search) -> None:
        if search.over or search.ringing or search.pending:
            return
        search.over = True
        search.errand.on_exhausted(search, best_status(search.statuses), search.last)
