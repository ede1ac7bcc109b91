"""The pairs that are to be checked, in which order, and which of them is next (RFC 8445 §6.1.2, §6.1.4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from voipnode.media.ice.candidate import Candidate, Kind, can_pair
from voipnode.media.ice.pair import Pair, PairEvent, PairState, pair_priority
from voipnode.media.values import Addr

MAX_PAIRS = 100  # §6.1.2.5


class Checklist:
    """All pairs of one stream, best first, and the queue of those that the far side's checks have triggered."""

    def __init__(self, *, controlling: bool, max_pairs: int = MAX_PAIRS) -> None:
        self._controlling = controlling
        self._max_pairs = max_pairs
        self._pairs: list[Pair] = []
        self._triggered: deque[Pair] = deque()

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def form(self, local: Iterable[Candidate], remote: Iterable[Candidate]) -> None:
        """Pair all with all that fit, and set the first of each foundation to Waiting (§6.1.2.2 to §6.1.2.6).

        A check leaves from the base of a candidate, so reflexive ones add no pair of their own (§6.1.2.4).
        """
        bases = [candidate for candidate in local if candidate.kind in (Kind.HOST, Kind.RELAYED)]
        theirs = list(remote)
        for ours in bases:
            for other in theirs:
                if can_pair(ours, other) and self.find(ours.component, ours.base, other.address) is None:
                    self._pairs.append(Pair(ours, other, self._priority(ours, other)))
        self._sort()
        del self._pairs[self._max_pairs :]
        begun: set[tuple[str, str]] = set()
        for pair in sorted(self._pairs, key=lambda pair: (pair.component, -pair.priority)):
            if pair.foundation not in begun:
                begun.add(pair.foundation)
                pair.on(PairEvent.UNFREEZE)

    def find(self, component: int, base: Addr, remote: Addr) -> Pair | None:
        """The pair of these two addresses."""
        for pair in self._pairs:
            if pair.component == component and pair.local.base == base and pair.remote.address == remote:
                return pair
        return None

    def add(self, ours: Candidate, theirs: Candidate) -> Pair | None:
        """A pair that a check of the far side has shown; None where there are too many, or the two do not fit."""
        if len(self._pairs) >= self._max_pairs or not can_pair(ours, theirs):
            return None
        pair = Pair(ours, theirs, self._priority(ours, theirs))
        self._pairs.append(pair)
        self._sort()
        return pair

    def trigger(self, pair: Pair) -> None:
        """Have it checked before all that the far side has not asked for."""
        pair.on(PairEvent.TRIGGER)
        if pair not in self._triggered:
            self._triggered.append(pair)

    def next(self) -> Pair | None:
        """The pair to check now (§6.1.4.2), off the queue; None where there is nothing to do."""
        if self._triggered:
            return self._triggered.popleft()
        self._thaw()
        return next((pair for pair in self._pairs if pair.state is PairState.WAITING), None)

    @property
    def under_way(self) -> int:
        """How many checks are waiting or in progress: the pace of repetitions grows with them (§14.3)."""
        return sum(pair.state in (PairState.WAITING, PairState.IN_PROGRESS) for pair in self._pairs)

    def _thaw(self) -> None:
        """§6.1.4.2, step 2: with nothing Waiting, the first pair of each foundation that nothing is under way for."""
        if any(pair.state is PairState.WAITING for pair in self._pairs):
            return
        busy = {pair.foundation for pair in self._pairs if pair.state is PairState.IN_PROGRESS}
        for pair in self._pairs:
            if pair.state is PairState.FROZEN and pair.foundation not in busy:
                busy.add(pair.foundation)
                pair.on(PairEvent.UNFREEZE)

    def unfreeze(self, foundation: tuple[str, str]) -> None:
        """What works for one pair probably works for those like it (§7.2.5.3.3)."""
        for pair in self._pairs:
            if pair.foundation == foundation:
                pair.on(PairEvent.UNFREEZE)

    def valid(self, component: int) -> list[Pair]:
        """The valid pairs of a component, best first."""
        found = [pair for pair in self._pairs if pair.component == component and pair.valid]
        return sorted(found, key=lambda pair: -pair.valid_priority)

    def drop(self, pairs: Iterable[Pair]) -> None:
        """Another pair was chosen: these are not checked any more (§8.1.2). What is valid stays known."""
        gone = set(pairs)
        self._pairs = [pair for pair in self._pairs if pair.valid or pair not in gone]
        self._triggered = deque(pair for pair in self._triggered if pair not in gone)

    def switch_role(self, *, controlling: bool) -> None:
        """Priorities depend on who is controlling (§7.2.5.1)."""
        self._controlling = controlling
        for pair in self._pairs:
            pair.priority = self._priority(pair.local, pair.remote)
            if pair.mapped is not None:
                pair.valid_priority = self._priority(pair.mapped, pair.remote)
        self._sort()

    def validate(self, pair: Pair, mapped: Candidate) -> None:
        """A check has succeeded: `mapped` is our side as the far side sees it (§7.2.5.3.2)."""
        pair.mapped, pair.valid_priority = mapped, self._priority(mapped, pair.remote)

    def _priority(self, ours: Candidate, theirs: Candidate) -> int:
        return pair_priority(ours.priority, theirs.priority, controlling=self._controlling)

    def _sort(self) -> None:
        self._pairs.sort(key=lambda pair: (-pair.priority, pair.component))
