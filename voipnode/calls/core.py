"""What the parts of the switch share: the calls, their legs and ends, and the engine's present moment."""

from __future__ import annotations

from collections.abc import Callable

from voipnode.calls.call import Call, Outcome
from voipnode.calls.call_table import CallTable
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.events import CallReason, CallState, Problem
from voipnode.calls.hooks import Bus
from voipnode.calls.ports import LocalAddress
from voipnode.calls.settings import SipSettings
from voipnode.calls.sip_leg import LegMedia, SipLeg
from voipnode.sipstack import events as sip
from voipnode.sipstack.endpoint import Endpoint
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.transport import Hop


class CallCore:
    """The state of a switch; `now` is set by whoever brings input, before anything else."""

    def __init__(
        self,
        settings: SipSettings,
        *,
        endpoint: Endpoint,
        local_address: LocalAddress,
        media: LegMedia,
        door: DoorBridge,
        bus: Bus,
    ) -> None:
        self.settings = settings
        self.endpoint = endpoint
        self.local_address = local_address
        self.door = door
        self.bus = bus
        self.table = CallTable(bus)
        self.now = 0.0
        self.on_media_events: Callable[[SipLeg], None] = lambda leg: None
        self._media = media

    def open_leg(self, call: Call, local_host: str, hop: Hop) -> SipLeg | None:
        """A leg for the peer behind `hop`, with its media path; None, and a `Problem`, where no port is free."""
        try:
            return SipLeg(call.account, self._media, local_host, hop.remote.host, self._tell_media_events)
        except OSError as error:
            words = f"no RTP port is free ({error}); {call.remote} is not served"
            self.bus.publish(Problem(where="sip.rtp_start_port", detail=words))
            return None

    def _tell_media_events(self, leg: SipLeg) -> None:
        self.on_media_events(leg)

    def activate(self, call: Call, leg: SipLeg, reason: CallReason) -> None:
        """Somebody answered: this leg has the door, for as long as a call may last."""
        call.winner = leg
        if leg.carries_audio:
            self.door.join(leg)
        limit = self.settings.max_call_duration_s
        self.table.limit(call, None if limit == "infinite" else self.now + limit)
        words = f"in a call with {call.remote}"
        self.table.enter(call, CallState.ACTIVE, reason, now=self.now, status=200, detail=words)

    def direction_changed(self, call: Call, leg: SipLeg) -> None:
        """Offer and answer may have begun or ended the leg's audio."""
        if call.winner is leg and not call.over:
            (self.door.join if leg.carries_audio else self.door.leave)(leg)

    def take_answer(self, call: Call, leg: SipLeg, answer: bytes) -> bool:
        """The far side's answer to our first offer; False, with the reason kept, where it cannot be used."""
        try:
            leg.take_answer(answer, self.now)
        except RemoteError as error:
            self.table.leg_failed(call, no_common_audio(error))
            return False
        return True

    def hang_up(self, session: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Have the endpoint end a session, unless it has ended and we have not heard of it yet."""
        if self.endpoint.knows(session):
            self.endpoint.hang_up(session, self.now, headers)

    def end(self, call: Call, outcome: Outcome, reject_status: int = 486) -> None:
        """Bring all legs down; the call is over when the last one is."""
        if call.over:
            return
        rings_here = call.direction == "incoming" and call.state is not CallState.ACTIVE
        self.table.terminating(call, outcome, self.now)
        for leg in list(call.legs.values()):
            self.door.leave(leg)
            if not rings_here:
                self.hang_up(leg.session)
            elif self.endpoint.is_waiting(leg.session):
                self.endpoint.reject(leg.session, reject_status, self.now)

    def session_ended(self, event: sip.SessionEnded, outcome: Outcome) -> None:
        """A leg's dialog is over, whoever ended it; the call is, when it was the last one."""
        found = self.table.detach(event.session)
        if found is None:
            return
        call, leg = found
        self.door.leave(leg)
        leg.close(self.now)
        if call.winner is leg:
            self.table.terminating(call, outcome, self.now)
        else:
            self.table.leg_failed(call, outcome)
        if not call.legs:
            self.table.finish(call, self.now)


def no_common_audio(error: RemoteError) -> Outcome:
    """What a session description that cannot be used means for people."""
    return CallReason.FAILED, error.status, f"no common audio: {error.reason}"
