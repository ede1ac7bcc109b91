"""The pairs by which packets go: chosen ones and provisional ones, each as long as the far side consents."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from voipnode.media.ice.checklist import Checklist
from voipnode.media.ice.consent import Consent
from voipnode.media.ice.pair import Pair
from voipnode.media.ice.values import Times


class PairsInUse:
    """One pair for each component. `selected`: those that both sides keep to (RFC 8445 §8.1.1).

    `draw` gives random numbers from 0 to 1, for the times at which consent is asked for.
    """

    def __init__(self, checklist: Checklist, times: Times, draw: Callable[[], float]) -> None:
        self._checklist = checklist
        self._times = times
        self._draw = draw
        self.selected: dict[int, Pair] = {}
        self._routes: dict[int, Pair] = {}
        self._consents: dict[int, Consent] = {}

    def __len__(self) -> int:
        """How many components have a way."""
        return len(self._routes)

    def route(self, component: int) -> Pair | None:
        """By which pair packets go now: the chosen one, else the best that works (§12.1); None: by none."""
        return self._routes.get(component)

    def consents(self) -> Iterator[Consent]:
        yield from list(self._consents.values())

    def select(self, pair: Pair, now: float) -> bool:
        """The pair is nominated; whether it is the chosen one now. Some peers nominate several: the best counts
        (§8.1.1), or one that is still alive."""
        pair.nominated, pair.wanted = True, False
        before = self.selected.get(pair.component)
        if before is pair:
            return False
        if before is not None and before.valid_priority > pair.valid_priority and self.is_alive(pair.component, now):
            return False
        self.selected[pair.component] = pair
        return True

    def is_alive(self, component: int, now: float) -> bool:
        """Whether the chosen pair has been answered for lately; one lost answer, or two, are no sign of death."""
        return now - self.selected[component].answered_at < 3 * self._times.consent_s

    def choose(self, component: int, now: float) -> bool:
        """Take the best pair that there is; whether it is the component's first one."""
        best = self.selected.get(component) or next(iter(self._checklist.valid(component)), None)
        before = self._routes.get(component)
        if best is before:
            return False
        if best is None:
            del self._routes[component], self._consents[component]
            return False
        self._routes[component] = best
        self._consents[component] = Consent(best, self._times, now, self._draw())
        return before is None

    def clear(self) -> None:
        """Nothing goes any more."""
        self._routes.clear()
        self._consents.clear()

    def next_deadline(self) -> float | None:
        return min((min(one.ask_at, one.ends_at) for one in self._consents.values()), default=None)
