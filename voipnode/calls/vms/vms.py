"""Calls that any HTTP client answers by sending sound, and ends by stopping.

They are calls like all others: the recipient "vms" rings beside telephones or alone, the first to answer wins, and all
is told by `CallChanged`. A client that answers is no SIP leg: the call has no winner among its legs, and its party is
here. It needs no SIP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.early_media import EarlyMedia
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallChanged, CallReason, CallState
from voipnode.calls.vms.leg import Ear, VmsLeg
from voipnode.calls.vms.ports import VMS, VMS_ACCOUNT
from voipnode.calls.vms.settings import VmsSettings
from voipnode.media.byte_sound import ByteFormat, byte_format
from voipnode.media.errors import LocalError
from voipnode.sipstack.timers import DeadlineQueue

MAX_EARS = 64  # of one call


@dataclass(slots=True, eq=False)
class Offered:
    """A call that clients may answer, or that one has answered: then it has a `leg`."""

    call: Call
    answered: Callable[[], None]
    ears: list[Ear] = field(default_factory=list)
    leg: VmsLeg | None = None


class VmsCalls:
    """Offers calls to clients, and carries their sound."""

    def __init__(self, core: CallCore, early: EarlyMedia, settings: VmsSettings) -> None:
        self.enabled = settings.enabled
        self._core = core
        self._early = early
        self._settings = settings
        self._offered: dict[str, Offered] = {}  # by call
        self._deadlines: DeadlineQueue[str] = DeadlineQueue()
        core.listen(CallChanged, self._on_changed, who="vms")

    # For the one who rings

    def ring(self, call: Call, answered: Callable[[], None]) -> None:
        """Offer a call; somebody waits in it from now on, without a leg."""
        self._offered[call.id] = Offered(call, answered)
        call.searching += 1
        self._early.rings(call, VMS)

    def stop(self, call: Call) -> None:
        """Offer it no longer."""
        offered = self._offered.get(call.id)
        if offered is not None and offered.leg is None:
            self._forget(offered)
            self._early.rings_no_more(call, VMS)

    # For clients

    def speak(self, form: str, who: str, call: str = "") -> tuple[str, VmsLeg]:
        """A client begins to send sound: it answers the call of that id, or the one that rings. Its id, and the way in.

        `who` is told as the far side. Raises NotNowError where none rings, CallError for a format that is not known.
        """
        kind = _format(form)
        offered = next((each for each in self._candidates(call) if each.leg is None), None)
        if offered is None:
            raise NotNowError(self._why_not(call))
        core, answered_call = self._core, offered.call
        leg = offered.leg = VmsLeg(kind, offered.ears, lambda now: self._over(answered_call.id, now))
        offered.answered()
        answered_call.account, answered_call.remote = VMS_ACCOUNT, who
        self.heard(answered_call.id, core.now)
        core.door.join(leg, VMS_ACCOUNT.sound_wishes)
        core.table.limit(answered_call, core.now + core.longest_s(answered_call))
        core.table.enter(
            answered_call,
            CallState.ACTIVE,
            CallReason.ACCEPTED_BY_REMOTE,
            now=core.now,
            status=200,
            detail=f"in a call with {who}, by HTTP",
        )
        return answered_call.id, leg

    def listen(self, form: str, call: str = "") -> Ear:
        """A client begins to listen: it hears the door once the call is answered, and until it ends.

        Raises NotNowError where there is no such call now, or too many listen; CallError for an unknown format.
        """
        kind = _format(form)
        offered = next(self._candidates(call), None)
        if offered is None:
            raise NotNowError(self._why_not(call))
        ears = offered.ears
        if len(ears) >= MAX_EARS:
            raise NotNowError(f"{MAX_EARS} listen already")
        ear = Ear(kind, lambda gone: ears.remove(gone) if gone in ears else None)
        ears.append(ear)
        if offered.leg is not None:
            self._core.door.join(offered.leg)  # which fits the rate
        return ear

    def heard(self, call: str, now: float) -> None:
        """Sound has come for this call."""
        if call in self._offered:
            self._deadlines.set(call, now + self._settings.silent_after_s)

    def stopped(self, call: str) -> None:
        """Its client sends no more; the call ends when what was sent has been heard."""
        offered = self._offered.get(call)
        if offered is not None and offered.leg is not None:
            offered.leg.sound.end()
            self._deadlines.cancel(call)

    # Time

    def next_deadline(self) -> float | None:
        return self._deadlines.next_deadline()

    def on_deadline(self, now: float) -> None:
        """End what has fallen silent."""
        while (call := self._deadlines.pop_due(now)) is not None:
            offered = self._offered.get(call)
            if offered is not None and offered.leg is not None:
                words = f"no sound has come for {self._settings.silent_after_s:g} s (vms.silent_after_s)"
                self._core.end(offered.call, (CallReason.TERMINATED, 0, words))

    # Inside

    def _candidates(self, call: str) -> Iterator[Offered]:
        """The calls that a client may mean, the oldest first."""
        return (each for each in self._offered.values() if call in ("", each.call.id))

    def _over(self, call: str, now: float) -> None:
        offered = self._offered.get(call)
        if offered is not None:
            self._core.now = max(self._core.now, now)
            self._core.end(offered.call, (CallReason.TERMINATED, 0, "the client has stopped sending"))

    def _on_changed(self, event: CallChanged) -> None:
        offered = self._offered.get(event.call)
        if offered is not None and event.state in (CallState.TERMINATING, CallState.TERMINATED):
            if offered.leg is not None:
                offered.leg.close()
                self._core.door.leave(offered.leg)
            self._forget(offered)

    def _forget(self, offered: Offered) -> None:
        del self._offered[offered.call.id]
        self._deadlines.cancel(offered.call.id)
        offered.call.searching -= 1
        for ear in offered.ears:
            ear.end()

    def _why_not(self, call: str) -> str:
        if not self._offered:
            return "no call rings that a client could answer"
        known = ", ".join(
            f"{each.call.id} ({'answered' if each.leg is not None else 'rings'})" for each in self._offered.values()
        )
        return f'call "{call}": it cannot be answered by a client now; there is {known}' if call else known


def _format(name: str) -> ByteFormat:
    try:
        return byte_format(name)
    except LocalError as error:
        raise CallError(f"sound as {error}") from error
