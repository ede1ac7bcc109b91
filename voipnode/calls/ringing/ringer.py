"""One call's hunt carried out: parties are looked up, called and let go as it wants, and what becomes of each is told.

A party is rung on each of its telephones, and is out when all of them are; a 6xx of one speaks for all (RFC 3261
§21.6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from voipnode.calls.call import Call, Outcome
from voipnode.calls.core import ANSWERED_ELSEWHERE, CallCore
from voipnode.calls.events import CallReason, CallState, Problem, RecipientRang
from voipnode.calls.outcome import reason_of
from voipnode.calls.ringing.hunt import SILENCE, Cause, Exhausted, Hunt, LookUp, Miss, Ring, Stop, better_miss
from voipnode.calls.ringing.parties import Parties
from voipnode.calls.ringing.plan import MAX_AT_ONCE, RingPlan
from voipnode.calls.sip_leg import SipLeg
from voipnode.calls.vms.ports import VMS
from voipnode.calls.ways import Way

REASONS = {
    Cause.REFUSED: CallReason.DENIED,
    Cause.BUSY: CallReason.BUSY,
    Cause.SILENT: CallReason.NO_ANSWER,
    Cause.UNREACHABLE: CallReason.FAILED,
    Cause.UNAVAILABLE: CallReason.NO_ANSWER,
}
NO_ROOM = "no RTP port is free (see sip.rtp_start_port), or too many calls are ending"


class AddLeg(Protocol):
    """Calls one telephone for a call, while `wanted`; `then` is told the leg, or None where there is no room for it."""

    def __call__(
        self, call: Call, way: Way, *, key: int, wanted: Callable[[], bool], then: Callable[[SipLeg | None], None]
    ) -> None: ...


@dataclass(slots=True, eq=False)
class _Party:
    """A party that was to be rung. `open`: its telephones that ring, or the look-up for them; `out`: no longer."""

    ring: Ring
    open: int = 1
    miss: Miss | None = None
    out: bool = False


class Ringer:
    """Rings for one call until somebody answers, or nobody is left."""

    def __init__(self, core: CallCore, call: Call, plan: RingPlan, parties: Parties, add_leg: AddLeg) -> None:
        self.hunt = Hunt(plan)
        self._core = core
        self._call = call
        self._world = parties
        self._add_leg = add_leg
        self._parties: dict[int, _Party] = {}
        self._untold: list[RecipientRang] | None = []  # until the call itself is told of
        self._told_stage = self._begun = (plan, 1)
        self._end: Miss | None = None

    def begin(self) -> bool:
        """Ring the first. False where nobody could even be called, or looked up; the call is not told of then."""
        self.hunt.start(self._core.now)
        self._act()
        if self.hunt.over and not any(rang.outcome == Cause.UNAVAILABLE for rang in self._untold or ()):
            return False
        call, untold = self._call, self._untold or []
        self._untold, self._told_stage = None, (self.hunt.plan, self.hunt.stage)
        self._core.table.enter(call, CallState.CALLING, CallReason.INITIATED, now=self._core.now, detail=self._words())
        self._tell_vms()
        for rang in untold:
            self._core.bus.publish(rang)
        self._act()
        return True

    # What becomes of those that are rung

    def wants(self, key: int) -> bool:
        """Whether an answer of this party would be taken."""
        party = self._parties.get(key)
        return party is not None and not party.out

    def telephone_failed(self, key: int, outcome: Outcome) -> None:
        """One telephone of a party is out, for this reason."""
        party = self._parties.get(key)
        if party is None or party.out:
            return
        miss = Miss.of(*outcome)
        if miss.everywhere:
            self._hang_up(party, ())
            self._lost(party, miss)
        else:
            self._one_less(party, miss)
        self._act()

    def answered(self, leg: SipLeg) -> None:
        """This leg has the door; the others are let go."""
        party = self._parties[leg.key]
        self.hunt.answered(leg.key)
        party.out, leg.key = True, 0
        self._hang_up(party, ANSWERED_ELSEWHERE)
        self._tell(party, "answered", None)
        self._act()

    def time_is_up(self) -> None:
        """The next stage, or the end."""
        self.hunt.on_deadline(self._core.now)
        self._act()

    def give_up(self, outcome: str) -> None:
        """The call ended, or was taken by somebody who was not rung, without the hunt's doing."""
        self.hunt.give_up()
        for party in self._parties.values():
            if not party.out:
                party.out = True
                self._tell(party, outcome, None)

    # Inside

    def _act(self) -> None:
        """Do what the hunt wants."""
        while (action := self.hunt.next_action()) is not None:
            match action:
                case Ring():
                    self._ring(action)
                case Stop():
                    self._stop(action)
                case LookUp(recipient) if recipient.address != VMS:
                    self._world.find(recipient, lambda ways, why: None)
                case Exhausted():
                    self._end = action.miss
        self._call.plan, self._call.sounds = self.hunt.plan, self.hunt.plan.sounds
        if self._end is not None:
            self._finish(self._end)
        elif not self.hunt.over:
            self._core.table.limit(self._call, self.hunt.next_deadline())
            self._tell_stage()
            self._tell_vms()

    def _ring(self, ring: Ring) -> None:
        party = self._parties[ring.key] = _Party(ring)
        if self._begun != (ring.plan, ring.stage):  # who was sent elsewhere before may be sent there again
            self._begun = (ring.plan, ring.stage)
            self._call.tried = [leg.target for leg in self._call.legs.values()]
        if ring.recipient.address == VMS:
            self._ring_vms(party)
            return
        why = self._world.hindrance(ring.recipient)
        if why:
            self._lost(party, Miss(Cause.UNAVAILABLE, words=why))
            return
        self._call.searching += 1
        self._world.find(ring.recipient, lambda ways, why: self._found(party, ways, why))

    def _ring_vms(self, party: _Party) -> None:
        """Whoever answers by HTTP: no telephone, so that six of those ring beside it."""
        party.open = 0
        if self._core.vms.enabled:
            self._core.vms.ring(self._call, lambda: self._vms_answered(party))
        else:
            self._lost(party, Miss(Cause.UNREACHABLE, words="calls by HTTP are off (vms.enabled = false)"))

    def _vms_answered(self, party: _Party) -> None:
        self.hunt.answered(party.ring.key)
        party.out = True
        self._tell(party, "answered", None)
        self._act()

    def _tell_vms(self) -> None:
        """It rings there at once."""
        if self._untold is None and any(p.ring.recipient.address == VMS and not p.out for p in self._parties.values()):
            now, words = self._core.now, "rings for clients"
            self._core.table.enter(self._call, CallState.RINGING, CallReason.INITIATED, now=now, detail=words)

    def _found(self, party: _Party, ways: Sequence[Way], why: str) -> None:
        call, key = self._call, party.ring.key
        call.searching -= 1
        if party.out:
            return
        ways = self._that_fit(party, ways)
        party.open = len(ways) or 1
        if not ways:
            self._one_less(party, Miss(Cause.UNREACHABLE, words=why or f"{MAX_AT_ONCE} telephones ring already"))
        for way in ways:
            if call.authorised and way.opens:
                call.own = (*call.own, way.target)
            wanted, then = (lambda: not party.out), (lambda leg: self._called(party, leg))
            self._add_leg(call, way, key=key, wanted=wanted, then=then)
        self._act()

    def _that_fit(self, party: _Party, ways: Sequence[Way]) -> Sequence[Way]:
        """Who else rings keeps a place; what is then left of six is this party's."""
        others = [other for other in self._parties.values() if not other.out and other is not party]
        to_come = sum(key not in self._parties and each.address != VMS for key, each in self.hunt.ringing.items())
        room = max(0, MAX_AT_ONCE - to_come - sum(other.open for other in others))
        if len(ways) > room:
            name = party.ring.recipient.name
            words = f"{len(ways) - room} of {len(ways)} telephones of {name} do not ring: {MAX_AT_ONCE} do at once"
            self._core.bus.publish(Problem(at=self._core.now, where="calls", detail=words))
        return ways[:room]

    def _called(self, party: _Party, leg: SipLeg | None) -> None:
        if leg is None and not party.out:
            self._one_less(party, Miss(Cause.UNREACHABLE, words=self._call.hindrance or NO_ROOM))
            self._act()

    def _one_less(self, party: _Party, miss: Miss) -> None:
        party.open -= 1
        party.miss = better_miss(party.miss, miss)
        if not party.open:
            self._lost(party, party.miss)

    def _lost(self, party: _Party, miss: Miss) -> None:
        party.out = True
        self._tell(party, miss.cause, miss)
        self.hunt.failed(party.ring.key, miss, self._core.now)

    def _stop(self, stop: Stop) -> None:
        party = self._parties[stop.key]
        party.out = True
        if stop.why is None:
            self._hang_up(party, ANSWERED_ELSEWHERE)
            self._tell(party, "elsewhere", None)
        else:
            self._hang_up(party, reason_of((REASONS[stop.why.cause], 0, "")))
            self._tell(party, "silent" if stop.why is SILENCE else "let go", stop.why)

    def _hang_up(self, party: _Party, headers: tuple[tuple[str, str], ...]) -> None:
        if party.ring.recipient.address == VMS:
            self._core.vms.stop(self._call)
        for leg in [leg for leg in self._call.legs.values() if leg.key == party.ring.key]:
            self._core.let_go(leg, headers)

    def _finish(self, miss: Miss) -> None:
        """Nobody is left. A call that nobody was told of has not begun."""
        if self._untold is None:
            self._core.end(self._call, (REASONS[miss.cause], miss.status, miss.words))

    def _words(self) -> str:
        """Who is rung, where people gave them a name."""
        name, names = self.hunt.plan.name, ", ".join(each.name for each in self.hunt.ringing.values())
        return f"{name}: {names}" if name not in ("", names) else name

    def _tell_stage(self) -> None:
        """Others are rung than before."""
        stage = (self.hunt.plan, self.hunt.stage)
        if self._untold is None and self._told_stage != stage:
            self._told_stage = stage
            self._call.remote = ", ".join(recipient.address for recipient in self.hunt.ringing.values())
            self._core.table.announce(self._call, now=self._core.now, detail=self._words())

    def _tell(self, party: _Party, outcome: str, miss: Miss | None) -> None:
        ring = party.ring
        rang = RecipientRang(
            at=self._core.now,
            call=self._call.id,
            recipient=ring.recipient.name,
            address=ring.recipient.address,
            plan=ring.plan.name,
            stage=ring.stage,
            outcome=str(outcome),
            status=miss.status if miss is not None else 0,
            detail=miss.words if miss is not None else "",
        )
        if self._untold is None:
            self._core.bus.publish(rang)
        else:
            self._untold.append(rang)
