"""Adds, changes and removes rules while the node runs: in the settings file, with its comments kept, and in use."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from voipnode.calls.commands import AddRule, ChangeRule, DescribeRules, ReadRule, RemoveRule
from voipnode.calls.errors import FieldsError, UnknownNameError
from voipnode.calls.events import RulesChanged
from voipnode.calls.hooks import Bus, Commands
from voipnode.calls.references import listed
from voipnode.modules.rules.preconfigured import preconfigured
from voipnode.modules.rules.settings import RuleSettings, shortened
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor, setting_key, within
from voipnode.store.settings_file import inline_tables

Changes = list[tuple[str, Any]]
LISTS = ("conditions", "actions")


class RuleEditor:
    """Carries out the commands about rules, one after the other.

    A rule that is changed while it is on is off afterwards: it is to be looked at before it acts again. One that the
    node comes with is written to the file when it is first changed.
    """

    def __init__(self, editor: SettingsEditor, bus: Bus) -> None:
        self._editor = editor
        self._bus = bus

    def register(self, commands: Commands) -> None:
        """Take the commands."""
        commands.register(DescribeRules, self._describe, who="rules")
        commands.register(ReadRule, self._read, who="rules")
        commands.register(AddRule, self._add, who="rules")
        commands.register(ChangeRule, self._change, who="rules")
        commands.register(RemoveRule, self._remove, who="rules")

    async def _describe(self, command: DescribeRules) -> str:
        names = (await self._editor.load()).names_for_rules
        return json.dumps({**_schema(), "names": {what: list(found) for what, found in names.items()}})

    async def _read(self, command: ReadRule) -> str:
        rule = _known(await self._editor.load(), command.rule)
        return json.dumps(rule.model_dump(mode="json", by_alias=True))

    async def _add(self, command: AddRule) -> str:
        async with self._editor.one_at_a_time:
            before = await self._editor.load()
            values = _values(command.settings)
            _refuse_taken(before, values.get("name"))
            await self._put(len(before.rules), values)
            return self._tell(str(values["name"]), "was added")

    async def _change(self, command: ChangeRule) -> str:
        async with self._editor.one_at_a_time:
            before = await self._editor.load()
            known = _known(before, command.rule)
            changes = {setting_key(key, "a rule"): _without_nulls(value) for key, value in command.changes.items()}
            name = changes.get("name", known.name)
            if name != known.name:
                _refuse_taken(before, name)
            was_on = known.enabled and "enabled" not in changes
            if was_on and changes:
                changes["enabled"] = False
            if known in before.rules:
                index = before.rules.index(known)
                await self._editor.carry_out(_edits(f"rules[{index}]", known, changes), field=within(f"rules[{index}]"))
            else:
                own = known.model_dump(mode="json", by_alias=True, exclude_defaults=True)
                await self._put(len(before.rules), _values({**own, **changes}))
            done = "was changed"
            if changes.keys() == {"enabled"}:
                done = f"was switched {'on' if changes['enabled'] else 'off'}"
            elif was_on:
                done += ", and is off until it is switched on again"
            return self._tell(str(name), done)

    async def _remove(self, command: RemoveRule) -> str:
        async with self._editor.one_at_a_time:
            before = await self._editor.load()
            known = _known(before, command.rule)
            if known not in before.rules:
                raise FieldsError([("", command.rule, "the node comes with this rule: it is off, and stays")])
            place = "rules" if len(before.rules) == 1 else f"rules[{before.rules.index(known)}]"
            await self._editor.carry_out({place: None}, field=lambda key: key)
            return self._tell(command.rule, "was removed")

    async def _put(self, index: int, values: Mapping[str, Any]) -> None:
        """Write a rule behind all others."""
        entry = f"rules[{index}]"
        whole = {key: inline_tables(value) if key in LISTS else value for key, value in values.items()}
        await self._editor.carry_out({entry: whole}, field=within(entry))

    def _tell(self, rule: str, done: str) -> str:
        self._bus.publish(RulesChanged(detail=f'"{rule}" {done}'))
        return rule


def _known(settings: NodeSettings, name: str) -> RuleSettings:
    known = {each.name: each for each in (*settings.rules, *preconfigured(settings.rules))}
    if name not in known:
        raise UnknownNameError(f'rule "{name}": there is no such rule; there is {listed(known)}')
    return known[name]


def _refuse_taken(settings: NodeSettings, name: object) -> None:
    if not isinstance(name, str) or not name:
        raise FieldsError([("name", name if isinstance(name, str) else None, "a rule needs a name")])
    if name in {each.name for each in (*settings.rules, *preconfigured(settings.rules))}:
        raise FieldsError([("name", name, "another rule has this name")])


def _values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is set of a rule, as the file is to have it: without what is as it would be anyhow."""
    whole = {setting_key(key, "a rule"): _without_nulls(each) for key, each in settings.items() if each is not None}
    return {key: _parts(key, value) if key in LISTS else value for key, value in whole.items()}


def _parts(key: str, value: Any) -> Any:
    """Conditions or actions, each without what is as it would be anyhow; what is no list of tables stays as it is."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, Mapping) for each in value):
        raise FieldsError([(key, None, "must be a list of tables")])
    return [shortened(key, _without_nulls(each)) for each in value]


def _without_nulls(data: Any) -> Any:
    """JSON data as TOML can have it."""
    if isinstance(data, Mapping):
        return {key: _without_nulls(value) for key, value in data.items() if value is not None}
    if isinstance(data, list | tuple):
        return [_without_nulls(value) for value in data if value is not None]
    return data


def _edits(entry: str, known: RuleSettings, changes: Mapping[str, Any]) -> Changes:
    """The changes of the file; conditions and actions one by one where none was added or removed, so that the comments
    of the others stay."""
    edits: Changes = []
    before = known.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for key, value in changes.items():
        if key not in LISTS or value is None:
            edits.append((f"{entry}.{key}", value))
            continue
        parts, old = _parts(key, value), before[key]
        if len(parts) != len(old):
            edits.append((f"{entry}.{key}", inline_tables(parts)))
            continue
        edits += [(f"{entry}.{key}[{at}]", part) for at, part in enumerate(parts) if part != old[at]]
    return edits


@functools.cache
def _schema() -> dict[str, Any]:
    return RuleSettings.model_json_schema()
