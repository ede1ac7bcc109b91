"""The calls of the door: what the endpoint and the media tell of them is carried to the part that it concerns.

The parts stand around a shared `core`: `outgoing` places calls, `incoming` takes them, `digits` carries keys,
`changes`, `holds` and `paths` offer and answer anew, `redirects`, `referred` and `transfers` lead elsewhere,
`early_media` and `door_sounds` are what is heard around a call.
"""

from __future__ import annotations

from voipnode.calls.call import Call
from voipnode.calls.changes import Changes
from voipnode.calls.core import CallCore
from voipnode.calls.digits import Digits
from voipnode.calls.door_sounds import DoorSounds
from voipnode.calls.early_media import EarlyMedia
from voipnode.calls.events import CallReason, CallState
from voipnode.calls.exchange.at_door import AtDoor
from voipnode.calls.holds import Holds
from voipnode.calls.incoming import Incoming
from voipnode.calls.outcome import outcome_of
from voipnode.calls.outgoing import Outgoing
from voipnode.calls.paths import Paths
from voipnode.calls.redirects import Redirects
from voipnode.calls.referred import Referred
from voipnode.calls.sip_leg import SipLeg
from voipnode.calls.transfers import Transfers
from voipnode.calls.vms.settings import VmsSettings
from voipnode.calls.vms.vms import VmsCalls
from voipnode.media.events import HandshakeFailed, KeysMade, MediaEvent
from voipnode.sipstack import events as sip


class DoorCalls:
    """All parts of the door's calls; the switch hands them what happens, and gives them its commands."""

    def __init__(self, core: CallCore, at_door: AtDoor, vms: VmsSettings) -> None:
        self._core = core
        self.outgoing = Outgoing(core)
        self.incoming = Incoming(core)
        self.digits = Digits(core)
        self.holds = Holds(core)
        self.transfers = Transfers(core)
        self._changes = Changes(core)
        self._early = EarlyMedia(core)
        self._sounds = DoorSounds(core, self._attention_paid)
        self.vms = core.vms = VmsCalls(core, self._early, vms)
        core.on_leg_leaving = self._early.before_end
        self._redirects = Redirects(core, self.outgoing)
        self._referred = Referred(core, self.outgoing, at_door)
        self._paths = Paths(core)

    def _attention_paid(self, call_id: str, now: float) -> None:
        """The clip that announces a caller has ended: he is let speak, unless he has left."""
        self._core.now = now
        for call in self._core.table.calls:
            if call.id == call_id and call.state is CallState.RINGING:
                self.incoming.answer(call)
                self._core.after_command()

    # ---- what happens

    def on_event(self, event: sip.Event) -> None:
        """Something that belongs to a call of the door, or to none."""
        if isinstance(event, sip.SessionEnded):
            self._on_session_ended(event)
        elif isinstance(event, sip.TransferProgress):
            self.transfers.on_progress(event)
        elif isinstance(event, sip.ReferralEnded):
            self._referred.on_referral_ended(event)
        else:
            call = self._core.table.of_session(getattr(event, "session", ""))
            if call is not None:
                self._on_session_event(call, event)

    def _on_session_ended(self, event: sip.SessionEnded) -> None:
        self._early.before_end(event.session)
        self.holds.before_end(event)
        self._paths.before_end(event.session)
        self._referred.before_end(event)
        if not self._redirects.follow(event):
            self._core.session_ended(event, outcome_of(event))

    def _on_session_event(self, call: Call, event: sip.Event) -> None:
        match event:
            case sip.CallProgress():
                if not self._referred.on_progress(call, event):
                    self.outgoing.on_progress(call, event)
                    self._early.on_progress(call, event)
            case sip.CallAnswered():
                if not self._referred.on_answered(call, event):
                    self.outgoing.on_answered(call, event)
            case sip.CallConfirmed():
                self.incoming.on_confirmed(call, event)
            case sip.EarlyAnswer():
                self.incoming.on_early_answer(call, event)
            case sip.UpdateReceived():
                self._changes.on_update(call, event)
            case sip.SessionRefreshed():
                self._changes.on_refreshed(call, event)
            case sip.ReinviteReceived():
                self._changes.on_reinvite(call, event)
            case sip.ReinviteAnswered():
                self.holds.on_answered(call, event)
                self._paths.on_answered(call, event)
            case sip.ReferReceived():
                self._referred.on_refer(call, event)
            case sip.ReinviteConfirmed():
                self._changes.on_reinvite_confirmed(call, event)
            case sip.InfoReceived():
                self.digits.on_info(call, event)

    def on_media_event(self, leg: SipLeg, event: MediaEvent) -> None:
        """The media of a leg tell something."""
        call = self._core.table.of_session(leg.session)
        if call is None:
            return
        if isinstance(event, KeysMade | HandshakeFailed):
            self._core.handshake_ended(call, leg, event)
        else:
            self._paths.on_media_event(call, leg, event)
            self.digits.on_media_event(call, leg, event)

    # ---- time

    def next_deadline(self) -> float | None:
        clocks = (self._core.table, self._referred, self.holds, self._paths, self.vms)
        deadlines = [clock.next_deadline() for clock in clocks]
        return min((at for at in deadlines if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Do what is due: offers that wait, then the calls' own limits."""
        self._referred.on_deadline(now)
        self.holds.on_deadline(now)
        self._paths.on_deadline(now)
        self.vms.on_deadline(now)
        while (call := self._core.table.pop_due(now)) is not None:
            self._time_is_up(call)

    def _time_is_up(self, call: Call) -> None:
        if call.state is CallState.ACTIVE:
            self._core.end(call, (CallReason.TERMINATED, 0, "longest call duration reached (sip.max_call_duration_s)"))
        elif call.direction == "outgoing":
            self.outgoing.time_is_up(call)
        else:
            words = "not answered here (sip.incoming_call_timeout_s)"
            self._core.end(call, (CallReason.NO_ANSWER, 480, words), reject_status=480)
