"""The hunt for somebody who answers: a plan's stages in their order, then its fallback's, as an engine without I/O.

    start -> [stage 1 rings] -> time, or all are out -> [stage 2 rings] -> ... -> [fallback's stages] -> Exhausted
                    |                                           |
                    +-- somebody answers: the others are stopped, and it is over

Its user does what `next_action` says and tells what became of it: each `Ring` ends by exactly one of `failed`,
`answered`, or a `Stop` that it was told. What comes from a party that was stopped is ignored, so that whatever crosses
on the network, one has answered at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from voipnode.calls.events import CallReason
from voipnode.calls.ringing.plan import Recipient, RingPlan, Rules, Stage, Then


class Cause(StrEnum):
    """Why a party is out."""

    REFUSED = "refused"
    BUSY = "busy"
    SILENT = "silent"
    UNREACHABLE = "unreachable"
    UNAVAILABLE = "unavailable"  # by its schedule


# What says most about the people comes first, and before all of them that somebody rang for the whole of its time.
_RANK = {cause: rank for rank, cause in enumerate(Cause, 1)}
_CAUSES = {
    CallReason.DENIED: Cause.REFUSED,
    CallReason.BUSY: Cause.BUSY,
    CallReason.NO_ANSWER: Cause.SILENT,
}
EVERYWHERE = (600, 603)  # RFC 3261 §21.6.1, §21.6.2
LOOK_UP_S = 4.0  # before a stage: what was looked up when the one before began may be forgotten by then


@dataclass(frozen=True, slots=True)
class Miss:
    """How a party did not answer: the SIP status where there was one, else 0, and words for people."""

    cause: Cause
    status: int = 0
    words: str = ""

    @classmethod
    def of(cls, reason: CallReason, status: int, words: str) -> Miss:
        """What the end of a leg, as `outcome_of` tells it, means in a hunt."""
        return cls(_CAUSES.get(reason, Cause.UNREACHABLE), status, words)

    @property
    def everywhere(self) -> bool:
        """It speaks for all telephones of the party."""
        return self.status >= 600

    def then(self, rules: Rules) -> Then:
        """What the rules make of it for the others."""
        if self.status in EVERYWHERE and rules.on_declined_everywhere:
            return rules.on_declined_everywhere
        match self.cause:
            case Cause.BUSY:
                return rules.on_busy
            case Cause.REFUSED:
                return rules.on_refused
            case Cause.UNREACHABLE:
                return rules.on_unreachable
            case Cause.SILENT:
                return rules.on_silent
            case Cause.UNAVAILABLE:
                return "only_this"


def better_miss(one: Miss | None, other: Miss) -> Miss:
    """The one that says more; of two alike the first."""
    return other if one is None or _rank(other) < _rank(one) else one


def _rank(miss: Miss) -> int:
    return 0 if miss == SILENCE else _RANK[miss.cause]


@dataclass(frozen=True, slots=True)
class Ring:
    """Call this party now. `key` names it from now on; `stage` is its number in `plan`, from 1."""

    key: int
    recipient: Recipient
    plan: RingPlan
    stage: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Ring this party no longer. `why` is what ended it; None: somebody else has answered."""

    key: int
    why: Miss | None


