"""Settings of the exchange: `[switch]` of voipnode.toml, and what they say about others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from voipnode.calls.exchange.dial_plan import Rule
from voipnode.calls.exchange.service_settings import ConferenceSettings, LookOutSettings, PageSettings

Where = tuple[str | int, ...]
MAX_RULES = 64
MAX_CONFERENCES = 64


class SwitchSettings(BaseModel):
    """Calls between telephones through the node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dial_plan: tuple[str, ...] = Field(
        default=(),
        max_length=MAX_RULES,
        description='Rules like "10x -> extension", the first that fits counts; signs: 0-9 * # +, x = any digit, [2-5],'
        ' and a dot at the end = whatever follows. Where to: extension, group [name], account NAME, door, "look out",'
        " page, conference NAME, pickup, refuse; then strip N and prefix DIGITS, where wanted. What no rule takes is"
        " looked up among the numbers of extensions, the names of groups, and the user ids of accounts (the door).",
    )
    max_calls: int = Field(default=50, ge=0, le=1000, description="Calls through the node at the same time.")
    ring_s: int = Field(default=60, ge=5, le=600, description="Give up a call through the node that nobody answers.")
    max_call_duration_s: int = Field(
        default=14_400, ge=60, le=86_400, description="End calls through the node after this long."
    )
    conferences: tuple[ConferenceSettings, ...] = Field(
        default=(), max_length=MAX_CONFERENCES, description="What `conference NAME` in the dial plan leads to."
    )
    page: PageSettings = Field(default=PageSettings(), description="What `page` in the dial plan leads to.")
    look_out: LookOutSettings = Field(default=LookOutSettings(), description='What "look out" in it leads to.')

    @field_validator("dial_plan")
    @classmethod
    def _rules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        rules: list[Rule] = []
        for number, text in enumerate(value, 1):
            rule = Rule.parse(text)
            for earlier, other in enumerate(rules, 1):
                if other.pattern.covers(rule.pattern):
                    how = "takes the same numbers" if rule.pattern.covers(other.pattern) else "takes all of its numbers"
                    raise ValueError(
                        f'rule {number} "{text}" is never reached: rule {earlier} "{other.text}" {how}; write the one'
                        " for fewer numbers first, or take one out"
                    )
            rules.append(rule)
        return value

    @field_validator("conferences")
    @classmethod
    def _conferences(cls, value: tuple[ConferenceSettings, ...]) -> tuple[ConferenceSettings, ...]:
        names = [each.name for each in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'two conferences are called "{name}"; each needs a name of its own')
        return value

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The dial plan, read."""
        return tuple(Rule.parse(text) for text in self.dial_plan)


NO_RULES = SwitchSettings()


def broken_dial_plan(
    switch: SwitchSettings,
    *,
    extensions: Collection[str],
    groups: Collection[str],
    trunks: Collection[str],
    incoming: Sequence[str],
) -> Iterator[tuple[Where, Any, str]]:
    """Rules that name nobody, extensions and groups that a rule hides, accounts whose calls would reach nobody: place,
    value, what is wrong.

    `trunks`: the names of registered accounts; a peer-to-peer one has nobody behind it to whom a number says anything.
    `incoming`: of each account in its order.
    """
    known: Mapping[str, tuple[str, Collection[str]]] = {
        "extension": ("extension", extensions),
        "group": ("group", groups),
        "trunk": ("registered account", trunks),
        "conference": ("conference", [each.name for each in switch.conferences]),
    }
    rules = switch.rules
    for index, rule in enumerate(rules):
        what, names = known.get(rule.kind, ("", ()))
        if what and rule.name and rule.name not in names:
            there = ", ".join(f'"{name}"' for name in sorted(names)) or "none"
            yield ("switch", "dial_plan", index), rule.text, f'there is no {what} "{rule.name}"; there is {there}'
    for what, names in (("extension", extensions), ("group", groups)):
        for name in sorted(names):
            taken = next(((i, rule) for i, rule in enumerate(rules) if rule.pattern.matches(name)), None)
            if taken is not None and not _leads_there(taken[1], what, name):
                place = ("switch", "dial_plan", taken[0])
                yield place, taken[1].text, f'the {what} "{name}" cannot be dialled: this rule takes its number'
    for index, name in enumerate(incoming):
        if name not in ("", "door", *extensions, *groups):
            words = "there is no such extension or group; write \"door\", an extension's number or a group's name"
            yield ("accounts", index, "incoming"), name, words


def _leads_there(rule: Rule, what: str, name: str) -> bool:
    """Whether who dials this name gets what has it, or the rule's own line says in full who is meant instead."""
    if rule.kind == what:
        return (rule.name or rule.dialled(name)) == name
    return rule.kind == "refused"
