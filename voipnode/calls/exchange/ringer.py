"""Rings whoever a destination means until one answers: an extension's devices, a group, somebody behind a trunk."""

from __future__ import annotations

import logging
from collections.abc import Callable

from voipnode.calls.accounts import Accounts
from voipnode.calls.core import ANSWERED_ELSEWHERE, Found
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.exchange.board import Board
from voipnode.calls.exchange.causes import UNAVAILABLE, best_status, status_of
from voipnode.calls.exchange.destination import OUTSIDE, Caller, Destination
from voipnode.calls.exchange.dial_plan import DialPlan
from voipnode.calls.exchange.group_hunts import GroupHunts
from voipnode.calls.exchange.identity import Identity
from voipnode.calls.exchange.lines import number_by
from voipnode.calls.exchange.party import Party
from voipnode.calls.exchange.ports import Groups
from voipnode.calls.exchange.search import STOPPED, Errand, Search
from voipnode.calls.exchange.through_call import ThroughCall
from voipnode.calls.outgoing import keep_early
from voipnode.calls.redirects import FOLLOWED, MAX_TARGETS, usable_contacts
from voipnode.calls.ringing.hunt import Cause
from voipnode.calls.ringing.plan import Recipient
from voipnode.calls.settings import AccountSettings
from voipnode.calls.ways import OwnTelephones, Way
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.uri import SipUri

log = logging.getLogger(__name__)

MAX_LEGS = 6  # that ring at the same time for one call
NO_KEYS, NOT_ACCEPTABLE, NO_PORTS = 488, 488, 503


