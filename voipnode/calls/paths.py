"""The ways of calls' sound, as ICE finds, chooses and loses them."""

from __future__ import annotations

import logging

from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.events import CallPath, CallReason
from voipnode.calls.leg_relays import LegRelays
from voipnode.calls.sip_leg import SipLeg
from voipnode.media.events import (
    AddressMoved,
    MediaEvent,
    PathFailed,
    PathFound,
    PeerNotRelayed,
    RelayFound,
    RelayLost,
)
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.timers import DeadlineQueue

log = logging.getLogger(__name__)

TRY_AGAIN_S = 1.0
MAX_TRIES = 60  # as long as a telephone may ring


class Paths:
    """Tells which way a call's sound goes, ends calls that have none, and updates far sides that need it."""

    def __init__(self, core: CallCore) -> None:
        self._core = core
        core.say_again = self.say_again
        self._updates: dict[str, str] = {}  # by session, the re-INVITE that tells of the choice
        self._owed: dict[str, int] = {}  # by session, how often it will be tried to say that our address is another one
        self._deadlines: DeadlineQueue[str] = DeadlineQueue()

    def on_media_event(self, call: Call, leg: SipLeg, event: MediaEvent) -> None:
        """The leg's ICE tells something; of legs that others have won nobody wants to hear."""
        if call.winner not in (None, leg):
            return
        if isinstance(event, PathFound):
            log.debug("call %s: %s after %.0f ms", call.id, event.pair, event.after_s * 1000)
            self._tell(call, event.pair, after_ms=round(event.after_s * 1000), chosen=event.chosen)
            if event.chosen and leg.connectivity is not None and leg.connectivity.wants_update:
                self._update(leg)
        elif isinstance(event, RelayLost):
            self._tell(call, "", detail=event.words)
        elif isinstance(event, PeerNotRelayed):
            if isinstance(leg.connectivity, LegRelays):  # with ICE there are other candidates
                self._tell(call, "", detail=f"no sound by the relay for {event.host}: {event.words}")
        elif isinstance(event, RelayFound | AddressMoved):
            if leg.connectivity is not None and leg.connectivity.moved(self._core.now):
                self.say_again(leg)
        elif isinstance(event, PathFailed):
            self._tell(call, "", detail=event.detail)
            if call.winner is leg and not call.over:
                self._core.end(call, (CallReason.FAILED, 0, f"no way for the sound: {event.detail}"))

    def _tell(self, call: Call, pair: str, *, after_ms: int = 0, chosen: bool = False, detail: str = "") -> None:
        self._core.bus.publish(
            CallPath(at=self._core.now, call=call.id, pair=pair, after_ms=after_ms, chosen=chosen, detail=detail)
        )

    def say_again(self, leg: SipLeg) -> None:
        """Our address is another one, or what else the far side has to be told, so that sound goes where it should."""
        self._owed[leg.session] = MAX_TRIES
        self._update(leg)

    def _update(self, leg: SipLeg) -> None:
        """RFC 8839 §4.3.4: middleboxes follow the default address, and peers of RFC 5245 wait for it."""
        if not leg.session:
            return
        if leg.offering:
            self._try_again(leg.session, TRY_AGAIN_S)
            return
        offer = leg.make_offer()
        try:
            self._updates[leg.session] = self._core.endpoint.reinvite(leg.session, offer, self._core.now)
        except LocalError as error:  # another change is under way, or nobody has answered yet
            log.debug("%s is not told of our address now: %s", leg.remote, error)
            leg.abandon_offer()
            self._try_again(leg.session, TRY_AGAIN_S)

    def _try_again(self, session: str, after_s: float) -> None:
        """What the far side must know is said once more; of a choice, the next offer tells."""
        tries = self._owed.pop(session, 0)
        if tries:
            self._owed[session] = tries - 1
            self._deadlines.set(session, self._core.now + after_s)

    def on_answered(self, call: Call, event: sip.ReinviteAnswered) -> None:
        """The far side answered a re-INVITE; only ours is looked at. Sound goes on whatever it says."""
        if self._updates.get(event.session) != event.token:
            return
        del self._updates[event.session]
        leg = call.legs[event.session]
        try:
            if not 200 <= event.status < 300:
                raise RemoteError(event.status, event.reason)
            leg.take_answer(event.body or b"", self._core.now)
            self._owed.pop(event.session, None)
        except RemoteError as error:
            log.debug("call %s: the far side does not take the chosen way into its books: %s", call.id, error.reason)
            leg.abandon_offer()
            if event.status == 491:
                self._try_again(event.session, event.retry_after_s)  # RFC 3261 §14.1

    def before_end(self, session: str) -> None:
        """The session is over."""
        self._updates.pop(session, None)
        self._owed.pop(session, None)
        self._deadlines.cancel(session)

    def next_deadline(self) -> float | None:
        return self._deadlines.next_deadline()

    def on_deadline(self, now: float) -> None:
        """Say again what could not be said."""
        while (session := self._deadlines.pop_due(now)) is not None:
            call = self._core.table.of_session(session)
            if call is not None and not call.over:
                self._update(call.legs[session])
