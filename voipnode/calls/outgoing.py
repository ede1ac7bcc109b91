"""Calls that the node places: one or more parties ring, the first to answer wins."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from voipnode.calls.call import Call, Outcome
from voipnode.calls.core import ANSWERED_ELSEWHERE, CallCore
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallChanged, CallReason, CallState, Problem
from voipnode.calls.ringing.parties import KnownParties
from voipnode.calls.ringing.plan import MAX_AT_ONCE, Recipient, RingPlan, Stage
from voipnode.calls.ringing.ringer import NO_ROOM, Ringer
from voipnode.calls.settings import AccountSettings
from voipnode.calls.sip_leg import SipLeg
from voipnode.calls.vms.ports import VMS, VMS_ACCOUNT
from voipnode.calls.ways import Way
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.session import MAX_EARLY_DIALOGS
from voipnode.sipstack.uri import SipUri

MAX_LEGS = MAX_AT_ONCE
NO_KEYS = "its media must be encrypted, and SDES keys may travel only over TLS (media_encryption, media_keying)"


class Outgoing:
    """Places calls and follows them until somebody answers."""

    def __init__(self, core: CallCore) -> None:
        self._core = core
        self._ringers: dict[str, Ringer] = {}  # by call
        core.on_leg_failed = self._leg_failed
        core.listen(CallChanged, self._on_changed, who="outgoing calls")

    def ring(self, ways: Sequence[Way], *, authorised: bool, button: str, vms: bool = False) -> str:
        """Call 1 to 6 parties at once; returns the call's id. Raises CallError when it cannot be tried.

        Until somebody answers it is told as a call of the first one's account. `vms`: clients may answer it, too.
        """
        known: dict[str, list[Way]] = {}
        for way in ways:
            known.setdefault(str(way.target), []).append(way)
        if not (ways or vms) or len(ways) > MAX_LEGS:
            raise CallError(f"recipients: {len(ways)} given; 1 to {MAX_LEGS} can ring at the same time")
        addresses = [*known, *([VMS] if vms else [])]
        plan = self._plain_plan(Stage(tuple([Recipient(address, address) for address in addresses])))
        account = ways[0].account if ways else VMS_ACCOUNT
        return self.hunt(plan, account, known=known, authorised=authorised, button=button)

    def _plain_plan(self, stage: Stage) -> RingPlan:
        settings = self._core.settings
        longest = settings.max_call_duration_s
        return RingPlan("", (stage,), settings.calling_timeout_s, math.inf if longest == "infinite" else float(longest))

    def hunt(
        self,
        plan: RingPlan,
        account: AccountSettings,
        *,
        known: Mapping[str, Sequence[Way]],
        authorised: bool,
        button: str,
    ) -> str:
        """Ring by a plan; `known` has the ways to those that were looked up already, by address. As `ring`.

        Until somebody answers it is told as a call of `account`.
        """
        core = self._core
        if not core.settings.enabled and not (core.vms.enabled and _rings_vms(plan)):
            raise NotNowError("SIP is off (sip.enabled = false)")
        if button:
            self._make_room()
        if core.table.engaged >= core.settings.max_calls:
            raise NotNowError(f"the door is in a call already (sip.max_calls = {core.settings.max_calls})")
        addresses = [recipient.address for stage in plan.stages[:1] for recipient in stage.recipients]
        remote = ", ".join(str(known[each][0].target) if known.get(each) else each for each in addresses)
        call = core.table.new("outgoing", account, remote, authorised=authorised, button=button)
        ringer = Ringer(core, call, plan, KnownParties(known, core.parties), self.add_leg)
        self._ringers[call.id] = ringer
        if not ringer.begin():
            del self._ringers[call.id]
            core.table.drop(call)
            raise NotNowError(call.hindrance or NO_ROOM)
        return call.id

    # What becomes of those that ring

    def wants(self, call: Call, key: int) -> bool:
        """Whether somebody is still waited for in this call, by the key of its hunt."""
        ringer = self._ringers.get(call.id)
        return ringer is not None and ringer.wants(key)

    def telephone_failed(self, call: Call, key: int, outcome: Outcome) -> None:
        """A telephone of one that is waited for is out."""
        ringer = self._ringers.get(call.id)
        if ringer is not None:
            ringer.telephone_failed(key, outcome)

    def time_is_up(self, call: Call) -> None:
        """The time of a stage, or of the whole plan, is over."""
        ringer = self._ringers.get(call.id)
        if ringer is not None:
            ringer.time_is_up()

    def _leg_failed(self, call: Call, leg: SipLeg, outcome: Outcome) -> None:
        key, leg.key = leg.key, 0  # counted once, however it ends after this
        if key:
            self.telephone_failed(call, key, outcome)

    def _on_changed(self, event: CallChanged) -> None:
        """Nobody is rung any more for a call that somebody has, or that is over."""
        if event.state not in (CallState.CALLING, CallState.RINGING):
            ringer = self._ringers.pop(event.call, None)
            if ringer is not None and not ringer.hunt.over:
                ringer.give_up("elsewhere" if event.state is CallState.ACTIVE else "given up")

    # One telephone

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
        key: int = 0,
        wanted: Callable[[], bool] = lambda: True,
        to: SipUri | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        then: Callable[[SipLeg | None], None] = lambda leg: None,
    ) -> None:
        """Call one more telephone for this call, once the addresses for our offer are known, if it is `wanted` then.

        `key`: whom of the call's hunt it is rung for. `then` is told the leg, or None, after a `Problem`, where there
        is no room. `to`: whom the call was for at first, where somebody sent us on (RFC 3261 §8.1.3.4). `headers`:
        extra fields.
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
        leg.remote, leg.target, leg.key, leg.opens = str(way.target), way.target, key, way.opens

        def invite() -> None:
            if not wanted():
                leg.close(core.now)
            elif self._invite(call, leg, way, to, headers):
                then(leg)
            else:
                then(None)

        core.when_ready(call, leg, invite)

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
        ringer = self._ringers.get(call.id)
        if ringer is None or not ringer.wants(leg.key):  # two answered at the same moment
            core.hang_up(event.session, ANSWERED_ELSEWHERE)
            return
        # What was agreed with this very fork while it rang stands, with all later changes (RFC 6337 §3.1.1).
        stands = event.body is None and event.tag == leg.early_tag and leg.agreed is not None
        if not stands and not core.take_answer(call, leg, event.body or leg.early_answer(event.tag)):
            core.hang_up(event.session)
            return
        ringer.answered(leg)
        call.remote, call.authorised = leg.remote, call.authorised and leg.opens
        leg.proven = True  # the answer carried what only the INVITE that we sent to its address told
        core.activate(call, leg, CallReason.ACCEPTED_BY_REMOTE)


def _rings_vms(plan: RingPlan) -> bool:
    return any(recipient.address == VMS for stage in plan.stages for recipient in stage.recipients)


def keep_early(leg: SipLeg, event: sip.CallProgress) -> None:
    """Keep the SDP that a fork sent before its answer: its 2xx may come without."""
    if event.body is not None and (event.tag in leg.early_bodies or len(leg.early_bodies) < MAX_EARLY_DIALOGS):
        leg.early_bodies[event.tag] = event.body
