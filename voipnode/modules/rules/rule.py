"""One rule as it stands: what its conditions are, and whether an event makes it fire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from voipnode.calls.events import Event
from voipnode.modules.rules.conditions import InCall, Moment, State
from voipnode.modules.rules.conditions.base import heard_as
from voipnode.modules.rules.settings import RuleSettings


@dataclass(slots=True)
class Rule:
    """Follows the events. Pure: what is done about a rule that fires is for others."""

    settings: RuleSettings
    _so: list[frozenset[str]] = field(init=False)  # of each state, what makes it so
    _held: bool = field(init=False)
    _by_event: dict[type[Event], list[int]] = field(init=False)  # the conditions that an event says something of

    def __post_init__(self) -> None:
        self._so = [frozenset() for _ in self.settings.conditions]
        self._by_event = {}
        for index, condition in enumerate(self.settings.conditions):
            for kind in condition.heard:
                self._by_event.setdefault(kind, []).append(index)
        self._held = self._all()

    @property
    def heard(self) -> tuple[type[Event], ...]:
        """The types of events that say something of its conditions."""
        return tuple(self._by_event)

    def hear(self, event: Event, *, may_fire: bool = True) -> str | None:
        """Whether the rule fires by this event: because of what, in words; None: it does not.

        `may_fire` False: the event only tells how things stand.
        """
        conditions: Sequence[State | Moment] = self.settings.conditions
        moment: int | None = None
        risen: list[int] = []
        has_changed = False
        for index in self._by_event.get(heard_as(event), ()):
            condition = conditions[index]
            if isinstance(condition, State):
                before = self._so[index]
                after = condition.next(before, event)
                if bool(after) is not bool(before):
                    has_changed = True
                    if bool(after) is not condition.invert:
                        risen.append(index)
                self._so[index] = after
            elif condition.hears(event):
                moment = index
        if not has_changed and moment is None:
            return None
        held, self._held = self._held, self._all()
        if not may_fire or not self._held:
            return None
        if any(isinstance(each, Moment) for each in conditions):
            return None if moment is None else conditions[moment].words()
        if self.settings.use_as_trigger:
            return self.words(0) if 0 in risen else None
        return None if held else " and ".join(self.words(index) for index in risen) or None

    def holds(self, index: int) -> bool:
        """Whether a condition holds now; a moment never does by itself."""
        condition = self.settings.conditions[index]
        return isinstance(condition, State) and bool(self._so[index]) is not condition.invert

    @property
    def call(self) -> str:
        """A call by which one of its conditions holds, "" for none: of several, the one whose name is the last."""
        for condition, so in zip(self.settings.conditions, self._so, strict=True):
            if isinstance(condition, InCall) and so and not condition.invert:
                return max(so)
        return ""

    def lasts(self) -> bool:
        """Whether a rule that has fired is active yet: its states hold, but for the one that is only its trigger."""
        lasting = self.settings.lasting
        return bool(lasting) and all(self.holds(index) for index in lasting)

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

    def missing(self) -> str:
        """Why it would not fire now, in words; "" where nothing is missing, or only its moment."""
        missing = [
            self.words(index)
            for index, each in enumerate(self.settings.conditions)
            if isinstance(each, State) and not self.holds(index)
        ]
        return f"does not hold: {'; '.join(missing)}" if missing else ""

    def awaited(self) -> str:
        """What makes it fire where nothing is missing, in words: its moment, or that what holds already begins anew."""
        conditions = self.settings.conditions
        for index, each in enumerate(conditions):
            if isinstance(each, Moment):
                return f"as soon as this happens: {self.words(index)}"
        if self.settings.use_as_trigger:
            return f"the next time that this begins to hold: {self.words(0)}"
        return "the next time that they begin to hold: all conditions hold already" if self._held else ""

    def _all(self) -> bool:
        """Whether every state holds."""
        conditions = self.settings.conditions
        return all(self.holds(index) for index, each in enumerate(conditions) if isinstance(each, State))
