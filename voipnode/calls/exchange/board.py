"""The calls through the node: found by id or SIP session, told to the house, their parties in rooms."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from voipnode.calls.call import Outcome
from voipnode.calls.core import CallCore
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.events import DtmfReceived, ExchangeCallChanged
from voipnode.calls.exchange.destination import Caller, Destination
from voipnode.calls.exchange.party import Party
from voipnode.calls.exchange.ports import Room
from voipnode.calls.exchange.through_call import TOLD_AS, Action, Input, State, ThroughCall
from voipnode.calls.leg_quality import leg_quality
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack.events import IncomingCall
from voipnode.sipstack.timers import DeadlineQueue

log = logging.getLogger(__name__)

MakeRoom = Callable[[], Room]


class Board:
    """What the parts of the exchange share. Ids are "x1", "x2", ... and are not used again while the process lives."""

    def __init__(self, core: CallCore, make_room: MakeRoom) -> None:
        self.core = core
        self.limits: DeadlineQueue[str] = DeadlineQueue()
        self._make_room = make_room
        self._calls: dict[str, ThroughCall] = {}
        self._of_session: dict[str, tuple[ThroughCall, Party]] = {}
        self._rooms: dict[str, Room] = {}
        self._number = 0

    @property
    def calls(self) -> tuple[ThroughCall, ...]:
        """Those that are not yet over, oldest first."""
        return tuple(self._calls.values())

    @property
    def engaged(self) -> int:
        """How many go on; one that is ending does not count: its peer may take 32 s to agree, or be dead."""
        return sum(not call.over for call in self._calls.values())

    def begun_by(self, caller: Caller) -> int:
        """How many of those this caller has begun, or has been given the caller's place in."""
        callers = [call.caller.who for call in self._calls.values() if not call.over]
        return sum((each.kind, each.name) == (caller.kind, caller.name) for each in callers)

    def new(self, caller: Party, to: Destination, invite: IncomingCall, max_forwards: int) -> ThroughCall:
        """A call that has just come in; its caller's session is known from now on."""
        self._number += 1
        call = ThroughCall(f"x{self._number}", caller, to, invite, max_forwards)
        self._calls[call.id] = call
        self.attach(call, caller)
        return call

    def knows(self, call_id: str) -> bool:
        return call_id in self._calls

    def known(self, call_id: str) -> ThroughCall:
        """The call of that id; raises UnknownNameError."""
        call = self._calls.get(call_id)
        if call is None:
            there = ", ".join(self._calls) or "none"
            raise UnknownNameError(f'call "{call_id}": there is no such call now; there is {there}')
        return call

    def of_session(self, session: str) -> tuple[ThroughCall, Party] | None:
        return self._of_session.get(session)

    def attach(self, call: ThroughCall, party: Party) -> None:
        call.parties[party.session] = party
        self._of_session[party.session] = (call, party)

    def release(self, session: str) -> tuple[ThroughCall, Party] | None:
        """Take a party off its call, its leg as it is: it goes on elsewhere."""
        found = self._of_session.pop(session, None)
        if found is not None:
            call, party = found
            del call.parties[session]
            self._leave(call, party.leg)
        return found

    def drop(self, session: str) -> tuple[ThroughCall, Party] | None:
        """A session is over: close its leg, and take it off its call."""
        found = self.release(session)
        if found is not None:
            call, party = found
            talked = party in (call.caller, call.callee)
            quality = leg_quality(call.id, party.leg, party.name, answered=talked, at=self.core.now)
            if quality is not None:
                self.core.bus.publish(quality)
            party.leg.close(self.core.now)
        return found

    # ---- states

    def happens(self, call: ThroughCall, what: Input, outcome: Outcome | None = None) -> Action | None:
        """Bring the call into its next state and tell; None where this changes nothing. The first outcome stays."""
        action = call.happens(what)
        if action is None:
            return None
        if outcome is not None:
            call.outcome = outcome
        log.debug("call %s: %s (%s)", call.id, call.state.name, call.outcome[2])
        if call.over:
            self.limits.cancel(call.id)
        if action is Action.FORGET:
            del self._calls[call.id]
            self._rooms.pop(call.id, None)
        self.announce(call)
        return action

    def announce(self, call: ThroughCall, detail: str = "") -> None:
        """Tell how the call stands, where that is not as it was told last."""
        accounts = (party.who.name for party in (call.caller, *call.parties.values()) if party.who.kind == "trunk")
        reason, status, words = call.outcome
        news = ExchangeCallChanged(
            at=self.core.now,
            call=call.id,
            state=TOLD_AS[call.state],
            reason=reason,
            caller=call.caller.name,
            callee=call.callee.name if call.callee is not None else call.to.number or call.to.name,
            direction=_direction(call),
            account=call.to.name if call.to.kind == "trunk" else next(accounts, ""),
            status=status,
            detail=detail or words,
            encryption=(_keying(call.caller), _keying(call.callee)),
            codec=(call.caller.codec, "" if call.callee is None else call.callee.codec),
        )
        if call.told is None or replace(call.told, at=news.at) != news:
            call.told = news
            self.core.bus.publish(news)

    def settle(self, call: ThroughCall) -> None:
        """Forget a call whose last dialog is over, and for which nobody is being looked up."""
        if call.over and not call.parties and not call.searching:
            self.happens(call, Input.EMPTY)

    # ---- sound

    def give_room(self, call: ThroughCall, room: Room) -> None:
        """The parties of this call hear each other there, with whoever else is in it."""
        self._rooms[call.id] = room

    def move(self, call: ThroughCall, room: Room) -> None:
        """The parties of this call leave the room that they have, and who of them talks hears those of another one."""
        for party in call.parties.values():
            self._leave(call, party.leg)
        self.give_room(call, room)
        self.sound(call)

    def sound(self, call: ThroughCall) -> None:
        """Who hears whom may be another one now, or in another codec."""
        now, talking = self.core.now, [party.leg for party in call.talking] if not call.over else []
        for leg in talking:
            if leg.proven:
                leg.begin(now)
        room = self._rooms.get(call.id)
        if room is None:
            if len(talking) < 2:
                return
            room = self._rooms[call.id] = self._make_room()
        for party in call.parties.values():
            if party.leg not in talking:
                room.leave(party.leg, now)
        for leg in talking:
            room.join(leg, now)
        room.fit(now)

    def digit(self, call: ThroughCall, party: Party, digit: str, road: str) -> None:
        """A party pressed a key."""
        room = self._rooms.get(call.id)
        if room is not None and call.state is State.ACTIVE and party.leg.digit_pace.allows(self.core.now):
            room.digit(party.leg, digit, road)
            if room.at_door:
                self._tell_digit(call, party, digit, road)

    def _tell_digit(self, call: ThroughCall, party: Party, digit: str, road: str) -> None:
        """Who stands at the door with others, or looks out of it, opens it as in a call of the door: an extension that
        may, and nobody else."""
        self.core.bus.publish(
            DtmfReceived(
                at=self.core.now,
                call=call.id,
                digit=digit,
                road=road,
                account=party.leg.account.name,
                remote=party.leg.remote,
                authorised=party.who.kind == "extension" and party.who.opens and party.leg.proven,
            )
        )

    def _leave(self, call: ThroughCall, leg: SipLeg) -> None:
        room = self._rooms.get(call.id)
        if room is not None:
            room.leave(leg, self.core.now)

    def when_ready(self, call: ThroughCall, leg: SipLeg, then: Callable[[], None]) -> None:
        """Do this once the leg knows its addresses; never for a call that is over by then, whose leg is closed where
        it has no session."""
        if leg.ready:
            then()
            return
        call.searching += 1

        def done() -> None:
            call.searching -= 1
            if not call.over:
                then()
            elif leg.session not in call.parties:
                leg.close(self.core.now)
            self.settle(call)

        leg.when_ready.append(done)


def _direction(call: ThroughCall) -> str:
    if call.to.kind == "trunk":
        return "outgoing"
    return "incoming" if call.caller.who.kind == "trunk" else "internal"


def _keying(party: Party | None) -> str:
    return "" if party is None else party.leg.security.encryption.keying
