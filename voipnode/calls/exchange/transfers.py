"""Transfers within calls through the node: a party asks for somebody else in its place (RFC 3515, RFC 5589).

The node carries them out itself: the new party gets a leg here, the old one stays until that is answered or refused,
and whoever remains keeps its dialog as it is. What a party may have called so is what it may dial.

    blind      REFER to an address           its own search; the first to answer has the place of who asked
               ... to a room of the node's   the other one is there at once, and who asked is let go
    attended   REFER with Replaces of        of an answered call: its other party has the place of who asked
               another call of who asked     of one that rings: what rings there rings here from now on
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from voipnode.calls.core import CallCore
from voipnode.calls.events import CallReason, CallTransfer
from voipnode.calls.exchange.at_door import End
from voipnode.calls.exchange.board import Board
from voipnode.calls.exchange.changes import Changes
from voipnode.calls.exchange.destination import Destination, Kind, refused
from voipnode.calls.exchange.dial_plan import DialPlan
from voipnode.calls.exchange.party import Party
from voipnode.calls.exchange.ports import Service
from voipnode.calls.exchange.ringer import Ringer
from voipnode.calls.exchange.search import Search
from voipnode.calls.exchange.through_call import State, ThroughCall
from voipnode.calls.refusals import Refusals
from voipnode.sipstack import events as sip
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.timers import DeadlineQueue
from voipnode.sipstack.uri import SipUri, escape_user

DECLINED, NOT_FOUND, TERMINATED = 603, 404, 487
CALLED = ("extension", "group", "trunk", "door")
REASONS = {404: "Not Found", 408: "Request Timeout", 480: "Temporarily Unavailable", 486: "Busy Here", 603: "Decline"}


class ToDoor(Protocol):
    """Brings a party to the door: to that call of it, or to a new one for None. False where that cannot be."""

    def __call__(self, party: Party, door_session: str) -> bool: ...


@dataclass(slots=True, eq=False)
class Wish:
    """What a party asked for. `search`: of the new one, None where it is there already."""

    call: ThroughCall
    party: Party
    token: str
    to: str
    search: Search | None = None
    done: bool = False


class Transfers:
    """Carries out what parties ask for, one transfer at a time for each call."""

    def __init__(
        self,
        board: Board,
        ringer: Ringer,
        changes: Changes,
        plan: DialPlan,
        *,
        end: End,
        to_door: ToDoor,
        services: Mapping[Kind, Service],
        ring_s: float,
    ) -> None:
        self._board = board
        self._core: CallCore = board.core
        self._ringer = ringer
        self._changes = changes
        self._plan = plan
        self._end = end
        self._to_door = to_door
        self._services = services
        self._ring_s = ring_s
        self._wishes: dict[str, Wish] = {}  # by call
        self._deadlines: DeadlineQueue[str] = DeadlineQueue()
        self._refused = Refusals()

    def on_refer(self, call: ThroughCall, party: Party, event: sip.ReferReceived) -> None:
        """A party asks; answered at once."""
        core = self._core
        party.leg.proven = True  # it carries the tag of our answer, even where it overtook the ACK
        to = self._destination(call, party, event)
        if to.kind == "refused":
            self._refused.note(party.name, f"transfer refused: {to.why}", core.now)
            core.endpoint.reject_refer(event.token, DECLINED, core.now)
            return
        core.endpoint.accept_refer(event.token, core.now)
        wish = self._wishes[call.id] = Wish(call, party, event.token, to.number or to.name or str(event.refer_to))
        self._tell(wish, 100, "asked for by " + party.name, final=False)
        if event.replaces is not None:
            self._join(wish, core.endpoint.session_replaced_by(event.replaces))
        elif to.kind == "door":
            self._bring_to_door(wish, "")
        elif to.kind in self._services:
            self._bring_to_room(wish, to)
        else:
            self._ring(wish, to, _referrer(party, event.referred_by))

    def _destination(self, call: ThroughCall, party: Party, event: sip.ReferReceived) -> Destination:
        """Where it may send the other one."""
        rule, other = self._core.settings.allow_transfer, call.other(party)
        if call.state is not State.ACTIVE or other is None:
            return refused(DECLINED, "the call does not stand")
        if call.id in self._wishes:
            return refused(DECLINED, "another transfer is under way")
        if rule == "never" or (rule == "trusted" and party.who.kind != "extension"):
            return refused(DECLINED, f"sip.allow_transfer is {rule}")
        if event.replaces is not None:
            return self._replaceable(party, other, self._core.endpoint.session_replaced_by(event.replaces))
        found = self._plan.onward(party.who, event.refer_to)
        if found.kind == "trunk" and other.who.kind == "trunk":
            return refused(DECLINED, "who came by a trunk does not leave by one")
        reached = found.kind in CALLED or found.kind in self._services
        return found if reached else refused(DECLINED, found.why or f"nobody is called by {found.kind}")

    def _replaceable(self, party: Party, remaining: Party, session: str) -> Destination:
        """The call that it names has to be its own: nobody joins others' calls, nor two who came by trunks."""
        found = self._board.of_session(session)
        if found is not None and found[1].who == party.who and party is not found[1]:
            call, other = found[0], found[0].other(found[1])
            by_trunk = call.to.kind == "trunk" if other is None else other.who.kind == "trunk"
            if by_trunk and remaining.who.kind == "trunk":
                return refused(DECLINED, "who came by a trunk does not leave by one")
            return Destination("extension", other.name if other is not None else call.to.name)
        at_door = self._core.table.of_session(session)
        winner = at_door.winner if at_door is not None else None
        if winner is not None and winner.session == session and winner.account.name == party.leg.account.name:
            return Destination("door")
        return refused(DECLINED, "it names no call of its own")

    # ---- blind

    def _ring(self, wish: Wish, to: Destination, referred_by: str) -> None:
        headers = (("Referred-By", referred_by),) if referred_by else ()
        remaining = wish.call.other(wish.party)
        assert remaining is not None
        wish.search = Search(wish.call, to, remaining, self, headers)
        if to.kind != "group":  # which has times of its own
            self._deadlines.set(wish.call.id, self._core.now + self._ring_s)
        self._ringer.start(wish.search)

    def on_ringing(self, search: Search, party: Party, event: sip.CallProgress) -> None:
        """The new party rings: who asked is told."""
        wish = self._wishes.get(search.call.id)
        if wish is not None and event.status != 100:
            self._core.endpoint.refer_progress(wish.token, event.status, printable(event.reason), self._core.now)

    def on_answered(self, search: Search, party: Party) -> None:
        """The new party answered, and has the place of who asked."""
        wish = self._wishes.get(search.call.id)
        if wish is not None:
            self._take_place(wish, party)

    def on_exhausted(self, search: Search, status: int, event: sip.SessionEnded | None) -> None:
        """Nothing came of it: the call stays as it was, unless who asked has left."""
        wish = self._wishes.get(search.call.id)
        if wish is None:
            return
        self._failed(wish, status)

    # ---- attended

    def _join(self, wish: Wish, session: str) -> None:
        found = self._board.of_session(session)
        if found is None:
            self._bring_to_door(wish, session)
            return
        call, party = found
        other = call.other(party)
        if call.callee is not None and other is not None:
            self._board.release(other.session)
            self._board.attach(wish.call, other)
            self._end(call, (CallReason.TERMINATED, 0, f"joined with {wish.call.id}"))
            self._take_place(wish, other)
            return
        search = next((self._ringer.search_of(each) for each in call.parties if self._ringer.search_of(each)), None)
        remaining = wish.call.other(wish.party)
        if search is None or remaining is None or party is not call.caller:
            self._failed(wish, NOT_FOUND)
            return
        wish.search = search
        self._deadlines.set(wish.call.id, self._core.now + self._ring_s)
        self._ringer.move(search, wish.call, remaining, self)
        self._end(call, (CallReason.TERMINATED, 0, f"joined with {wish.call.id}"))

    def _bring_to_door(self, wish: Wish, door_session: str) -> None:
        """The one who remains goes to the door; this call is over."""
        remaining = wish.call.other(wish.party)
        if remaining is None or not self._to_door(remaining, door_session):
            self._failed(wish, 486)
            return
        self._wishes.pop(wish.call.id, None)
        self._tell(wish, 200, f"{remaining.name} is at the door", final=True)
        self._core.endpoint.refer_progress(wish.token, 200, "OK", self._core.now)
        self._end(wish.call, (CallReason.TERMINATED, 0, f"{remaining.name} is at the door"))

    def _bring_to_room(self, wish: Wish, to: Destination) -> None:
        """The one who remains is in a conference, or wherever else the node itself answers."""
        call, core = wish.call, self._core
        remaining = call.other(wish.party)
        room = self._services[to.kind].room(to)
        if remaining is None or room is None:
            self._failed(wish, 486)
            return
        wish.done = True
        call.to, call.caller, call.callee = to, remaining, None
        self._board.move(call, room)
        self._board.announce(call, f"{remaining.name} is in {to.words}")
        self._changes.free(call, remaining)
        self._tell(wish, 200, f"{remaining.name} is in {to.words}", final=True)
        if not core.endpoint.refer_progress(wish.token, 200, "OK", core.now):
            self._part(wish)

    # ---- what becomes of it

    def _take_place(self, wish: Wish, party: Party) -> None:
        call, core = wish.call, self._core
        wish.done = True
        self._deadlines.cancel(call.id)
        gone = wish.party.session not in call.parties
        call.replace(wish.party, party)
        party.leg.expect(core.now)
        self._board.sound(call)
        self._board.announce(call, f"{party.name} has the place of {wish.party.name}")
        self._changes.align(call, party)
        self._tell(wish, 200, f"{party.name} answered", final=True)
        heard = core.endpoint.refer_progress(wish.token, 200, "OK", core.now)
        if gone or not heard:
            self._part(wish)

    def on_referral_ended(self, event: sip.ReferralEnded) -> bool:
        """Whether it is one of ours who knows how it went, or listens no more; one that knows of success is let go
        (RFC 5589 §6.1)."""
        wish = next((each for each in self._wishes.values() if each.token == event.token), None)
        if wish is None:
            return False
        if wish.done:
            self._part(wish)
        return True

    def _part(self, wish: Wish) -> None:
        self._wishes.pop(wish.call.id, None)
        self._core.hang_up(wish.party.session)

    def _failed(self, wish: Wish, status: int) -> None:
        """The one who asked is told; where it has left, nobody is left to talk with."""
        core, call = self._core, wish.call
        self._deadlines.cancel(call.id)
        self._wishes.pop(call.id, None)
        words = REASONS.get(status, "Failed")
        core.endpoint.refer_progress(wish.token, status, words, core.now)
        self._tell(wish, status, f"{status} {words}", final=True)
        if wish.party.session not in call.parties:
            self._end(call, (CallReason.FAILED, status, f"the transfer to {wish.to} failed: {status} {words}"))

    def party_left(self, call: ThroughCall, party: Party) -> bool:
        """One of a call is gone: True where it goes on, because who asked need not wait for what comes of it."""
        wish = self._wishes.get(call.id)
        if wish is None:
            return False
        if wish.party is party and not wish.done and wish.search is not None and not wish.search.over:
            self._board.sound(call)
            return True
        return False

    def give_up(self, call: ThroughCall) -> None:
        """The call is over, and with it what was asked for in it."""
        wish = self._wishes.pop(call.id, None)
        self._deadlines.cancel(call.id)
        if wish is not None and not wish.done:
            self._core.endpoint.refer_progress(wish.token, TERMINATED, "Request Terminated", self._core.now)
            self._tell(wish, TERMINATED, "the call is over", final=True)

    def next_deadline(self) -> float | None:
        return self._deadlines.next_deadline()

    def on_deadline(self, now: float) -> None:
        """Give up new parties that do not answer."""
        while (call_id := self._deadlines.pop_due(now)) is not None:
            wish = self._wishes.get(call_id)
            if wish is not None and wish.search is not None:
                self._ringer.stop(wish.search, ())
                self._failed(wish, 408)

    def _tell(self, wish: Wish, status: int, detail: str, *, final: bool) -> None:
        self._core.bus.publish(
            CallTransfer(
                at=self._core.now, call=wish.call.id, to=wish.to, by="far", status=status, final=final, detail=detail
            )
        )


def _referrer(party: Party, said: str) -> str:
    """Who is told to have asked (RFC 3892 §3): an extension by its own number, whatever it says of itself."""
    if party.who.kind != "extension":
        return said
    if party.identity.private:
        return ""
    return str(NameAddr(None, SipUri("sip", user=escape_user(party.who.name), host=party.leg.local_host)))