class Ringer:
    """Carries searches out; each tells its errand of one answer, or that there is none."""

    def __init__(
        self,
        board: Board,
        accounts: Accounts,
        telephones: OwnTelephones,
        plan: DialPlan,
        who_is: Callable[[str], Caller],
        groups: Groups,
    ) -> None:
        self._board = board
        self._core = board.core
        self._accounts = accounts
        self._telephones = telephones
        self._plan = plan
        self._who_is = who_is
        self.hunts = GroupHunts(board.core, groups, self._ring_recipient)
        self._searches: dict[str, Search] = {}  # by session

    def search_of(self, session: str) -> Search | None:
        """The search that this session rings for, or has rung for."""
        return self._searches.get(session)

    @property
    def searches(self) -> tuple[Search, ...]:
        """Those that ring now, the oldest first."""
        return tuple(dict.fromkeys(search for search in self._searches.values() if not search.over))

    def take(self, search: Search, party: Party) -> None:
        """Somebody who was not rung has answered for those that were."""
        self._over(search)
        for session in list(search.ringing):
            self._core.hang_up(session, ANSWERED_ELSEWHERE)
        search.errand.on_answered(search, party)

    def start(self, search: Search) -> None:
        """Ring; the errand may be told before this returns."""
        if search.to.kind == "group":
            self.hunts.start(search)
            return
        search.pending[0] += 1  # so that nothing is settled before all were tried
        self._ring(search, search.to, 0)
        search.pending[0] -= 1
        self._settle(search, 0)

    def stop(self, search: Search, headers: tuple[tuple[str, str], ...]) -> None:
        """Nobody is to answer any more; `headers` say why."""
        self._over(search)
        for session in list(search.ringing):
            self._core.hang_up(session, headers)

    def move(self, search: Search, call: ThroughCall, by: Party, errand: Errand) -> None:
        """Who rings here rings for somebody else's call from now on."""
        for session in search.ringing:
            found = self._board.release(session)
            if found is not None:
                self._board.attach(call, found[1])
        search.call, search.by, search.errand = call, by, errand

    def _over(self, search: Search) -> None:
        search.over = True
        self.hunts.over(search)

    # ---- whom to ring

    def _ring_recipient(self, search: Search, recipient: Recipient, key: int) -> None:
        number = recipient.address.strip()
        if number in self._telephones.extensions:
            self._ring_extension(search, number, key)
        else:
            self._ring_number(search, recipient.account, recipient.address, key)

    def _ring(self, search: Search, to: Destination, key: int) -> None:
        if to.kind == "extension":
            self._ring_extension(search, to.name, key)
        elif to.kind == "trunk":
            self._ring_number(search, to.name, to.number, key)
        else:
            search.statuses[key].append(to.status or 404)

    def _ring_extension(self, search: Search, number: str, key: int) -> None:
        try:
            ways = self._telephones.reach(number)
        except NotNowError as error:
            log.info("%s is not called: %s", number, error)
            search.causes[key] = Cause.UNREACHABLE
            return
        for way in ways:
            self._call(search, way, self._who_is(number), number, key)

    def _ring_number(self, search: Search, line: str, number: str, key: int) -> None:
        """By way of the account of that name, "" being the default one."""
        try:
            target, account = number_by(self._accounts, line, number)
            if account.registered and search.by.who.kind != "extension":
                raise CallError("who came from outside does not leave by a server")
        except CallError as error:
            log.info("%s is not called: %s", number, error)
            search.statuses[key].append(503 if isinstance(error, NotNowError) else 404)
            return
        self._find(search, target, account, key)

    def _find(self, search: Search, target: SipUri, account: AccountSettings, key: int) -> None:
        """Call this address once it is known where that is."""
        waiting = search.call
        search.pending[key] += 1
        waiting.searching += 1

        def found(ways: Found) -> None:
            search.pending[key] -= 1
            waiting.searching -= 1
            if not search.over and not ways:
                search.statuses[key].append(503)
            who = Caller("trunk", account.name) if account.registered else OUTSIDE
            for way in ways if not search.over else ():
                self._call(search, way, who, target.user or str(target), key)
            self._settle(search, key)
            self._board.settle(waiting)

        self._core.reach(target, account, found)

    # ---- one leg

    def _call(self, search: Search, way: Way, who: Caller, name: str, key: int) -> None:
        core = self._core
        if any(way.target.equivalent(other) for other in search.tried):
            return
        if search.legs >= MAX_LEGS:
            log.info("%s is not called: %d ring already", way.target, MAX_LEGS)
            return
        search.tried.append(way.target)
        host = core.local_address(way.hops[0]).host
        leg = core.new_leg(way.account, host, way.hops[0], str(way.target), confidential=way.confidential)
        if leg is None:
            search.statuses[key].append(NO_PORTS)
            return
        if not leg.security.can_offer:
            leg.close(core.now)
            search.statuses[key].append(NO_KEYS)
            return
        leg.remote, leg.target = str(way.target), way.target
        party = Party(leg, name, who, Identity(name, who.display_name), key=key)
        shown = search.by.identity.present(way, host, to_server=who.kind == "trunk")
        search.pending[key] += 1
        search.waiting += 1
        self._board.when_ready(search.call, leg, lambda: self._invite(search, party, shown))

    def _invite(self, search: Search, party: Party, way: Way) -> None:
        core, leg = self._core, party.leg
        search.pending[party.key] -= 1
        search.waiting -= 1
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
            search.statuses[party.key].append(NO_PORTS)
            self._settle(search, party.key)
            return
        search.ringing[leg.session] = party
        self._searches[leg.session] = search
        self._board.attach(search.call, party)

    # ---- what becomes of it

    def on_progress(self, search: Search, event: sip.CallProgress) -> None:
        """A called party rings, or says something on the way there."""
        party = search.ringing[event.session]
        keep_early(party.leg, event)
        if not search.over and party.key != STOPPED:
            search.errand.on_ringing(search, party, event)

    def on_answered(self, search: Search, event: sip.CallAnswered) -> None:
        """The first one has the call, the others are told."""
        core, party = self._core, search.ringing[event.session]
        if search.over or party.key == STOPPED:  # two answered at the same moment, or one as everything ended
            core.hang_up(event.session, ANSWERED_ELSEWHERE)
            return
        leg, body = party.leg, event.body or party.leg.early_answer(event.tag)
        # What was agreed with this very fork while it rang stands, with all later changes (RFC 6337 §3.1.1).
        if event.body is not None or event.tag != leg.early_tag or leg.agreed is None:
            try:
                leg.take_answer(body, core.now)
            except RemoteError as error:
                log.info("%s answers with what is of no use: %s", leg.remote, error.reason)
                search.statuses[party.key].append(NOT_ACCEPTABLE)
                core.hang_up(event.session)
                return
            party.answered(body)
        leg.proven = True  # the answer carried what only the INVITE that we sent to its address told
        del search.ringing[event.session], self._searches[event.session]
        self.take(search, party)

    def on_ended(self, search: Search, event: sip.SessionEnded) -> None:
        """A leg is over without an answer; its call has let go of it already."""
        party = search.ringing.pop(event.session)
        del self._searches[event.session]
        if search.over or party.key == STOPPED:
            return
        search.last = event
        if event.status in FOLLOWED and self._core.settings.follow_redirects:
            self._redirected(search, party, event)
        elif event.cause is not sip.EndCause.LOCAL_HANGUP:  # why we ended it was noted then
            search.statuses[party.key].append(status_of(event))
            if event.cause is sip.EndCause.REJECTED and event.status >= 600:  # it speaks for all (RFC 3261 §16.7)
                self._hang_up_others(search, party.key)
        self._settle(search, party.key)

    def _hang_up_others(self, search: Search, key: int) -> None:
        for session, party in list(search.ringing.items()):
            if party.key == key:
                self._core.hang_up(session)

    def _redirected(self, search: Search, party: Party, event: sip.SessionEnded) -> None:
        """Where a telephone sends its callers is looked up in the dial plan, with the rights of both: nobody gets
        further by a redirect than by dialling. A server may send us to others that it serves."""
        targets = usable_contacts(event.contacts)[: max(0, MAX_TARGETS - len(search.tried))]
        before = len(search.tried) + search.pending[party.key]
        for target in targets:
            if party.who.kind == "trunk":
                self._find(search, target, party.leg.account, party.key)
            else:
                self._ring(search, self._plan.redirected(search.by.who, party.who, target), party.key)
        if len(search.tried) + search.pending[party.key] == before:
            search.statuses[party.key].append(UNAVAILABLE)

    def _settle(self, search: Search, key: int) -> None:
        """Nobody may be left: of a recipient, or at all."""
        if search.over or search.is_rung(key):
            return
        if search.hunt is not None:
            self.hunts.missed(search, search.hunt, key)
            return
        search.over = True
        search.errand.on_exhausted(search, best_status(search.statuses[0]), search.last)
