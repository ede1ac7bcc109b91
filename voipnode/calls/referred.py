"""Transfers that the far side asks for: it names somebody, and the door goes on talking with that one (RFC 5589).

What a far side may ask for is bounded: only a party that the node called, or a caller that the settings trust, may have
the node call others (`sip.allow_transfer`); only in the call that it is in; only SIP addresses. An extension of the
node has those called that it may dial, all their telephones at once. The right to open doors is not handed on: digits
of the new party act only where the node itself had rung it in this call, or where it is an extension that may open.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from voipnode.calls.call import Call
from voipnode.calls.core import ANSWERED_ELSEWHERE, CallCore, Found
from voipnode.calls.events import CallState, CallTransfer
from voipnode.calls.exchange.at_door import AtDoor
from voipnode.calls.outgoing import Outgoing, keep_early
from voipnode.calls.refusals import Refusals
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.replaces import REPLACES
from voipnode.sipstack.timers import DeadlineQueue

MAX_LEGS = 6
_STATUS = {sip.EndCause.TIMEOUT: 408, sip.EndCause.TRANSPORT: 503}


@dataclass(slots=True, eq=False)
class Wish:
    """What the far side of a call asked for. `sessions` are those of the new party's telephones that ring; `pending`:
    how many are still to be called."""

    event: sip.ReferReceived
    call: Call
    sessions: set[str] = field(default_factory=set)
    pending: int = 0
    answered: bool = False


class Referred:
    """Carries out the transfers that far sides ask for, one at a time for each call."""

    def __init__(self, core: CallCore, outgoing: Outgoing, at_door: AtDoor) -> None:
        self._core = core
        self._at_door = at_door
        self._outgoing = outgoing
        self._wishes: dict[str, Wish] = {}  # by the call's id
        self._deadlines: DeadlineQueue[str] = DeadlineQueue()
        self._refused = Refusals()

    def on_refer(self, call: Call, event: sip.ReferReceived) -> None:
        """The far side asks; answered at once."""
        core = self._core
        leg = call.legs[event.session]
        leg.proven = True  # it carries the tag of our answer, even where it overtook the ACK
        caller = self._at_door.caller(leg)
        to = None if caller is None else self._at_door.destination(caller, event.refer_to)
        wanted = core.endpoint.session_replaced_by(event.replaces) if event.replaces is not None else ""
        why = self._refusal(call, leg, known=caller is not None)
        if not why and not wanted and to is not None and to.kind == "refused":
            why = to.why
        if why:
            self._refused.note(call.remote, f"transfer refused: {why}", core.now)
            core.endpoint.reject_refer(event.token, 603, core.now)
            return
        core.endpoint.accept_refer(event.token, core.now)
        wish = self._wishes[call.id] = Wish(event, call)
        self._tell(wish, 100, "asked for by the far side", final=False)
        if wanted:
            self._join(wish, leg, wanted)
        elif to is not None:
            self._at_door.find(call, to, lambda ways: self._found(wish, ways))
        else:
            core.find(call, event.refer_to, leg.account, lambda ways: self._found(wish, ways))

    def _join(self, wish: Wish, leg: SipLeg, session: str) -> None:
        """The call that ours is to take the place of is the node's own: its other party comes to the door."""
        if not self._at_door.join(leg, session):
            self._failed(wish, 404, "Not Found")
            return
        wish.answered = True
        self._tell(wish, 200, "joined with another call", final=True)
        if not self._core.endpoint.refer_progress(wish.event.token, 200, "OK", self._core.now):
            self._part(wish)

    def _refusal(self, call: Call, leg: SipLeg, *, known: bool) -> str:
        rule = self._core.settings.allow_transfer
        if call.state is not CallState.ACTIVE or call.winner is not leg:
            return "the call does not stand"
        if call.id in self._wishes:
            return "another transfer is under way"
        if rule == "never":
            return "sip.allow_transfer is never"
        # A party that came by transfer was not chosen by the node: it may not send us on.
        chosen = known or call.authorised
        if rule == "trusted" and not chosen and (call.direction != "outgoing" or call.transferred):
            return "the far side is neither one that the node called nor trusted (sip.allow_transfer)"
        return ""

    def _found(self, wish: Wish, ways: Found) -> None:
        event = wish.event
        if not ways:
            self._failed(wish, 404, "Not Found")
            return
        headers = []
        if event.replaces is not None:
            headers = [("Replaces", str(event.replaces)), ("Require", REPLACES)]  # RFC 3891 §4
        if event.referred_by:
            headers.append(("Referred-By", event.referred_by))  # RFC 3892 §3
        wish.pending = len(ways[:MAX_LEGS])
        for way in ways[:MAX_LEGS]:
            self._outgoing.add_leg(wish.call, way, headers=tuple(headers), then=lambda leg: self._called(wish, leg))

    def _called(self, wish: Wish, leg: SipLeg | None) -> None:
        core = self._core
        wish.pending -= 1
        if leg is not None:
            wish.sessions.add(leg.session)
            self._deadlines.set(wish.call.id, core.now + core.settings.calling_timeout_s)
        elif not wish.sessions and not wish.pending:
            self._failed(wish, 503, "Service Unavailable")

    # ---- what becomes of the new party

    def on_progress(self, call: Call, event: sip.CallProgress) -> bool:
        """Whether it is the new party that says something on the way; the far side is told."""
        wish = self._wish(event.session, call)
        if wish is None:
            return False
        keep_early(call.legs[event.session], event)
        self._core.endpoint.refer_progress(wish.event.token, event.status, printable(event.reason), self._core.now)
        return True

    def on_answered(self, call: Call, event: sip.CallAnswered) -> bool:
        """Whether it is the new party that answered; it has the door from now on."""
        wish = self._wish(event.session, call)
        if wish is None:
            return False
        core, leg = self._core, call.legs[event.session]
        try:
            leg.take_answer(event.body or leg.early_answer(event.tag), core.now)
        except RemoteError as error:
            wish.sessions.discard(event.session)
            core.hang_up(event.session)
            if not wish.sessions and not wish.pending:
                self._failed(wish, error.status, error.reason)
            return True
        for other in wish.sessions - {event.session}:
            core.hang_up(other, ANSWERED_ELSEWHERE)
        wish.answered, leg.proven = True, True
        self._deadlines.cancel(call.id)
        old = call.winner
        if self._at_door.opens(leg):
            call.authorised = True
        elif not any(wish.event.refer_to.equivalent(own) for own in call.own):
            call.authorised, call.transferred = False, True
        core.hand_over(call, leg, f"transferred to {leg.remote}")
        self._tell(wish, 200, "the new party answered", final=True)
        heard = core.endpoint.refer_progress(wish.event.token, 200, "OK", core.now)
        if not heard:
            self._part(wish)
        elif old is None:
            del self._wishes[call.id]
        return True

    def on_referral_ended(self, event: sip.ReferralEnded) -> None:
        """The far side knows how it went, or listens no more. One that knows of success is let go (RFC 5589 §6.1)."""
        for wish in list(self._wishes.values()):
            if wish.event.token == event.token and wish.answered:
                self._part(wish)

    def before_end(self, event: sip.SessionEnded) -> None:
        """A session is about to be counted out: the new party's, or that of the one who asked."""
        core = self._core
        call = core.table.of_session(event.session)
        wish = self._wishes.get(call.id) if call is not None else None
        if call is None or wish is None:
            return
        winner = call.winner.session if call.winner is not None else ""
        if event.session in wish.sessions and (not wish.answered or event.session != winner):
            wish.sessions.discard(event.session)
            if wish.answered or wish.sessions or wish.pending:
                return  # another telephone of the new party rings on, or has answered
            self._failed(wish, event.status or _STATUS.get(event.cause, 487), printable(event.reason) or "Ended")
        elif event.session == wish.event.session and not wish.answered and not call.over:
            # It asked and left, as it may: the call goes on with the one who is being called.
            core.door.leave(call.legs[event.session])
            call.winner = None
        elif wish.answered:
            del self._wishes[call.id]

    # ---- time

    def next_deadline(self) -> float | None:
        return self._deadlines.next_deadline()

    def on_deadline(self, now: float) -> None:
        """Give up new parties that do not answer (`sip.calling_timeout_s`)."""
        while (call_id := self._deadlines.pop_due(now)) is not None:
            wish = self._wishes.get(call_id)
            for session in wish.sessions if wish is not None else ():
                self._core.hang_up(session)

    # ---- inside

    def _wish(self, session: str, call: Call) -> Wish | None:
        wish = self._wishes.get(call.id)
        return wish if wish is not None and session in wish.sessions and not wish.answered else None

    def _failed(self, wish: Wish, status: int, reason: str) -> None:
        """Nothing came of it: the far side is told, and the call stays as it was."""
        self._deadlines.cancel(wish.call.id)
        self._wishes.pop(wish.call.id, None)
        self._core.endpoint.refer_progress(wish.event.token, status, reason, self._core.now)
        self._tell(wish, status, f"{status} {reason}", final=True)

    def _part(self, wish: Wish) -> None:
        self._wishes.pop(wish.call.id, None)
        self._core.hang_up(wish.event.session)

    def _tell(self, wish: Wish, status: int, detail: str, *, final: bool) -> None:
        to = str(wish.event.refer_to)
        self._core.bus.publish(
            CallTransfer(
                at=self._core.now, call=wish.call.id, to=to, by="far", status=status, final=final, detail=detail
            )
        )
