"""The ways of calls' sound, as ICE finds, chooses and loses them."""

from __future__ import annotations

import logging

from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.events import CallPath, CallReason
from voipnode.calls.sip_leg import SipLeg
from voipnode.media.events import MediaEvent, PathFailed, PathFound, RelayFound, RelayLost
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError, RemoteError

log = logging.getLogger(__name__)


class Paths:
    """Tells which way a call's sound goes, ends calls that have none, and updates far sides that need it."""

    def __init__(self, core: CallCore) -> None:
        self._core = core
        self._updates: dict[str, str] = {}  # by session, the re-INVITE that tells of the choice

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
        elif isinstance(event, RelayFound):
            self._tell(call, f"relay at {event.server}")
            if leg.connectivity is not None and leg.connectivity.moved(self._core.now):
                self._update(leg)
        elif isinstance(event, PathFailed):
            self._tell(call, "", detail=event.detail)
            if call.winner is leg and not call.over:
                self._core.end(call, (CallReason.FAILED, 0, f"no way for the sound: {event.detail}"))

    def _tell(self, call: Call, pair: str, *, after_ms: int = 0, chosen: bool = False, detail: str = "") -> None:
        self._core.bus.publish(
            CallPath(at=self._core.now, call=call.id, pair=pair, after_ms=after_ms, chosen=chosen, detail=detail)
        )

    def _update(self, leg: SipLeg) -> None:
        """RFC 8839 §4.3.4: middleboxes follow the default address, and peers of RFC 5245 wait for it."""
        if leg.offering or not leg.session:
            return
        offer = leg.make_offer()
        try:
            self._updates[leg.session] = self._core.endpoint.reinvite(leg.session, offer, self._core.now)
        except LocalError as error:  # another change is under way: the next offer of ours will say it
            log.debug("%s is not told of the chosen way now: %s", leg.remote, error)
            leg.abandon_offer()

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
        except RemoteError as error:
            log.debug("call %s: the far side does not take the chosen way into its books: %s", call.id, error.reason)
            leg.abandon_offer()

    def before_end(self, session: str) -> None:
        """The session is over."""
        self._updates.pop(session, None)
