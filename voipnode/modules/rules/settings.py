"""Settings of the rules: `[[rules]]` of voipnode.toml."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from voipnode.modules.rules.actions import FOR_A_CALL, Action, Press, Pulse, Seconds, SetInput, Wait
from voipnode.modules.rules.conditions import (
    Condition,
    Digits,
    InCall,
    Moment,
    MqttCame,
    MqttOn,
    Started,
    VirtualInputActive,
)
from voipnode.modules.rules.names import named_fields

MAX_RULES = 256
MAX_CONDITIONS = 16
MAX_ACTIONS = 32
DAY_S = 24 * 3600.0
Where = tuple[str | int, ...]
_ORDER = {"is": 0, "do": 0, "invert": 2, "while_active": 2}  # of the keys of conditions and actions; others between


class RuleSettings(BaseModel):
    """One rule. All conditions have to hold at once; then the actions are done, one after the other.

    It starts when the last of them begins to hold, or, with `use_as_trigger`, when the first one does, and the others
    hold already. From then on it is active, for as long as those that last hold, the trigger left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    name: str = Field(min_length=1, max_length=64, description="Its name in events and in the log; no other has it.")
    enabled: bool = True
    conditions: tuple[Condition, ...] = Field(min_length=1, max_length=MAX_CONDITIONS)
    use_as_trigger: bool = Field(
        default=False, description="Only the first condition starts it; the others have to hold then."
    )
    actions: tuple[Action, ...] = Field(min_length=1, max_length=MAX_ACTIONS)
    wait_between_s: Seconds = Field(
        default=0.0,
        ge=0,
        le=DAY_S,
        description='So long after it has fired it does not fire again. Seconds, or "hh:mm:ss".',
    )
    again: str = Field(
        default="skip",
        pattern="^(skip|restart)$",
        description='When it is to start while its actions are still being done: "skip", or "restart" them.',
        json_schema_extra={"enum": ["skip", "restart"]},
    )

    @property
    def lasting(self) -> tuple[int, ...]:
        """The conditions that have to go on holding while it is active."""
        return tuple(
            index
            for index, each in enumerate(self.conditions)
            if not isinstance(each, Moment) and not (self.use_as_trigger and index == 0)
        )

    @property
    def may_open(self) -> bool:
        """Whether it moves an output, or an input by which another rule or a button does."""
        return any(isinstance(each, Pulse | Press | SetInput) for each in self.actions)

    @property
    def opens_by_mqtt(self) -> bool:
        """Whether a message of the broker's makes it open."""
        has_moment = any(isinstance(each, Moment) for each in self.conditions)
        starts = (MqttCame,) if has_moment else (MqttOn,)
        return self.may_open and any(isinstance(each, starts) for each in self.conditions)

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
        return self

    @model_validator(mode="after")
    def _doable(self) -> Self:
        needs_call = next((each for each in self.actions if isinstance(each, FOR_A_CALL)), None)
        if needs_call is not None and not any(isinstance(each, InCall | Digits) for each in self.conditions):
            raise ValueError(
                f'the action "{needs_call.kind}" is for the call that the rule fired for: a condition "call" or "dtmf"'
                " is needed"
            )
        if isinstance(self.actions[-1], Wait):
            raise ValueError("the last action is to wait, and nothing comes after it")
        lasting = next((each for each in self.actions if each.lasts), None)
        if lasting is not None and not self.lasting:
            raise ValueError(
                f'the action "{lasting.kind}" is to last while the rule is active, which it is for no time: a condition'
                " that lasts, beside the trigger, is needed"
            )
        if any(isinstance(each, Digits) and each.anybody for each in self.conditions) and self.may_open:
            raise ValueError(
                "anybody's digits must not move an output, nor an input by which another rule may: leave anybody out"
            )
        if any(isinstance(each, Started) for each in self.conditions) and any(
            isinstance(each, Pulse) for each in self.actions
        ):
            raise ValueError("a start must move no output: another condition is needed")
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


def shortened(key: str, part: Mapping[str, Any]) -> dict[str, Any]:
    """One of a rule's `conditions` or `actions` as a table, without what is as it would be anyhow; one that cannot be
    is left as it is, for the whole rule's check to say why."""
    try:
        found = _one_of(key).validate_python(part)
    except ValidationError:
        return dict(part)
    short: dict[str, Any] = found.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return dict(sorted(short.items(), key=lambda item: _ORDER.get(item[0], 1)))  # as one would write it


@cache
def _one_of(key: str) -> TypeAdapter[Any]:
    return TypeAdapter(Condition if key == "conditions" else Action)


def virtual_inputs(rules: Collection[RuleSettings]) -> tuple[str, ...]:
    """The virtual inputs that there are: those that rules have as a condition."""
    found = {each.name for rule in rules for each in rule.conditions if isinstance(each, VirtualInputActive)}
    return tuple(sorted(found))


def broken_rules(
    rules: RulesSettings, names: Mapping[str, Collection[str]], longest_pulse_s: Mapping[str, float]
) -> Iterator[tuple[Where, Any, str]]:
    """What rules name and there is not: place, value, what would be right.

    `names` has for each kind of thing, as fields of conditions and actions call it, what there is of it;
    `longest_pulse_s` how long each port may be active.
    """
    for index, rule in enumerate(rules.rules):
        parts: list[tuple[str, tuple[BaseModel, ...]]] = [("conditions", rule.conditions), ("actions", rule.actions)]
        for key, each in parts:
            for place, part in enumerate(each):
                yield from _unknown(part, ("rules", index, key, place), names)
        for place, action in enumerate(rule.actions):
            if isinstance(action, Pulse) and action.duration_s > longest_pulse_s.get(action.port, action.duration_s):
                longest = longest_pulse_s[action.port]
                words = f'port "{action.port}" is activated for at most {longest:g} s (its max_pulse_s)'
                yield ("rules", index, "actions", place, "duration_s"), action.duration_s, words


def renamed_in_rules(rules: RulesSettings, what: str, old: str, new: str) -> list[tuple[str, Any]]:
    """The changes of the settings file by which rules name something, such as a "clip", by its new name."""
    changes: list[tuple[str, Any]] = []
    for index, rule in enumerate(rules.rules):
        parts: list[tuple[str, tuple[BaseModel, ...]]] = [("conditions", rule.conditions), ("actions", rule.actions)]
        for key, each in parts:
            for place, part in enumerate(each):
                for field in (name for name, kind in named_fields(type(part)).items() if kind == what):
                    where, value = f"rules[{index}].{key}[{place}].{field}", getattr(part, field)
                    if value == old:
                        changes.append((where, new))
                    elif isinstance(value, tuple) and old in value:
                        # As a whole: one of a list may be written without its brackets.
                        changes.append((where, [new if name == old else name for name in value]))
    return changes


def _unknown(part: BaseModel, where: Where, names: Mapping[str, Collection[str]]) -> Iterator[tuple[Where, Any, str]]:
    for field, what in named_fields(type(part)).items():
        if what not in names:
            continue
        value = getattr(part, field)
        several = value if isinstance(value, tuple) else (value,)
        for number, name in enumerate(several):
            if name not in names[what] and (name or type(part).model_fields[field].is_required()):
                there = ", ".join(f'"{each}"' for each in sorted(names[what])) or "none"
                place = (*where, field, number) if isinstance(value, tuple) else (*where, field)
                yield place, name, f"there is no such {what}; there is {there}"
