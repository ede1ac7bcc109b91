"""When the controlling side has seen enough, and which pair it takes (RFC 8445 §8.1.1).

Sound goes by every valid pair at once, so a moment's patience costs nobody a word; and the choice is for good.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from voipnode.media.ice.checklist import Checklist
from voipnode.media.ice.pair import Pair
from voipnode.media.ice.values import Times


class Nomination:
    """The choice of one pair for each component. `under_way`: those whose nominating checks are not answered yet."""

    def __init__(self, checklist: Checklist, times: Times) -> None:
        self._checklist = checklist
        self._times = times
        self._valid_at: dict[int, float] = {}  # by component: when its first pair became valid
        self.under_way: set[Pair] = set()

    def valid(self, component: int, now: float) -> None:
        """A pair of that component works."""
        self._valid_at.setdefault(component, now)

    def due(self, now: float, chosen: Container[int]) -> list[Pair]:
        """The pairs to nominate now, of components that are not `chosen`; they are under way from here on."""
        found = [
            best
            for best, at in self._candidates(chosen)
            if now >= self._settled_at(best, at) or not self._better_may_come(best)
        ]
        self.under_way.update(found)
        return found

    def next_deadline(self, chosen: Container[int]) -> float | None:
        """When the best pair so far is taken, whatever may yet come."""
        return min((self._settled_at(best, at) for best, at in self._candidates(chosen)), default=None)

    def _candidates(self, chosen: Container[int]) -> Iterator[tuple[Pair, float]]:
        busy = {pair.component for pair in self.under_way}
        for component, at in self._valid_at.items():
            if component not in chosen and component not in busy:
                for best in self._checklist.valid(component)[:1]:
                    yield best, at

    def _settled_at(self, best: Pair, valid_at: float) -> float:
        """A relay costs delay and somebody's money: a direct way gets time for its first repetition."""
        settle_s = self._times.relay_settle_s if best.relayed else self._times.settle_s
        return valid_at + max(settle_s, 2 * best.round_trip_s)

    def _better_may_come(self, best: Pair) -> bool:
        return any(
            pair.component == best.component and pair.priority > best.valid_priority and not pair.over
            for pair in self._checklist
        )
