"""Changes within a call through the node: hold, other codecs, other addresses.

Each leg owns its own offers. What a party offers is answered at once, out of what the node knows of the other one; what
the other one has to know (that it is held, or heard again) is offered to it afterwards. So no offer of one leg ever
waits for the other leg's answer, and two parties that change something at the same moment cannot block each other:
where their offers meet ours, that leg alone sorts it out by 491 and the times of RFC 3261 §14.1, and whatever was said
meanwhile goes into the next offer.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from voipnode.calls.exchange.board import Board
from voipnode.calls.exchange.party import BOTH, Flow, Party
from voipnode.calls.exchange.through_call import ThroughCall
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.timers import DeadlineQueue

log = logging.getLogger(__name__)

MAX_TRIES = 8  # two sides that keep offering at the same moment
TRY_AGAIN_S = 1.0
NOT_IN_FORCE = 488


@dataclass(slots=True, eq=False)
class Telling:
    """A re-INVITE of ours under way, or one that waits to be tried again (`token` ""). `flow`: what it says."""

    call: ThroughCall
    party: Party
    flow: Flow
    codecs: tuple[str, ...] = ()
    token: str = ""
    tries: int = 0
    again: bool = False  # there is news since


class Changes:
    """Answers the offers of either party, and tells the other one what it has to know; one offer at a time for each."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._core = board.core
        self._tellings: dict[str, Telling] = {}  # by session
        self._deadlines: DeadlineQueue[str] = DeadlineQueue()

    # ---- what a party offers

    def on_event(self, call: ThroughCall, party: Party, event: sip.Event) -> None:
        """A party changes something, or answers to what we changed."""
        match event:
            case sip.ReinviteReceived():
                self._on_reinvite(call, party, event)
            case sip.ReinviteConfirmed():
                self._on_confirmed(call, party, event)
            case sip.UpdateReceived():
                self._on_update(call, party, event)
            case sip.SessionRefreshed():
                self._on_refreshed(call, party, event)
            case sip.ReinviteAnswered():
                self._on_answered(call, party, event)

    def _on_reinvite(self, call: ThroughCall, party: Party, event: sip.ReinviteReceived) -> None:
        endpoint, leg, now = self._core.endpoint, party.leg, self._core.now
        if not endpoint.is_waiting(event.session):
            return  # withdrawn, or the call ended, in the same piece of a stream
        try:
            body = self._answer(call, party, event.offer) if event.offer is not None else self._offer(call, party)
        except RemoteError as error:
            endpoint.reject_reinvite(event.session, error.status, now, error.headers)
            return
        endpoint.accept_reinvite(event.session, body, now)
        leg.answer_sent(now)
        self._changed(call, party)

    def _on_update(self, call: ThroughCall, party: Party, event: sip.UpdateReceived) -> None:
        """UPDATE has to be answered at once (RFC 3311 §5.2), which everything is here."""
        endpoint, leg, now = self._core.endpoint, party.leg, self._core.now
        if not endpoint.is_updating(event.session):
            return
        if party is not call.caller and call.callee is None and leg.early_tag != event.tag:
            endpoint.reject_update(event.session, NOT_IN_FORCE, now)  # a fork that nobody hears
            return
        try:
            body = self._answer(call, party, event.offer)
        except RemoteError as error:
            endpoint.reject_update(event.session, error.status, now, error.headers)
            return
        endpoint.accept_update(event.session, body, now)
        leg.answer_sent(now)
        self._changed(call, party)

    def _answer(self, call: ThroughCall, party: Party, offer: bytes) -> bytes:
        """Our answer: in the other one's codec where that was offered, and as that one wants sound to flow."""
        wants, offered = party.wants, party.offer
        party.offered(offer)
        party.offer = offer
        self._describe(call, party)
        try:
            return party.leg.take_offer(offer, self._core.now)
        except RemoteError:
            party.wants, party.offer = wants, offered
            raise

    def _offer(self, call: ThroughCall, party: Party) -> bytes:
        """It wants our offer (RFC 3261 §14.2)."""
        self._describe(call, party)
        return party.leg.make_offer()

    def _describe(self, call: ThroughCall, party: Party) -> None:
        other = call.other(party)
        if other is not None:
            party.told = other.wants
        party.leg.describe(party.told.direction, () if other is None else other.codecs)

    def _on_confirmed(self, call: ThroughCall, party: Party, event: sip.ReinviteConfirmed) -> None:
        """The ACK to a re-INVITE; it brings the answer where our 2xx brought the offer (RFC 3264 §4)."""
        if not party.leg.offering:
            return
        try:
            party.leg.take_answer(event.body or b"", self._core.now)
        except RemoteError as error:
            log.debug("call %s: no answer to our offer, all stays as it was: %s", call.id, error.reason)
            party.leg.abandon_offer()
            return
        party.answered(event.body)
        self._changed(call, party)

    def _on_refreshed(self, call: ThroughCall, party: Party, event: sip.SessionRefreshed) -> None:
        """Refreshes are each leg's own; one that is answered otherwise than before is news."""
        try:
            party.leg.take_refreshed(event.body, self._core.now)
        except RemoteError as error:
            log.debug("call %s: the refresh brought nothing of use: %s", call.id, error.reason)
            return
        party.answered(event.body)
        self._changed(call, party)

    def _changed(self, call: ThroughCall, party: Party) -> None:
        self._board.sound(call)
        self._board.announce(call)
        other = call.other(party)
        if other is not None and call.callee is not None and (other.told != party.wants or self._differ(party, other)):
            self.tell(call, other)

    # ---- what the other one has to know

    def align(self, call: ThroughCall, party: Party) -> None:
        """See to it that both know how the other one stands, and speak the same where they can; this one is new."""
        other = call.other(party)
        if other is None:
            return
        if other.told != party.wants or self._differ(party, other):
            self.tell(call, other)
        if party.told != other.wants:
            self.tell(call, party)

    def tell_again(self, call: ThroughCall, party: Party) -> None:
        """Our own address is another one, or ICE has chosen: the party has to hear of it (RFC 8839 §4.3.4)."""
        if call.callee is not None and party in call.talking:
            self.tell(call, party)

    def free(self, call: ThroughCall, party: Party) -> None:
        """The other one is gone, and the node itself in its place: who was held is held no more."""
        if party.told != BOTH:
            self.tell(call, party)

    def tell(self, call: ThroughCall, party: Party) -> None:
        """Offer this party how the other one stands now; while an offer is under way, after it."""
        telling = self._tellings.get(party.session)
        if telling is not None:
            telling.again = True
            return
        self._tellings[party.session] = Telling(call, party, party.told)
        self._try(self._tellings[party.session])

    def _try(self, telling: Telling) -> None:
        call, party, core = telling.call, telling.party, self._core
        other = call.other(party)
        if call.over or (other is None and call.callee is not None):
            self._done(telling)
            return
        telling.tries += 1
        telling.again = False
        before, party.told = party.told, BOTH if other is None else other.wants
        party.leg.describe(party.told.direction, () if other is None else other.codecs)
        try:
            offer = party.leg.make_offer()
        except (LocalError, RemoteError) as error:
            log.debug("call %s: %s is not told now: %s", call.id, party.name, error)
            party.told = before
            self._wait(telling, TRY_AGAIN_S)
            return
        try:
            telling.token = core.endpoint.reinvite(party.session, offer, core.now)
        except LocalError as error:  # the party is changing the session itself, or has not acknowledged our answer
            log.debug("call %s: %s is not told now: %s", call.id, party.name, error)
            party.leg.abandon_offer()
            party.told = before
            self._wait(telling, TRY_AGAIN_S)

    def _wait(self, telling: Telling, for_s: float) -> None:
        telling.token = ""
        if telling.tries < MAX_TRIES:
            self._deadlines.set(telling.party.session, self._core.now + for_s)
        else:
            log.info("call %s: %s keeps changing the session and is not told", telling.call.id, telling.party.name)
            self._done(telling)

    def _on_answered(self, call: ThroughCall, party: Party, event: sip.ReinviteAnswered) -> None:
        telling = self._tellings.get(event.session)
        if telling is None or telling.token != event.token:
            return
        try:
            if not 200 <= event.status < 300:
                raise RemoteError(event.status, event.reason)
            party.leg.take_answer(event.body or b"", self._core.now)
        except RemoteError as error:
            log.debug("call %s: %s does not take our offer: %s", call.id, party.name, error.reason)
            party.leg.abandon_offer()
            if event.status == 491:
                telling.again = True
                self._wait(telling, event.retry_after_s)  # RFC 3261 §14.1
                return
        else:
            party.answered(event.body)
        again = telling.again
        self._done(telling)
        self._board.sound(call)
        self._board.announce(call)
        other = call.other(party)
        if other is not None and other.told != party.wants:
            self.tell(call, other)
        if again and other is not None and party.told != other.wants:
            self.tell(call, party)

    def _done(self, telling: Telling) -> None:
        self._tellings.pop(telling.party.session, None)
        self._deadlines.cancel(telling.party.session)

    def before_end(self, party: Party) -> None:
        """The session is over, and what it was to be told with it."""
        telling = self._tellings.get(party.session)
        if telling is not None:
            self._done(telling)

    # ---- time

    def next_deadline(self) -> float | None:
        return self._deadlines.next_deadline()

    def on_deadline(self, now: float) -> None:
        """Try again what met an offer of the far side."""
        while (session := self._deadlines.pop_due(now)) is not None:
            self._try(self._tellings[session])

    # ---- inside

    def _differ(self, party: Party, other: Party) -> bool:
        """Whether the other one could speak this party's new codec, so that nothing need be coded anew."""
        codec = party.codec.lower()
        mine = {name.lower() for name in other.leg.account.audio_codecs}
        return bool(codec) and bool(other.codec) and codec != other.codec.lower() and codec in mine
