"""Contacts added, changed, removed and imported while a node runs: in its file, with its comments, and in use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run_test
from tests.test_account_editor import Running, with_node
from voipnode.calls.commands import (
    AddContact,
    ChangeContact,
    ExportContacts,
    ImportContacts,
    ReadContacts,
    RemoveContact,
    SpeedDial,
)
from voipnode.calls.contacts.book import ContactBook
from voipnode.calls.contacts.desk import ContactDesk
from voipnode.calls.errors import CallError, FieldsError, UnknownNameError
from voipnode.calls.events import ContactsChanged, Event, ScheduleChanged
from voipnode.calls.hooks import Bus, Commands
from voipnode.calls.schedules.schedules import Schedules
from voipnode.contact_editor import ContactEditor
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor
from voipnode.store.settings_file import load_settings

BEFORE = """# ours
[[contacts]] # the house
name = "Anna"  # on the first floor
address = "sip:anna@192.0.2.1"
fallback = "Bob"

[[contacts]]
name = "Bob"
address = "sip:bob@192.0.2.2" # his mobile
"""


class Room:
    """A settings file with its editor, and the contacts that are in use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(BEFORE)
        self.book = ContactBook()
        self.told: list[str] = []
        self.commands = Commands()
        bus = Bus(asyncio.get_running_loop().time)
        bus.subscribe(ContactsChanged, lambda event: self.told.append(event.detail), who="test")
        self.settings = load_settings(path, NodeSettings)
        ContactEditor(SettingsEditor(path, self._use, lambda: self.settings), bus).register(self.commands)

    async def _use(self, settings: NodeSettings) -> bool:
        self.settings = settings
        self.book.replace(settings.contacts, Schedules(settings.schedules))
        return True

    async def add(self, **settings: Any) -> str:
        return await self.commands.execute(AddContact(settings=settings))

    async def change(self, contact: str, **changes: Any) -> str:
        return await self.commands.execute(ChangeContact(contact=contact, changes=changes))

    async def remove(self, contact: str) -> str:
        return await self.commands.execute(RemoveContact(contact=contact))

    async def take(self, *contacts: Any, mode: str = "merge", **document: Any) -> str:
        whole = {"format": "voipnode contacts", "version": 1, "contacts": list(contacts), **document}
        return await self.commands.execute(ImportContacts(document=whole, mode=mode))

    @property
    def stored(self) -> list[str]:
        return [contact.name for contact in load_settings(self.path, NodeSettings).contacts]


def with_room(test: Callable[[Room], Awaitable[None]], folder: Path) -> None:
    async def play() -> None:
        await test(Room(folder / "voipnode.toml"))

    run_test(play())


def wrong(error: pytest.ExceptionInfo[FieldsError]) -> list[str]:
    return [f"{field}: {words}" for field, _, words in error.value.fields]


