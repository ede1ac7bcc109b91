"""One rule as it stands: what its conditions are, and whether an event makes it fire."""

from __future__ import annotations

from dataclasses import dataclass, field

from voipnode.calls.events import Event
from voipnode.modules.rules.conditions import Moment, State
from voipnode.modules.rules.settings import RuleSettings


@dataclass(slots=True)
class Rule:
    """Follows the events. Pure: what is done about a rule that fires is for others."""

    settings: RuleSettings
    _so: list[frozenset[str]] = field(init=False)  # of each state, what makes it so
    _held: bool = field(init=False)

    def __post_init__(self) -> None:
        self._so = [frozenset() for _ in self.settings.conditions]
        self._held = self._all()

    def hear(self, event: Event, *, may_fire: bool = True) -> str | None:
        """Whether the rule fires by this event: because of what, in words; None: it does not.

        `may_fire` False: the event only tells how things stand.
        """
        conditions = self.settings.conditions
        before = [self.holds(index) for index in range(len(conditions))]
        moment: int | None = None
        for index, condition in enumerate(conditions):
            if isinstance(condition, State):
                self._so[index] = condition.next(self._so[index], event)
            elif condition.hears(event):
                moment = index
        held, self._held = self._held, self._all()
        if not may_fire or not self._held:
            return None
        risen = [index for index in range(len(conditions)) if self.holds(index) and not before[index]]
        if any(isinstance(each, Moment) for each in conditions):
            return None if moment is None else conditions[moment].words()
        if self.settings.use_as_trigger:
            return self.words(0) if 0 in risen else None
        return None if held else " and ".join(self.words(index) for index in risen) or None

    def holds(self, index: int) -> bool:
        """Whether a condition holds now; a moment never does by itself."""
        condition = self.settings.conditions[index]
        return isinstance(condition, State) and bool(self._so[index]) is not condition.invert

    def words(self, index: int) -> str:
        """A condition in words, as it has to be."""
        condition = self.settings.conditions[index]
        inverted = isinstance(condition, State) and condition.invert
        return f"not: {condition.words()}" if inverted else condition.words()

    def explain(self) -> list[dict[str, object]]:
        """Each condition in words, and whether it holds now; a moment: None."""
        return [
            {"condition": self.words(index), "holds": None if isinstance(each, Moment) else self.holds(index)}
            for index, each in enumerate(self.settings.conditions)
        ]

    def why_not(self) -> str:
        """Why it would not fire now, in words; "" where nothing is missing, or only its moment."""
        missing = [
            self.words(index)
            for index, each in enumerate(self.settings.conditions)
            if isinstance(each, State) and not self.holds(index)
        ]
        if not self.settings.enabled:
            return "it is switched off"
        return f"does not hold: {'; '.join(missing)}" if missing else ""

    def _all(self) -> bool:
        """Whether every state holds."""
        conditions = self.settings.conditions
        return all(self.holds(index) for index, each in enumerate(conditions) if isinstance(each, State))
