"""Hold from our side: the door falls silent for the far side, which is told so by re-INVITE (RFC 3264 §8.4)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import CallHeld, CallState
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.timers import DeadlineQueue

log = logging.getLogger(__name__)

MAX_TRIES = 5  # two sides that keep offering at the same moment


@dataclass(slots=True, eq=False)
class Change:
    """A hold or resume under way. `token` is the re-INVITE's, "" while it waits to be tried again."""

    call: Call
    leg: SipLeg
    held: bool
    token: str = ""
    tries: int = 0


class Holds:
    """Puts calls on hold and takes them back; one change at a time for each call."""

    def __init__(self, core: CallCore) -> None:
        self._core = core
        self._changes: dict[str, Change] = {}  # by session
        self._deadlines: DeadlineQueue[str] = DeadlineQueue()

    def set(self, call: Call, *, held: bool) -> None:
        """Hold or resume; nothing happens where it is so already. Raises NotNowError."""
        leg = call.winner
        if call.state is not CallState.ACTIVE or leg is None:
            raise NotNowError(f'call "{call.id}" is {call.standing}: only an active call can be held')
        if leg.session in self._changes:
            raise NotNowError(f'call "{call.id}": the last hold or resume is still under way')
        if leg.on_hold is held:
            return
        change = Change(call, leg, held)
        self._changes[leg.session] = change
        leg.on_hold = held
        if held:
            self._core.door.leave(leg)  # at once: whoever holds does not want to be heard
        try:
            self._offer(change)
        except LocalError as error:
            self._undo(change)
            raise NotNowError(f'call "{call.id}": {error}') from error

    def on_answered(self, call: Call, event: sip.ReinviteAnswered) -> None:
        """The far side answered a re-INVITE; only ours is looked at."""
        change = self._changes.get(event.session)
        if change is None or change.token != event.token:
            return
        if 200 <= event.status < 300:
            self._accepted(change, event.body or b"")
            return
        change.leg.abandon_offer()
        if event.status == 491 and change.tries < MAX_TRIES:
            change.token = ""
            self._deadlines.set(event.session, self._core.now + event.retry_after_s)  # RFC 3261 §14.1
            return
        self._undo(change)
        self._tell(change, f"refused ({event.status} {printable(event.reason)})")

    def before_end(self, event: sip.SessionEnded) -> None:
        """The session is over, and its change with it."""
        if self._changes.pop(event.session, None) is not None:
            self._deadlines.cancel(event.session)

    def next_deadline(self) -> float | None:
        return self._deadlines.next_deadline()

    def on_deadline(self, now: float) -> None:
        """Try again what met an offer of the far side."""
        while (session := self._deadlines.pop_due(now)) is not None:
            change = self._changes[session]
            try:
                self._offer(change)
            except LocalError as error:  # the far side is changing the session itself
                log.debug("call %s: hold has to wait: %s", change.call.id, error)
                if change.tries < MAX_TRIES:
                    self._deadlines.set(session, now + 1.0)
                else:
                    self._undo(change)
                    self._tell(change, "the far side keeps changing the session")

    def _offer(self, change: Change) -> None:
        change.tries += 1
        offer = change.leg.make_offer()
        try:
            change.token = self._core.endpoint.reinvite(change.leg.session, offer, self._core.now)
        except LocalError:
            change.leg.abandon_offer()
            raise

    def _accepted(self, change: Change, answer: bytes) -> None:
        try:
            change.leg.take_answer(answer, self._core.now)
        except RemoteError as error:
            change.leg.abandon_offer()
            self._undo(change)
            self._tell(change, f"no usable answer: {error.reason}")
            return
        del self._changes[change.leg.session]
        self._core.direction_changed(change.call, change.leg)
        self._tell(change, "")

    def _undo(self, change: Change) -> None:
        """Back to how it was."""
        del self._changes[change.leg.session]
        change.leg.on_hold = not change.held
        self._core.direction_changed(change.call, change.leg)

    def _tell(self, change: Change, detail: str) -> None:
        self._core.bus.publish(
            CallHeld(at=self._core.now, call=change.call.id, held=change.leg.on_hold, by="here", detail=detail)
        )
