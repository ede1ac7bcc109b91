"""Calls that the node places: one or more parties ring, the first to answer wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voipnode.calls.call import Call
from voipnode.calls.core import ANSWERED_ELSEWHERE, CallCore
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallReason, CallState, Problem
from voipnode.calls.sip_leg import SipLeg
from voipnode.calls.ways import Way
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.session import MAX_EARLY_DIALOGS
from voipnode.sipstack.uri import SipUri

MAX_LEGS = 6
NO_KEYS = "its media must be encrypted, and SDES keys may travel only over TLS (media_encryption, media_keying)"


class Outgoing:
    """Places calls and follows them until somebody answers."""

    def __init__(self, core: CallCore) -> None:
        self._core = core

    def ring(self, ways: Sequence[Way], *, authorised: bool, button: str) -> str:
        """Call 1 to 6 parties at once; returns the call's id. Raises CallError when it cannot be tried.

        Until somebody answers it is told as a call of the first one's account.
        """
        core = self._core
        if not core.settings.enabled:
            raise NotNowError("SIP is off (sip.enabled = false)")
        if button:
            self._make_room()
        if core.table.engaged >= core.settings.max_calls:
            raise NotNowError(f"the door is in a call already (sip.max_calls = {core.settings.max_calls})")
        if not 1 <= len(ways) <= MAX_LEGS:
            raise CallError(f"recipients: {len(ways)} given; 1 to {MAX_LEGS} can ring at the same time")
        remote = ", ".join(str(way.target) for way in ways)
        call = core.table.new("outgoing", ways[0].account, remote, authorised=authorised, button=button)
        if authorised:
            call.own = tuple(way.target for way in ways)
        for way in ways:
            self.add_leg(call, way)
        if not call.legs and not call.searching:
            core.table.drop(call)
            words = "no RTP port is free (see sip.rtp_start_port), or too many calls are ending"
            raise NotNowError(call.hindrance or words)
        core.table.limit(call, core.now + core.settings.calling_timeout_s)
        core.table.enter(call, CallState.CALLING, CallReason.INITIATED, now=core.now)
        return call.id

    def _make_room(self) -> None:
        """A visitor at the door comes before a caller who rings, or who has not even proven that he is there."""
        core = self._core
        for call in core.table.calls:
            if core.table.engaged < core.settings.max_calls:
                return
            proven = call.winner is not None and call.winner.proven
            if call.direction == "incoming" and not call.over and not proven:
                core.end(call, (CallReason.BUSY, 486, "a visitor pressed the button"))

    def add_leg(
        self,
        call: Call,
        way: Way,
        *,
        to: SipUri | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        then: Callable[[SipLeg | None], None] = lambda leg: None,
    ) -> None:
        """Call one more party for this call, once the addresses for our offer are known.

        `then` is told the leg, or None, after a `Problem`, where there is no room. `to`: whom the call was for at
        first, where somebody sent us on (RFC 3261 §8.1.3.4). `headers`: extra fields.
        """
        core = self._core
        call.tried.append(way.target)
        host = core.local_address(way.hops[0]).host
        leg = core.open_leg(call, host, way.hops[0], account=way.account, confidential=way.confidential)
        if leg is None:
            then(None)
            return
        if not leg.security.can_offer:
            leg.close(core.now)
            call.hindrance = f"{way.target} is not called: {NO_KEYS}"
            core.bus.publish(Problem(where="calls", detail=call.hindrance))
            then(None)
            return
        leg.remote, leg.target = str(way.target), way.target
        core.when_ready(call, leg, lambda: then(leg if self._invite(call, leg, way, to, headers) else None))

    def _invite(
        self, call: Call, leg: SipLeg, way: Way, to: SipUri | None, headers: tuple[tuple[str, str], ...]
    ) -> bool:
        """Whether the INVITE is on its way."""
        core = self._core
        invite = way.invite(leg.make_offer(), to=to, headers=headers)
        try:
            leg.session = core.endpoint.invite(invite, core.now)
        except LocalError as error:  # calls that were given up may wait 32 s for their end: there is no room for more
            leg.close(core.now)
            core.bus.publish(Problem(where="calls", detail=f"{way.target} cannot be called now: {error}"))
            return False
        core.table.attach(call, leg)
        return True

    def on_progress(self, call: Call, event: sip.CallProgress) -> None:
        """A party rings, or says something on the way there."""
        keep_early(call.legs[event.session], event)
        if event.status != 100:
            words = printable(event.reason)
            now = self._core.now
            self._core.table.enter(
                call, CallState.RINGING, CallReason.INITIATED, now=now, status=event.status, detail=words
            )

    def on_answered(self, call: Call, event: sip.CallAnswered) -> None:
        """A party answered: the first one has the door, the others are told."""
        core = self._core
        leg = call.legs[event.session]
        if call.winner is not None or call.over:  # two answered at the same moment
            core.hang_up(event.session, ANSWERED_ELSEWHERE)
            return
        # What was agreed with this very fork while it rang stands, with all later changes (RFC 6337 §3.1.1).
        stands = event.body is None and event.tag == leg.early_tag and leg.agreed is not None
        if not stands and not core.take_answer(call, leg, event.body or leg.early_answer(event.tag)):
            core.hang_up(event.session)
            return
        core.cancel_others(call, leg)
        call.remote = leg.remote
        leg.proven = True  # the answer carried what only the INVITE that we sent to its address told
        core.activate(call, leg, CallReason.ACCEPTED_BY_REMOTE)


def keep_early(leg: SipLeg, event: sip.CallProgress) -> None:
    """Keep the SDP that a fork sent before its answer: its 2xx may come without."""
    if event.body is not None and (event.tag in leg.early_bodies or len(leg.early_bodies) < MAX_EARLY_DIALOGS):
        leg.early_bodies[event.tag] = event.body
