"""Call pickup: an extension takes a call that rings elsewhere, by a code of the dial plan or by the key of a busy lamp.

The key knows the ringing dialog from its lamp and names it in Replaces (RFC 3891 §3, RFC 4235 §6); the code names the
extension, or none. Whoever is called by the node in the meantime is told that it was answered elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from voipnode.calls.admission import Admitted
from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.events import CallState
from voipnode.calls.exchange.board import Board
from voipnode.calls.exchange.destination import Caller
from voipnode.calls.exchange.identity import Identity
from voipnode.calls.exchange.party import Party
from voipnode.calls.exchange.ringer import Ringer
from voipnode.calls.exchange.search import Search
from voipnode.calls.media_host import media_host
from voipnode.calls.registrar.settings import extension_of
from voipnode.calls.take_over import TakeOver
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import RemoteError

NOBODY_RINGS, FORBIDDEN, NO_PORTS = 404, 403, 503
RIGHT = "extensions"  # of `may_call`


@dataclass(frozen=True, slots=True)
class Picker:
    """Who picks up: his INVITE, who he is, and whom the caller is to see."""

    event: sip.IncomingCall
    admitted: Admitted
    caller: Caller
    shown: Identity


class Pickup:
    """Brings who picks up into the call; `door` does it for calls of the door."""

    def __init__(self, core: CallCore, board: Board, ringer: Ringer, door: TakeOver) -> None:
        self._core = core
        self._board = board
        self._ringer = ringer
        self._door = door

    def by_code(self, picker: Picker, number: str) -> None:
        """Take what rings at `number`; "": what has been ringing longest, but at the picker's own."""
        found = next((each for each in self._ringing(number, picker.caller.name)), None)
        if found is None:
            self._refuse(picker, NOBODY_RINGS)
        elif isinstance(found, Search):
            self._take(picker, found)
        else:
            self._door.pick_up(found, picker.event, picker.admitted)

    def by_dialog(self, picker: Picker, session: str) -> None:
        """Take the call whose ringing leg was named."""
        search = self._ringer.search_of(session)
        if picker.caller.kind != "extension" or RIGHT not in picker.caller.may_call:
            self._refuse(picker, FORBIDDEN)
        elif search is None or search.over or session not in search.ringing:
            self._refuse(picker, NOBODY_RINGS)
        else:
            self._take(picker, search)

    # ---- inside

    def _ringing(self, number: str, picker: str) -> Iterator[Search | Call]:
        for search in self._ringer.searches:
            if any(_fits(party.who.name, number, picker) for party in search.ringing.values() if _is_own(party)):
                yield search
        for call in self._core.table.calls:
            rings = call.direction == "outgoing" and call.state in (CallState.CALLING, CallState.RINGING)
            numbers = [extension_of(leg.account) for leg in call.legs.values()] if rings else []
            if any(each and _fits(each, number, picker) for each in numbers):
                yield call

    def _take(self, picker: Picker, search: Search) -> None:
        core, event = self._core, picker.event
        host = media_host(core.local_address, event.source, event.offer)
        leg = core.new_leg(picker.admitted.account, host, event.source, picker.caller.name)
        if leg is None:
            self._refuse(picker, NO_PORTS)
            return
        leg.session, leg.remote = event.session, str(event.request.from_.uri)
        leg.proven = True  # by its password, whose challenge went to its address
        party = Party(leg, picker.caller.name, picker.caller, picker.shown, event.offer)
        party.offered(event.offer)
        if leg.ready:
            self._answer(picker, party, search)
        else:
            leg.when_ready.append(lambda: self._answer(picker, party, search))

    def _answer(self, picker: Picker, party: Party, search: Search) -> None:
        core, leg = self._core, party.leg
        gone = search.over or search.call.over
        if gone or not core.endpoint.is_waiting(party.session):
            leg.close(core.now)
            self._refuse(picker, NOBODY_RINGS)
            return
        party.told = search.by.wants
        try:
            if party.offer is not None:
                leg.take_offer(party.offer, core.now)  # so that it is known what can be talked
            leg.describe(party.told.direction, search.by.codecs)
            answer = leg.make_offer() if party.offer is None else leg.take_offer(party.offer, core.now, again=True)
        except RemoteError as error:
            leg.close(core.now)
            core.endpoint.reject(party.session, error.status, core.now, headers=error.headers)
            return
        core.endpoint.accept(party.session, answer, core.now)
        leg.answer_sent(core.now)
        party.settled = party.offer is not None
        self._board.attach(search.call, party)
        self._ringer.take(search, party)

    def _refuse(self, picker: Picker, status: int) -> None:
        if self._core.endpoint.is_waiting(picker.event.session):
            self._core.endpoint.reject(picker.event.session, status, self._core.now)


def _is_own(party: Party) -> bool:
    return party.who.kind == "extension"


def _fits(rings_at: str, wanted: str, picker: str) -> bool:
    return rings_at == wanted if wanted else rings_at != picker
