"""What the parts of the switch share: the calls, their legs and ends, and the engine's present moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from voipnode.calls.call import Call, Outcome
from voipnode.calls.call_table import CallTable
from voipnode.calls.clips.ports import NO_CLIPS, Clips
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.events import CallReason, CallState, Problem
from voipnode.calls.hooks import Bus, E, Listener, Subscription
from voipnode.calls.leg_quality import leg_quality
from voipnode.calls.outcome import reason_of
from voipnode.calls.ports import LocalAddress
from voipnode.calls.ringing.parties import NoParties, Parties
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.calls.sip_leg import LegMedia, SipLeg
from voipnode.calls.vms.ports import NoVms, VmsRinging
from voipnode.calls.ways import Way
from voipnode.media.events import HandshakeFailed, KeysMade
from voipnode.sipstack import events as sip
from voipnode.sipstack.endpoint import Endpoint
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri

Found = Sequence[Way]  # how an address can be reached: one way, or none
Reach = Callable[[SipUri, AccountSettings, Callable[[Found], None]], None]
"""Finds out how an account reaches an address, and calls back, perhaps at once; with nothing where it cannot."""

ANSWERED_ELSEWHERE = (("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),)  # RFC 3326 §2


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
        clips: Clips = NO_CLIPS,
    ) -> None:
        self.settings = settings
        self.endpoint = endpoint
        self.local_address = local_address
        self.door = door
        self.bus = bus
        self.clips = clips
        self.table = CallTable(bus)
        self.now = 0.0
        self._places: list[Subscription] = []
        self.reach: Reach = lambda uri, account, done: done(())
        self.parties: Parties = NoParties()
        self.vms: VmsRinging = NoVms()
        self.after_command: Callable[[], None] = lambda: None  # has what somebody set going be carried on, and sent
        self.say_again: Callable[[SipLeg], None] = lambda leg: None  # tells its far side what its description is now
        self.on_media_events: Callable[[SipLeg], None] = lambda leg: None
        self.on_leg_failed: Callable[[Call, SipLeg, Outcome], None] = lambda call, leg, outcome: None
        self.on_leg_leaving: Callable[[str], None] = lambda session: None  # before it is taken off its call
        self._media = media

    def listen(self, kind: type[E], listener: Listener[E], *, who: str) -> None:
        """Hear events of the bus, which outlives this switch, until it is closed."""
        self._places.append(self.bus.subscribe(kind, listener, who=who))

    def close(self) -> None:
        """Hear nothing any more: another switch has the calls from now on."""
        for place in self._places:
            place.cancel()
        self._places = []

    def open_leg(
        self,
        call: Call,
        local_host: str,
        hop: Hop,
        *,
        account: AccountSettings | None = None,
        confidential: bool | None = None,
    ) -> SipLeg | None:
        """A leg of this call; `account`: whose settings it has, where they are not the call's. As `new_leg`."""
        return self.new_leg(account or call.account, local_host, hop, call.remote, confidential=confidential)

    def new_leg(
        self, account: AccountSettings, local_host: str, hop: Hop, remote: str, *, confidential: bool | None = None
    ) -> SipLeg | None:
        """A leg for the peer behind `hop`, with its media path; None, and a `Problem`, where no port is free.

        `confidential`: whether all that it signals goes over TLS, where that is more than `hop` says.
        """
        secret = hop.secure if confidential is None else confidential
        try:
            leg = SipLeg(
                account, self._media, local_host, hop.remote.host, self._tell_media_events, confidential=secret
            )
        except OSError as error:
            words = f"no RTP port is free ({error}); {remote} is not served"
            self.bus.publish(Problem(where="sip.rtp_start_port", detail=words))
            return None
        leg.gather(self.now)
        return leg

    def when_ready(self, call: Call, leg: SipLeg, then: Callable[[], None]) -> None:
        """Do this once the leg knows its addresses: at once, or within `sip.nat.gather_timeout_s`; never for a call
        that is over by then, whose leg is closed."""
        if leg.ready:
            then()
            return
        call.searching += 1

        def done() -> None:
            call.searching -= 1
            if not call.over:
                then()
            elif leg.session not in call.legs:
                leg.close(self.now)
            self.settle(call)

        leg.when_ready.append(done)

    def _tell_media_events(self, leg: SipLeg) -> None:
        self.on_media_events(leg)

    def activate(self, call: Call, leg: SipLeg, reason: CallReason) -> None:
        """Somebody answered: this leg has the door, for as long as a call may last."""
        call.winner, call.account = leg, leg.account
        leg.expect(self.now)
        self.direction_changed(call, leg)
        self.table.limit(call, self.now + self.longest_s(call))
        words = f"in a call with {call.remote}"
        self.table.enter(call, CallState.ACTIVE, reason, now=self.now, status=200, detail=words)

    def longest_s(self, call: Call) -> float:
        """How long the call may last once it is answered, in seconds; infinite where there is no limit."""
        if call.plan is not None:
            return call.plan.max_call_duration_s
        limit = self.settings.max_call_duration_s
        return math.inf if limit == "infinite" else limit

    def find(self, call: Call, target: SipUri, account: AccountSettings, then: Callable[[Found], None]) -> None:
        """Find out how `account` reaches `target`; the call waits for it even while it has no legs."""
        call.searching += 1

        def done(ways: Found) -> None:
            call.searching -= 1
            then(() if call.over else ways)
            self.settle(call)

        self.reach(target, account, done)

    def settle(self, call: Call) -> None:
        """A search in the call is over: it ends where it has no leg, and nobody else is looked up for it."""
        if not call.legs and not call.searching and call.state is not CallState.TERMINATED:
            self.table.finish(call, self.now)

    def hand_over(self, call: Call, leg: SipLeg, words: str) -> None:
        """Another leg of an active call has the door from now on; the one before is for the caller to end."""
        if call.winner is not None:
            self.door.leave(call.winner)
        call.winner, call.remote, call.account = leg, leg.remote, leg.account
        call.told_encryption = leg.security.encryption  # which is told below, with the words
        leg.expect(self.now)
        self.direction_changed(call, leg)
        self.table.announce(call, now=self.now, detail=words)

    def cancel_others(self, call: Call, leg: SipLeg) -> None:
        """Somebody answered: whoever else rings is told so."""
        for session in [session for session in call.legs if session != leg.session]:
            self.hang_up(session, ANSWERED_ELSEWHERE)

    def direction_changed(self, call: Call, leg: SipLeg) -> None:
        """Offer and answer, or the end of the handshake, may have begun or ended the leg's audio.

        Nobody listens at the door before the handshake has proven his address: a single forged datagram, with a wish
        to be answered at once and somebody's address in its SDP, would have the microphone sent there.
        """
        if leg.proven:
            leg.begin(self.now)
        if call.winner is leg and not call.over:
            if leg.proven and leg.carries_audio:
                self.door.join(leg, leg.account.sound_wishes)
            else:
                self.door.leave(leg)
            if call.state is CallState.ACTIVE and call.told_encryption != leg.security.encryption:
                self.table.announce(call, now=self.now, detail=str(leg.security.encryption))

    def handshake_ended(self, call: Call, leg: SipLeg, event: KeysMade | HandshakeFailed) -> None:
        """The keys of a leg came about on its media ports, or never will: then nobody can be heard on it."""
        if isinstance(event, KeysMade):
            self.direction_changed(call, leg)
        elif call.winner is leg:
            self.end(call, (CallReason.FAILED, 0, event.why))
        else:  # it rings, with sound before its answer
            self.leg_failed(call, leg, (CallReason.FAILED, 0, event.why))
            self.hang_up(leg.session)

    def take_answer(self, call: Call, leg: SipLeg, answer: bytes) -> bool:
        """The far side's answer to our first offer; False, with the reason kept, where it cannot be used."""
        try:
            leg.take_answer(answer, self.now)
        except RemoteError as error:
            self.leg_failed(call, leg, no_common_audio(error))
            return False
        return True

    def leg_failed(self, call: Call, leg: SipLeg, outcome: Outcome) -> None:
        """A leg that rang is out; others may follow."""
        self.table.leg_failed(call, outcome)
        self.on_leg_failed(call, leg, outcome)

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
                self.hang_up(leg.session, reason_of(outcome))
            elif self.endpoint.is_waiting(leg.session):
                self.endpoint.reject(leg.session, reject_status, self.now, headers=reason_of(outcome))
        if not call.legs:  # somebody is being looked up, and no more
            self.table.finish(call, self.now)

    def session_ended(self, event: sip.SessionEnded, outcome: Outcome) -> None:
        """A leg's dialog is over, whoever ended it; the call is, when it was the last one."""
        found = self.drop_leg(event.session)
        if found is None:
            return
        call, leg = found
        if call.winner is leg:
            self.table.terminating(call, outcome, self.now)
            for other in list(call.legs):  # who had the door before, and was not yet let go
                self.hang_up(other)
        else:
            self.leg_failed(call, leg, outcome)
        if not call.legs and (call.over or not call.searching):
            self.table.finish(call, self.now)

    def let_go(self, leg: SipLeg, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Have a leg that rings no longer end by itself: nobody waits for its far side, which may be dead."""
        self.on_leg_leaving(leg.session)
        self.hang_up(leg.session, headers)
        self.drop_leg(leg.session)

    def drop_leg(self, session: str) -> tuple[Call, SipLeg] | None:
        """Take a leg whose session has ended off its call, and close it; what that means for the call is open."""
        found = self.table.detach(session)
        if found is not None:
            call, leg = found
            self.door.leave(leg)
            quality = leg_quality(call.id, leg, leg.remote, answered=call.winner is leg, at=self.now)
            if quality is not None:
                self.bus.publish(quality)
            leg.close(self.now)
        return found


def no_common_audio(error: RemoteError) -> Outcome:
    """What a session description that cannot be used means for people."""
    warnings = [value.split('"') for name, value in error.headers if name == "Warning"]
    words = next((pieces[1] for pieces in warnings if len(pieces) > 1), error.reason)
    return CallReason.FAILED, error.status, f"no common audio: {words}"
