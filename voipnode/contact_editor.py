"""Adds, changes, removes and imports contacts while the node runs: in the settings file, with its comments kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from voipnode.calls.commands import AddContact, ChangeContact, ImportContacts, RemoveContact
from voipnode.calls.contacts.address_book import read_contacts
from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.errors import FieldsError, UnknownNameError
from voipnode.calls.events import ContactsChanged
from voipnode.calls.hooks import Bus, Commands
from voipnode.calls.references import listed
from voipnode.renaming import renamed_party
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor, setting_key, within

Changes = list[tuple[str, Any]]
_ENTRY = re.compile(r"contacts\[(\d+)\](.*)")


class ContactEditor:
    """Carries out the commands about contacts, one after the other; the next call finds what was changed."""

    def __init__(self, editor: SettingsEditor, bus: Bus) -> None:
        self._editor = editor
        self._bus = bus

    def register(self, commands: Commands) -> None:
        """Take the commands."""
        commands.register(AddContact, self._add, who="contacts")
        commands.register(ChangeContact, self._change, who="contacts")
        commands.register(RemoveContact, self._remove, who="contacts")
        commands.register(ImportContacts, self._import, who="contacts")

    async def _add(self, command: AddContact) -> str:
        async with self._editor.one_at_a_time:
            entry = f"contacts[{len((await self._editor.load()).contacts)}]"
            own = _texts(command.settings)
            settings, _ = await self._editor.carry_out({entry: own}, field=within(entry))
            return self._tell(settings.contacts[-1].name, "was added")

    async def _change(self, command: ChangeContact) -> str:
        async with self._editor.one_at_a_time:
            before = await self._editor.load()
            index = _index(before, command.contact)
            entry = f"contacts[{index}]"
            own = {key: command.changes[key] for key in command.changes if command.changes[key] is None}
            changes = [(f"{entry}.{key}", value) for key, value in (own | _texts(command.changes)).items()]
            new = command.changes.get("name")
            if isinstance(new, str) and new != command.contact:
                changes += renamed_party(before, command.contact, new)
            settings, _ = await self._editor.carry_out(changes, field=within(entry))
            return self._tell(settings.contacts[index].name, "was changed")

    async def _remove(self, command: RemoveContact) -> str:
        async with self._editor.one_at_a_time:
            before = await self._editor.load()
            changes = _removals([_index(before, command.contact)], len(before.contacts))
            await self._editor.carry_out(changes, field=lambda key: key)
            return self._tell(command.contact, "was removed")

    async def _import(self, command: ImportContacts) -> str:
        if command.mode not in ("merge", "replace"):
            raise FieldsError([("mode", command.mode, 'must be "merge" or "replace"')])
        wanted = [_texts(entry, f"contacts[{index}].") for index, entry in enumerate(read_contacts(command.document))]
        async with self._editor.one_at_a_time:
            before = (await self._editor.load()).contacts
            changes, origins = _imported(before, wanted, replace=command.mode == "replace")
            settings, _ = await self._editor.carry_out(changes, field=lambda key: _in_import(key, origins))
            words = f"{len(wanted)} imported, there are {len(settings.contacts)} now"
            self._bus.publish(ContactsChanged(detail=words))
            return words

    def _tell(self, contact: str, done: str) -> str:
        self._bus.publish(ContactsChanged(detail=f'"{contact}" {done}'))
        return contact


def _texts(settings: Mapping[str, Any], where: str = "") -> dict[str, str]:
    """What is set of a contact; all of it is text. Raises FieldsError."""
    wrong: list[tuple[str, object, str]] = []
    for key, value in settings.items():
        setting_key(key, "a contact")
        if value is not None and not isinstance(value, str):
            wrong.append((where + key, None, "must be text"))
    if wrong:
        raise FieldsError(wrong)
    return {key: value for key, value in settings.items() if value is not None}


def _index(settings: NodeSettings, name: str) -> int:
    names = [contact.name for contact in settings.contacts]
    if name not in names:
        raise UnknownNameError(f'contact "{name}": there is no such contact; there is {listed(names)}')
    return names.index(name)


def _removals(indexes: Sequence[int], count: int) -> Changes:
    """Takes entries out, the last one first, so that the others keep their places; the list, too, with its last one."""
    if len(indexes) == count:
        return [("contacts", None)] if count else []
    return [(f"contacts[{index}]", None) for index in sorted(indexes, reverse=True)]


def _imported(
    before: Sequence[ContactSettings], wanted: Sequence[Mapping[str, str]], *, replace: bool
) -> tuple[Changes, list[int | None]]:
    """The changes that bring what is wanted, and of each contact afterwards, which entry of it that is (None: none).

    Who is there already is changed where it differs, so that its comments stay.
    """
    places = {contact.name: index for index, contact in enumerate(before)}
    changes: Changes = []
    origins: dict[int, int] = {}
    new: list[int] = []
    for number, entry in enumerate(wanted):
        index = places.get(entry.get("name", ""))
        if index is None or index in origins:  # a name given twice is found out with the whole file
            new.append(number)
            continue
        origins[index] = number
        known = before[index].model_dump()
        changes += [
            (f"contacts[{index}].{key}", entry.get(key) or None)
            for key in {**known, **entry}
            if entry.get(key, "") != known.get(key, "")
        ]
    gone = [index for index in range(len(before)) if index not in origins] if replace else []
    changes += _removals(gone, len(before))
    kept = [origins.get(index) for index in range(len(before)) if index not in gone]
    changes += [(f"contacts[{len(kept) + place}]", dict(wanted[number])) for place, number in enumerate(new)]
    return changes, kept + new


def _in_import(key: str, origins: Sequence[int | None]) -> str:
    """The key of a problem as the import has it; of a contact that is not in it, as the settings file has it."""
    found = _ENTRY.fullmatch(key)
    if found is None or (number := origins[int(found[1])]) is None:
        return key
    return f"contacts[{number}]{found[2]}"
