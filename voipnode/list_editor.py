"""Adds, changes, removes and imports entries of lists of the settings file that are known by their names.

One for all lists that need nothing of their own; contacts, accounts and clips have editors for what they need beside.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter

from voipnode.calls.commands import AddToList, ChangeInList, DescribeList, ImportList, ReadList, RemoveFromList
from voipnode.calls.errors import FieldsError, UnknownNameError
from voipnode.calls.hooks import Commands
from voipnode.calls.references import listed
from voipnode.modules.rules.settings import renamed_in_rules
from voipnode.renaming import renamed_party, renamed_schedule
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor, setting_key, within, without_secrets

MODES = ("add", "overwrite", "replace")
MAX_ENTRIES = 300
Changes = list[tuple[str, Any]]
# What rules call the entries of a list.
KNOWN_TO_RULES = {
    "signals": "light profile",
    "pages": "display page",
    "recipients": "recipient",
    "detectors": "detector",
    "ports": "port",
    "inputs": "input",
}


class ListEditor:
    """Carries out the commands about `lists`, one after the other: by the list's key what one entry is called, such as
    {"signals": "profile"}. Whoever names an entry does so by its new name when it is renamed."""

    def __init__(self, editor: SettingsEditor, lists: Mapping[str, str]) -> None:
        self._editor = editor
        self._lists = lists

    def register(self, commands: Commands) -> None:
        """Take the commands."""
        commands.register(ReadList, self._read, who="lists")
        commands.register(DescribeList, self._describe, who="lists")
        commands.register(AddToList, self._add, who="lists")
        commands.register(ChangeInList, self._change, who="lists")
        commands.register(RemoveFromList, self._remove, who="lists")
        commands.register(ImportList, self._import, who="lists")

    async def _read(self, command: ReadList) -> str:
        entries = self._entries(await self._editor.load(), command.list)
        shown = [without_secrets(each.model_dump(exclude_defaults=command.brief, by_alias=True)) for each in entries]
        return json.dumps(shown)

    def _describe(self, command: DescribeList) -> str:
        self._noun(command.list)
        return _schema(command.list)

    async def _add(self, command: AddToList) -> str:
        async with self._editor.one_at_a_time:
            before = self._entries(await self._editor.load(), command.list)
            entry = f"{command.list}[{len(before)}]"
            values = self._values(command.list, command.values)
            self._refuse_taken(command.list, values.get("name"), before)
            settings, _ = await self._editor.carry_out({entry: values}, field=within(entry))
            return _name(self._entries(settings, command.list)[-1])

    async def _change(self, command: ChangeInList) -> str:
        async with self._editor.one_at_a_time:
            loaded = await self._editor.load()
            before = self._entries(loaded, command.list)
            index = self._index(command.list, command.name, before)
            entry = f"{command.list}[{index}]"
            values = self._values(command.list, command.changes, keep_none=True)
            new = values.get("name", command.name)
            changes = [(f"{entry}.{key}", value) for key, value in values.items()]
            if new != command.name:
                self._refuse_taken(command.list, new, before)
                changes += _renamed(loaded, command.list, command.name, str(new))
            settings, _ = await self._editor.carry_out(changes, field=within(entry))
            return _name(self._entries(settings, command.list)[index])

    async def _remove(self, command: RemoveFromList) -> str:
        async with self._editor.one_at_a_time:
            before = self._entries(await self._editor.load(), command.list)
            index = self._index(command.list, command.name, before)
            place = command.list if len(before) == 1 else f"{command.list}[{index}]"
            await self._editor.carry_out({place: None}, field=lambda key: key)
            return command.name

    async def _import(self, command: ImportList) -> str:
        if command.mode not in MODES:
            raise FieldsError([("mode", command.mode, f"{', '.join(MODES)} are right")])
        if len(command.entries) > MAX_ENTRIES:
            raise FieldsError([(command.list, None, f"{len(command.entries)} entries: at most {MAX_ENTRIES}")])
        wanted = [self._wanted(command.list, index, entry) for index, entry in enumerate(command.entries)]
        async with self._editor.one_at_a_time:
            before = self._entries(await self._editor.load(), command.list)
            changes, origins = _imported(command, wanted, before)
            settings, _ = await self._editor.carry_out(
                changes, field=lambda key: _in_import(command.list, key, origins)
            )
            return f"{len(wanted)} imported, there are {len(self._entries(settings, command.list))} now"

    def _wanted(self, name: str, index: int, entry: Any) -> dict[str, Any]:
        where = f"{name}[{index}]"
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise FieldsError([(where, None, "must be a table with a name")])
        return self._values(name, entry)

    def _noun(self, name: str) -> str:
        if name not in self._lists:
            raise UnknownNameError(f'list "{name}": there is no such list; there is {listed(self._lists)}')
        return self._lists[name]

    def _entries(self, settings: NodeSettings, name: str) -> Sequence[BaseModel]:
        self._noun(name)
        found: Sequence[BaseModel] = getattr(settings, name)
        return found

    def _values(self, name: str, values: Mapping[str, Any], *, keep_none: bool = False) -> dict[str, Any]:
        noun = self._noun(name)
        return {setting_key(key, f"a {noun}"): each for key, each in values.items() if keep_none or each is not None}

    def _index(self, name: str, entry: str, before: Sequence[BaseModel]) -> int:
        names = [_name(each) for each in before]
        if entry not in names:
            noun = self._noun(name)
            raise UnknownNameError(f'{noun} "{entry}": there is no such {noun}; there is {listed(names)}')
        return names.index(entry)

    def _refuse_taken(self, name: str, entry: Any, before: Sequence[BaseModel]) -> None:
        if entry in [_name(each) for each in before]:
            raise FieldsError([("name", entry, f"another {self._noun(name)} has this name")])


def _renamed(settings: NodeSettings, key: str, old: str, new: str) -> Changes:
    """Rules that name an entry, and the display whose home page it is, do so by its new name; of a group, all who
    ring it, of a schedule, all who hold by it."""
    if key == "groups":
        return renamed_party(settings, old, new)
    if key == "schedules":
        return renamed_schedule(settings, old, new)
    changes: Changes = []
    if key == "pages" and settings.display.home == old:
        changes.append(("display.home", new))
    return changes + renamed_in_rules(settings, KNOWN_TO_RULES.get(key, ""), old, new)


def _name(entry: BaseModel) -> str:
    name: str = getattr(entry, "name")  # noqa: B009 # of a type that is known by its list only
    return name


@functools.cache
def _schema(name: str) -> str:
    entry = get_args(NodeSettings.model_fields[name].annotation)[0]
    return json.dumps(TypeAdapter(entry).json_schema())


def _imported(
    command: ImportList, wanted: Sequence[Mapping[str, Any]], before: Sequence[BaseModel]
) -> tuple[Changes, list[int | None]]:
    """The changes that bring what is wanted, and of each entry afterwards, which one of the import that is."""
    at = {_name(each): index for index, each in enumerate(before)}
    taken = [each["name"] for each in wanted if each["name"] in at]
    if command.mode == "add" and taken:
        words = f"there is {listed(taken)} already; overwrite takes its place"
        raise FieldsError([(command.list, None, words)])
    if command.mode == "replace":
        changes: Changes = [(command.list, None)] if before else []
        return changes + [(f"{command.list}[{i}]", dict(each)) for i, each in enumerate(wanted)], [*range(len(wanted))]
    changes = []
    kept: list[int | None] = [None] * len(before)
    for number, entry in enumerate(wanted):
        index = at.get(entry["name"])
        if index is None:
            changes.append((f"{command.list}[{len(kept)}]", dict(entry)))
            kept.append(number)
            continue
        kept[index] = number
        keys = {**type(before[index]).model_fields, **entry}
        changes += [(f"{command.list}[{index}].{key}", entry.get(key)) for key in keys]
    return changes, kept


def _in_import(name: str, key: str, origins: Sequence[int | None]) -> str:
    """The key of a problem as the import has it; of an entry that is not in it, as the settings file has it."""
    head, bracket, rest = key.partition("]")
    place = head.removeprefix(f"{name}[")
    if not bracket or not place.isdecimal() or int(place) >= len(origins) or origins[int(place)] is None:
        return key
    return f"{name}[{origins[int(place)]}]{rest}"