def test_a_contact_is_added_behind_the_others(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        assert await room.add(name="Carl", address="103", speed_dial="3", note=None) == "Carl"
        assert [each.name for each in room.book.contacts] == room.stored == ["Anna", "Bob", "Carl"]
        assert room.path.read_text().startswith(BEFORE.rstrip("\n"))
        assert room.told == ['"Carl" was added']

    with_room(test, tmp_path)


def test_only_what_is_sent_changes_and_comments_stay(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        assert await room.change("Anna", address="101", fallback=None) == "Anna"
        assert room.path.read_text() == BEFORE.replace("sip:anna@192.0.2.1", "101").replace('fallback = "Bob"\n', "")
        found = room.book.find("Anna")
        assert found is not None
        assert (found.address, found.fallback) == ("101", "")

    with_room(test, tmp_path)


def test_who_falls_back_on_a_contact_does_so_by_its_new_name(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        assert await room.change("Bob", name="Robert") == "Robert"
        assert [(each.name, each.fallback) for each in room.book.contacts] == [("Anna", "Robert"), ("Robert", "")]

    with_room(test, tmp_path)


GROUPS = """
[[groups]]
name = "family"
members = ["Anna", "101", "Bob"] # all of us
fallback = "Anna"
[[groups]]
name = "guards"
stages = [{ ring = ["102", "Anna"], for_s = 10 }, { ring = ["Bob"] }]
"""


BUTTONS = """
[[inputs]]
name = "a"
[[inputs]]
name = "b"
[[buttons]]
name = "a"
input = "a"
ring = "Anna"
[[buttons]]
name = "b"
input = "b"
rings = [{ ring = "Bob", schedule = "always" }, { ring = "Anna" }]
fallback = "Anna"
[[recipients]]
name = "Phone"
kind = "call"
to = "Anna"
"""


def test_groups_buttons_and_recipients_ring_a_contact_by_its_new_name(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        room.path.write_text(BEFORE + BUTTONS + GROUPS)
        await room.change("Anna", name="Hannah")
        assert [(each.ring, [r.ring for r in each.rings], each.fallback) for each in room.settings.buttons] == [
            ("Hannah", [], ""),
            ("", ["Bob", "Hannah"], "Hannah"),
        ]
        assert [each.to for each in room.settings.recipients if each.kind == "call"] == ["Hannah"]
        family, guards = room.settings.groups
        assert (family.members, family.fallback) == (("Hannah", "101", "Bob"), "Hannah")
        assert [stage.ring for stage in guards.stages] == [("102", "Hannah"), ("Bob",)]
        assert room.path.read_text().endswith(GROUPS.replace("Anna", "Hannah"))
        with pytest.raises(FieldsError) as caught:
            await room.remove("Bob")
        assert {each.split(":")[0] for each in wrong(caught)} == {
            "contacts[0].fallback",
            "groups[0].members[2]",
            "groups[1].stages[1].ring[0]",
            "buttons[1].rings[0].ring",
        }

    with_room(test, tmp_path)


def test_what_is_wrong_is_said_by_field_and_nothing_changes(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        for attempt, fields in (
            (
                room.add(name="Carl", address="x y", speed_dial="A", shoe_size="43"),
                {"address", "speed_dial", "shoe_size"},
            ),
            (room.add(name="Anna", address="103"), {"name"}),
            (room.add(address="103"), {"name"}),
            (room.add(name="Carl", address=5), {"address"}),
            (room.add(**{"name": "Carl", "x.y": "1"}), {"x.y"}),
            (room.change("Bob", fallback="Anna"), {"contacts[0].fallback"}),  # which closes the circle
            (room.change("Bob", name=None), {"name"}),
            (room.remove("Bob"), {"contacts[0].fallback"}),
        ):
            with pytest.raises(FieldsError) as caught:
                await attempt
            assert {field for field, _, _ in caught.value.fields} == fields
        with pytest.raises(UnknownNameError, match='no such contact; there is "Anna", "Bob"'):
            await room.remove("Zoe")
        assert room.path.read_text() == BEFORE
        assert not room.told

    with_room(test, tmp_path)


def test_the_last_one_takes_the_list_with_it(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        await room.remove("Anna")
        await room.remove("Bob")
        assert room.path.read_text().strip() == "# ours"
        assert room.book.contacts == ()
        await room.add(name="Carl", address="103")
        assert room.stored == ["Carl"]

    with_room(test, tmp_path)


def test_a_file_that_cannot_be_written_is_said_and_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    async def test(room: Room) -> None:
        before = room.settings
        monkeypatch.setattr("voipnode.settings_editor.write_settings", full)
        with pytest.raises(CallError, match="No space left on device; nothing was changed"):
            await room.add(name="Carl", address="103")
        assert room.settings is before
        assert room.stored == ["Anna", "Bob"]

    with_room(test, tmp_path)


def test_an_import_changes_those_of_the_same_name_and_adds_the_others(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        words = await room.take(
            {"name": "Carl", "address": "103"}, {"name": "Anna", "address": "101", "speed_dial": "1"}
        )
        assert words == room.told[0] == "2 imported, there are 3 now"
        assert room.stored == ["Anna", "Bob", "Carl"]
        anna = room.book.find("Anna")
        assert anna is not None
        assert (anna.address, anna.speed_dial, anna.fallback) == ("101", "1", "")
        assert "# on the first floor" in room.path.read_text()

    with_room(test, tmp_path)


def test_an_import_that_replaces_removes_who_is_not_in_it(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        await room.take({"name": "Dora", "address": "104"}, {"name": "Bob", "address": "102"}, mode="replace")
        assert room.stored == ["Bob", "Dora"]
        await room.take({"name": "Eve", "address": "105"}, {"name": "Fay", "address": "106"})
        await room.take({"name": "Fay", "address": "106"}, {"name": "Gus", "address": "107"}, mode="replace")
        assert room.stored == ["Fay", "Gus"]
        await room.take(mode="replace")
        assert room.stored == []
        await room.take({"name": "Eve", "address": "105"}, mode="replace")
        assert room.stored == ["Eve"]

    with_room(test, tmp_path)


def test_of_an_import_all_is_taken_or_nothing_and_each_mistake_is_named_by_its_place_in_it(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        with pytest.raises(FieldsError) as caught:
            await room.take({"name": "Carl", "address": "103"}, {"name": "sip:x", "address": "x y"}, {"name": "Anna"})
        assert [each.split(":")[0] for each in wrong(caught)] == [
            "contacts[2].address",
            "contacts[1].name",
            "contacts[1].address",
        ]
        with pytest.raises(FieldsError) as caught:
            await room.take(
                {"name": "Carl", "address": "103", "speed_dial": "1", "fallback": "Zoe"},
                {"name": "Dora", "address": "104", "speed_dial": "1"},
                {"name": "Carl", "address": "105"},
            )
        assert sorted(each.split(":")[0] for each in wrong(caught)) == [
            "contacts[0].fallback",
            "contacts[1].speed_dial",
            "contacts[2].name",
        ]
        with pytest.raises(FieldsError) as caught:
            await room.take({"name": "Anna", "address": 5}, {"name": "Bob", "x": ["y"]})
        assert wrong(caught) == ["contacts[0].address: must be text"]
        assert room.path.read_text() == BEFORE

    with_room(test, tmp_path)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"format": "phone book"}, "this is no list of contacts"),
        ({"version": 2}, "this node reads version 1"),
        ({"contacts": {}}, "must be a list"),
        ({"contacts": [1]}, "must be an object"),
        ({"contacts": [{}] * 1001}, "at most 1000"),
    ],
)
def test_a_document_of_another_kind_is_refused(tmp_path: Path, document: dict[str, Any], words: str) -> None:
    async def test(room: Room) -> None:
        with pytest.raises(FieldsError, match=words):
            await room.take(**document)

    with_room(test, tmp_path)


def test_what_is_exported_is_imported_as_it_was(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        await room.change("Bob", note="after 18:00 – müde", speed_dial="*2")
        before = room.book.contacts
        ContactDesk(room.book, Bus(lambda: 0.0), room.commands, lambda: None).register()  # type: ignore[arg-type, return-value] # no time is asked for
        text = await room.commands.execute(ExportContacts())
        await room.remove("Anna")
        await room.commands.execute(ImportContacts(document=json.loads(text), mode="replace"))
        assert sorted(room.book.contacts, key=lambda each: each.name) == list(before)

    with_room(test, tmp_path)


def test_a_running_node_uses_what_was_changed_at_once(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        commands = node.node.commands
        await commands.execute(AddContact(settings={"name": "Anna", "address": "101", "schedule": "never"}))
        (anna,) = json.loads(await commands.execute(ReadContacts()))
        assert (anna["name"], anna["available"]) == ("Anna", False)
        with pytest.raises(UnknownNameError, match="no contact has them; there is none"):
            await commands.execute(SpeedDial(digits="1"))
        await commands.execute(ChangeContact(contact="Anna", changes={"schedule": None}))
        assert json.loads(await commands.execute(ReadContacts()))[0]["available"]

        text = node.path.read_text().replace('name = "Anna"', 'name = "Hannah"')
        node.path.write_text(text.replace("[sip]", '[[schedules]]\nname = "days"\ntimes = ["daily"]\n[sip]'))
        await node.node.reload()
        assert json.loads(await commands.execute(ReadContacts()))[0]["name"] == "Hannah"

        def is_days(event: Event) -> bool:
            return isinstance(event, ScheduleChanged) and (event.schedule, event.active) == ("days", True)

        await node.event(is_days)

    with_node(test, tmp_path)
