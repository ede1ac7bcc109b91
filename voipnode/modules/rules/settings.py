"""Settings of the rules: `[[rules]]` of voipnode.toml."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voipnode.modules.rules.actions import FOR_A_CALL, Action, Play, Press, Pulse, Release, Send, StopPlaying, Wait
from voipnode.modules.rules.conditions import (
    ClipPlaying,
    Condition,
    Digits,
    InCall,
    InputActive,
    Moment,
    PortActive,
    ScheduleActive,
)

MAX_RULES = 256
MAX_CONDITIONS = 16
MAX_ACTIONS = 32
Where = tuple[str | int, ...]


class RuleSettings(BaseModel):
    """One rule. All conditions have to hold at once; then the actions are done, one after the other.

    It starts when the last of them begins to hold, or, with `use_as_trigger`, when the first one does, and the others
    hold already.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64, description="Its name in events and in the log; no other has it.")
    enabled: bool = True
    conditions: tuple[Condition, ...] = Field(min_length=1, max_length=MAX_CONDITIONS)
    use_as_trigger: bool = Field(default=False, description="Only the first condition starts it.")
    actions: tuple[Action, ...] = Field(min_length=1, max_length=MAX_ACTIONS)
    again: str = Field(
        default="skip",
        pattern="^(skip|restart)$",
        description='When it is to start while its actions are still being done: "skip", or "restart" them.',
    )

    @model_validator(mode="after")
    def _startable(self) -> Self:
        moments = [index for index, each in enumerate(self.conditions) if isinstance(each, Moment)]
        if len(moments) > 1:
            raise ValueError(
                f"conditions {moments[0] + 1} and {moments[1] + 1} are moments, which never come at once: one of them"
                " is right, beside states that last"
            )
        if self.use_as_trigger and moments and moments != [0]:
            raise ValueError(
                f"use_as_trigger: condition {moments[0] + 1} is a moment, so that the rule can start with nothing else;"
                " make it the first one"
            )
        needs_call = next((each for each in self.actions if isinstance(each, FOR_A_CALL)), None)
        if needs_call is not None and not any(isinstance(each, InCall | Digits) for each in self.conditions):
            raise ValueError(
                f'the action "{needs_call.kind}" is for the call that the rule fired for: a condition "call" or "dtmf"'
                " is needed"
            )
        if isinstance(self.actions[-1], Wait):
            raise ValueError("the last action is to wait, and nothing comes after it")
        if any(isinstance(each, Digits) and each.anybody for each in self.conditions) and any(
            isinstance(each, Pulse) for each in self.actions
        ):
            raise ValueError("anybody's digits must not move an output: leave anybody out")
        return self


class RulesSettings(BaseModel):
    """The rules of the node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[RuleSettings, ...] = Field(default=(), max_length=MAX_RULES)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f'the rule name "{twice[0]}" is used twice; names must differ')
        return self


def broken_rules(
    rules: RulesSettings,
    *,
    ports: dict[str, float],
    inputs: Collection[str],
    clips: Collection[str],
    schedules: Collection[str],
    sequences: Collection[str],
    recipients: Collection[str],
) -> Iterator[tuple[Where, Any, str]]:
    """What rules name and there is not: place, value, what would be right. `ports`: each with its longest pulse."""
    known: dict[str, Collection[str]] = {
        "port": ports,
        "input": inputs,
        "clip": clips,
        "schedule": schedules,
        "[[dtmf]] sequence": sequences,
        "recipient": recipients,
    }

    def look(where: Where, what: str, name: str) -> Iterator[tuple[Where, Any, str]]:
        if name and name not in known[what]:
            there = ", ".join(f'"{each}"' for each in sorted(known[what])) or "none"
            yield where, name, f"there is no such {what}; there is {there}"

    for index, rule in enumerate(rules.rules):
        for place, condition in enumerate(rule.conditions):
            here = ("rules", index, "conditions", place, "name")
            if isinstance(condition, InputActive):
                yield from look(here, "input", condition.name)
            elif isinstance(condition, PortActive):
                yield from look(here, "port", condition.name)
            elif isinstance(condition, ScheduleActive):
                yield from look(here, "schedule", condition.name)
            elif isinstance(condition, ClipPlaying):
                yield from look(here, "clip", condition.name)
            elif isinstance(condition, Digits):
                yield from look(here, "[[dtmf]] sequence", condition.name)
        for place, action in enumerate(rule.actions):
            where = ("rules", index, "actions", place)
            if isinstance(action, Pulse | Release):
                yield from look((*where, "port"), "port", action.port)
            if isinstance(action, Pulse) and action.duration_s > ports.get(action.port, action.duration_s):
                words = f'port "{action.port}" is activated for at most {ports[action.port]:g} s (its max_pulse_s)'
                yield (*where, "duration_s"), action.duration_s, words
            if isinstance(action, Play | StopPlaying):
                yield from look((*where, "clip"), "clip", action.clip)
            if isinstance(action, Send):
                yield from look((*where, "to"), "recipient", action.to)
            if isinstance(action, Press):
                yield from look((*where, "input"), "input", action.input)