@dataclass(frozen=True, slots=True)
class LookUp:
    """This party will be rung next: find out where it is, so that no time is lost then."""

    recipient: Recipient


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Nobody is left to be rung; of all that were, `miss` says most."""

    miss: Miss


Action = Ring | Stop | LookUp | Exhausted
NOBODY = Miss(Cause.UNAVAILABLE, words="nobody is there to be rung")
SILENCE = Miss(Cause.SILENT, words="nobody answered")
PASSED_ON = Miss(Cause.SILENT, words="let go: the fallback's turn has come")


@dataclass(slots=True)
class _Ringing:
    """A party that rings, since or again in the stage of that index; `keep`: it goes on when the next one begins."""

    recipient: Recipient
    stage: int
    keep: bool


class Hunt:
    """Hunts through one plan. Times are seconds of any monotonic clock."""

    def __init__(self, plan: RingPlan) -> None:
        self.plan = plan  # the one under way: a fallback's, once that has come
        self.over = False
        self.winner: int | None = None
        self._stage = -1
        self._stage_ends_at = self._plan_ends_at = 0.0
        self._look_up_at: float | None = None
        self._ringing: dict[int, _Ringing] = {}
        self._refused: set[tuple[str, str]] = set()  # who said no is not asked again
        self._best: Miss | None = None
        self._actions: deque[Action] = deque()
        self._keys = 0

    # What happens

    def start(self, now: float) -> None:
        """Begin with the first stage."""
        self._begin(self.plan, now)

    def failed(self, key: int, miss: Miss, now: float) -> None:
        """A party is out; its own fallback, the next stage or the plan's fallback may follow at once."""
        party = self._ringing.pop(key, None)
        if party is None:
            return
        self._best = better_miss(self._best, miss)
        if miss.cause is Cause.REFUSED:
            self._refused.add(party.recipient.place)
        match miss.then(self.plan.rules):
            case "end_all":
                self._end(miss)
            case "fallback":
                self._fall_back(now)
            case "only_this":
                if party.recipient.fallback is not None and party.recipient.fallback.stages:
                    self._ring(party.recipient.fallback.stages[0].recipients, party.stage, keep=party.keep)
                self._look_on(now)

    def answered(self, key: int) -> bool:
        """A party answered. True for the first one, which has won; whoever else says so is to be hung up."""
        if self._ringing.pop(key, None) is None:
            return False
        self.over, self.winner = True, key
        self._stop(list(self._ringing), why=None)
        return True

    def give_up(self) -> None:
        """Whoever called went away, or was answered otherwise: there is nothing more to do, not even to stop."""
        self.over = True
        self._ringing.clear()
        self._actions.clear()

    # Time

    def next_deadline(self) -> float | None:
        if self.over:
            return None
        ends_at = min(self._stage_ends_at, self._plan_ends_at)
        return ends_at if self._look_up_at is None else min(ends_at, self._look_up_at)

    def on_deadline(self, now: float) -> None:
        """The time of a stage, or of the plan, may be up."""
        if self.over:
            return
        if self._look_up_at is not None and now >= self._look_up_at:
            self._look_up_at = None
            self._look_ahead()
        if now < min(self._stage_ends_at, self._plan_ends_at):
            return
        if now >= self._plan_ends_at or self._is_last:
            if self._time_is_up(list(self._ringing), now):
                self._fall_back(now)
            return
        coming = _places(self.plan.stages[self._stage + 1])
        leaving = [key for key, party in self._ringing.items() if not (party.keep or party.recipient.place in coming)]
        if self._time_is_up(leaving, now):
            self._enter(self._stage + 1, now)

    # What is to be done

    def next_action(self) -> Action | None:
        """The next thing to do, in order; None when there is nothing."""
        return self._actions.popleft() if self._actions else None

    @property
    def stage(self) -> int:
        """The number of the stage under way, from 1."""
        return self._stage + 1

    @property
    def ringing(self) -> dict[int, Recipient]:
        """Who is being rung, by key."""
        return {key: party.recipient for key, party in self._ringing.items()}

    # Inside

    @property
    def _is_last(self) -> bool:
        return self._stage + 1 >= len(self.plan.stages)

    def _begin(self, plan: RingPlan, now: float) -> None:
        self.plan = plan
        self._plan_ends_at = now + plan.calling_timeout_s
        for party in self._ringing.values():  # the first stage has them, too
            party.stage, party.keep = 0, False
        self._enter(0, now)

    def _enter(self, index: int, now: float) -> None:
        """Begin a stage, or the first after it that has somebody to ring."""
        stages = self.plan.stages
        while index < len(stages):
            stage, self._stage = stages[index], index
            self._stage_ends_at = now + stage.for_s
            self._ring(stage.recipients, index, keep=stage.keep)
            if self._has_own or (self._is_last and self._ringing):
                self._look_ahead()
                early = min(self._stage_ends_at, self._plan_ends_at) - LOOK_UP_S
                self._look_up_at = early if early > now + LOOK_UP_S else None
                return
            index += 1
        self._fall_back(now)

    @property
    def _has_own(self) -> bool:
        return any(party.stage == self._stage for party in self._ringing.values())

    def _ring(self, recipients: Iterable[Recipient], stage: int, *, keep: bool) -> None:
        """Ring those that do not ring yet, and have not refused."""
        ringing = {party.recipient.place: party for party in self._ringing.values()}
        for recipient in recipients:
            party = ringing.get(recipient.place)
            if party is not None:
                party.stage, party.keep = max(party.stage, stage), party.keep or keep
            elif recipient.place not in self._refused:
                self._keys += 1
                ringing[recipient.place] = self._ringing[self._keys] = _Ringing(recipient, stage, keep)
                self._actions.append(Ring(self._keys, recipient, self.plan, stage + 1))

    def _look_ahead(self) -> None:
        """Who comes after this stage is looked up while it rings."""
        plan = self.plan if not self._is_last else self.plan.fallback
        if plan is None or not plan.stages:
            return
        coming = plan.stages[self._stage + 1 if plan is self.plan else 0]
        ringing = {party.recipient.place for party in self._ringing.values()}
        self._actions.extend(LookUp(each) for each in coming.recipients if each.place not in ringing)

    def _look_on(self, now: float) -> None:
        """Somebody is out: what has nobody left is not waited for."""
        if self._has_own or (self._is_last and self._ringing):
            return
        self._enter(self._stage + 1, now)

    def _time_is_up(self, keys: list[int], now: float) -> bool:
        """These did not answer. True where the plan goes on as it would, else the rule for silence is carried out."""
        if not keys:
            return True
        self._stop(keys, why=SILENCE)
        self._best = better_miss(self._best, SILENCE)
        match SILENCE.then(self.plan.rules):
            case "end_all":
                self._end(SILENCE)
            case "fallback":
                self._fall_back(now)
            case "only_this":
                return True
        return False

    def _fall_back(self, now: float) -> None:
        """Nobody of this plan has answered. Who rings still is let go, unless the fallback begins with them."""
        fallback = self.plan.fallback
        if fallback is None:
            self._end(self._best or NOBODY)
            return
        coming = _places(fallback.stages[0]) if fallback.stages else set()
        self._stop([key for key, party in self._ringing.items() if party.recipient.place not in coming], why=PASSED_ON)
        self._begin(fallback, now)

    def _end(self, miss: Miss) -> None:
        self.over = True
        self._stop(list(self._ringing), why=miss)
        self._actions.append(Exhausted(miss))

    def _stop(self, keys: list[int], *, why: Miss | None) -> None:
        """Ring these no longer; of those that were not even begun with, nobody is told."""
        for key in keys:
            del self._ringing[key]
        begun = [action.key for action in self._actions if isinstance(action, Ring)]
        self._actions = deque(each for each in self._actions if not (isinstance(each, Ring) and each.key in keys))
        self._actions.extend(Stop(key, why) for key in keys if key not in begun)


def _places(stage: Stage) -> set[tuple[str, str]]:
    return {recipient.place for recipient in stage.recipients}
