"""Entries of a list added, changed, removed and imported while a node runs: in its file, with its comments kept."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run_test
from voipnode.calls.commands import AddToList, ChangeInList, DescribeList, ImportList, ReadList, RemoveFromList
from voipnode.calls.errors import CallError, FieldsError, UnknownNameError
from voipnode.calls.hooks import Commands
from voipnode.list_editor import ListEditor
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor
from voipnode.store.settings_file import load_settings

BEFORE = """# ours
[[signals]]
name = "Alarm"  # loud
light = "flash"
priority = 8

[[signals]]
name = "Note"
light_colour = "blue" # calm
"""


class Room:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(BEFORE)
        self.commands = Commands()
        self.settings = load_settings(path, NodeSettings)
        editor = SettingsEditor(path, self._use, lambda: self.settings)
        ListEditor(
            editor, {"signals": "profile", "pages": "page", "groups": "group", "schedules": "schedule"}
        ).register(self.commands)

    async def _use(self, settings: NodeSettings) -> bool:
        self.settings = settings
        return True

    async def take(self, *entries: Any, mode: str = "add") -> str:
        return await self.commands.execute(ImportList(list="signals", entries=entries, mode=mode))

    @property
    def names(self) -> list[str]:
        found = [each.name for each in self.settings.signals]
        assert found == [each.name for each in load_settings(self.path, NodeSettings).signals], "in use as in the file"
        return found


def with_room(test: Callable[[Room], Awaitable[None]], folder: Path) -> None:
    async def play() -> None:
        await test(Room(folder / "voipnode.toml"))

    run_test(play())


def wrong(error: pytest.ExceptionInfo[FieldsError]) -> list[str]:
    return [f"{field}: {words}" for field, _, words in error.value.fields]


def test_an_entry_is_added_changed_and_removed_and_comments_stay(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        do = room.commands.execute
        added = AddToList(list="signals", values={"name": "New", "siren": "chime", "time_s": None})
        assert await do(added) == "New"
        assert room.names == ["Alarm", "Note", "New"]
        assert room.path.read_text().startswith(BEFORE.rstrip())
        changes = {"name": "Fire", "light": None, "light_speed": "fast"}
        assert await do(ChangeInList(list="signals", name="Alarm", changes=changes)) == "Fire"
        assert room.settings.signals[0].model_dump(exclude_defaults=True) == {
            "name": "Fire",
            "light_speed": "fast",
            "priority": 8,
        }
        assert "# loud" in room.path.read_text()
        for name in ("Note", "New", "Fire"):
            await do(RemoveFromList(list="signals", name=name))
        assert room.names == []
        assert "# ours" in room.path.read_text()

    with_room(test, tmp_path)


def test_what_is_wrong_is_told_by_field_and_changes_nothing(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        do = room.commands.execute
        with pytest.raises(FieldsError) as error:
            await do(AddToList(list="signals", values={"name": "New", "priority": 11, "light": "dance"}))
        assert {field for field, _, _ in error.value.fields} == {"priority", "light"}
        for command in (
            AddToList(list="signals", values={"name": "Note"}),
            ChangeInList(list="signals", name="Alarm", changes={"name": "Note"}),
        ):
            with pytest.raises(FieldsError) as error:
                await do(command)
            assert wrong(error) == ["name: another profile has this name"]
        with pytest.raises(FieldsError) as error:
            await do(ChangeInList(list="signals", name="Alarm", changes={"../x": 1}))
        assert wrong(error) == ["../x: this is no setting of a profile"]
        with pytest.raises(UnknownNameError, match='there is "Alarm", "Note"'):
            await do(RemoveFromList(list="signals", name="None"))
        with pytest.raises(UnknownNameError, match='there is "groups", "pages", "schedules", "signals"'):
            await do(ReadList(list="accounts"))
        assert room.path.read_text() == BEFORE

    with_room(test, tmp_path)


def test_what_is_exported_can_be_imported_in_three_ways(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        exported = json.loads(await room.commands.execute(ReadList(list="signals", brief=True)))
        assert exported == [
            {"name": "Alarm", "light": "flash", "priority": 8},
            {"name": "Note", "light_colour": "blue"},
        ]
        with pytest.raises(FieldsError) as error:
            await room.take(*exported)
        assert wrong(error) == ['signals: there is "Alarm", "Note" already; overwrite takes its place']
        words = await room.take({"name": "Post"})
        assert (words, room.names) == ("1 imported, there are 3 now", ["Alarm", "Note", "Post"])
        await room.take({"name": "New"}, {"name": "Note", "light_colour": "green"}, mode="overwrite")
        assert room.names == ["Alarm", "Note", "Post", "New"]
        assert "# calm" in room.path.read_text()
        await room.take({"name": "Alarm", "siren": "wail"}, mode="overwrite")
        assert room.settings.signals[0].model_dump(exclude_defaults=True) == {"name": "Alarm", "siren": "wail"}
        await room.take(*exported, mode="replace")
        assert room.names == ["Alarm", "Note"]
        await room.take(mode="replace")
        assert room.names == []

    with_room(test, tmp_path)


@pytest.mark.parametrize(
    ("entries", "mode", "field"),
    [
        ([{"name": "a"}, {"name": "b", "priority": 99}], "add", "signals[1].priority"),
        ([{"name": "b", "priority": 99}, {"name": "a"}], "replace", "signals[0].priority"),
        ([{"name": "b"}, {"name": "Note", "light": "dance"}], "overwrite", "signals[1].light"),
        ([None], "add", "signals[0]"),
        ([{"name": 5}], "add", "signals[0]"),
        ([{"name": "a"}], "merge", "mode"),
        ([{"name": "a"}] * 301, "add", "signals"),
        ([{"name": "a"}] * 2, "add", ""),
    ],
)
def test_an_import_that_is_not_right_changes_nothing(tmp_path: Path, entries: list[Any], mode: str, field: str) -> None:
    async def test(room: Room) -> None:
        with pytest.raises(FieldsError) as error:
            await room.take(*entries, mode=mode)
        assert [key for key, _, _ in error.value.fields] == [field]
        assert room.path.read_text() == BEFORE

    with_room(test, tmp_path)


def test_an_entry_is_described_for_forms(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        schema = json.loads(await room.commands.execute(DescribeList(list="signals")))
        assert schema["properties"]["priority"]["maximum"] == 10
        with pytest.raises(CallError):
            await room.commands.execute(DescribeList(list="web"))

    with_room(test, tmp_path)


def test_rules_follow_a_profile_and_a_page_that_are_renamed(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        more = (
            '[display]\nhome = "Map"\n[[pages]]\nname = "Map"\n[[rules]]\nname = "r"\n'
            'conditions = [{is = "trigger", name = "t"}]\n'
            'actions = [{do = "signal", profile = "Alarm"}, {do = "show_page", page = "Map"}, {do = "stop_signal"}]\n'
        )
        room.path.write_text(BEFORE + more)
        await room.commands.execute(ChangeInList(list="signals", name="Alarm", changes={"name": "Fire"}))
        await room.commands.execute(ChangeInList(list="pages", name="Map", changes={"name": "Way"}))
        (rule,) = room.settings.rules
        assert [action.words() for action in rule.actions[:2]] == [
            'show profile "Fire" with light and siren',
            'show page "Way" for 30 s',
        ]
        assert room.settings.display.home == "Way"
        with pytest.raises(FieldsError, match='there is no such light profile; there is "Note"'):
            await room.commands.execute(RemoveFromList(list="signals", name="Fire"))

    with_room(test, tmp_path)


def test_whoever_rings_a_group_does_so_by_its_new_name(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        people = '[[contacts]]\nname = "Anna"\naddress = "101"\nfallback = "guards"\n'
        groups = '[[groups]]\nname = "guards"\nmembers = ["102"]\n[[groups]]\nname = "all"\nmembers = ["Anna"]\n'
        groups += 'fallback = "guards"\n[[accounts]]\nname = "PBX"\nincoming = "guards"\ndefault = true\n'
        room.path.write_text(people + groups)
        assert await room.commands.execute(ChangeInList(list="groups", name="guards", changes={"name": "watch"}))
        known = room.settings
        assert [known.contacts[0].fallback, known.groups[1].fallback, known.accounts[0].incoming] == ["watch"] * 3
        stages = [{"ring": ["101", "102"], "for_s": 5}, {"ring": ["Anna"]}]
        changes = {"members": [], "stages": stages}
        await room.commands.execute(ChangeInList(list="groups", name="watch", changes=changes))
        assert [stage.ring for stage in room.settings.groups[0].stages] == [("101", "102"), ("Anna",)]
        with pytest.raises(FieldsError) as caught:
            await room.commands.execute(RemoveFromList(list="groups", name="watch"))
        assert len(wrong(caught)) == 3

    with_room(test, tmp_path)


GOING_BY = """[[schedules]]
name = "day"
times = ["daily 08:00-18:00"] # the sun

[[schedules]]
name = "night"
times = ["daily"]
except = ["day"]

[[contacts]]
name = "Anna"
address = "101"
schedule = "day"

[[buttons]]
name = "bell"
input = "button"
rings = [{ring = "Anna", schedule = "day"}]

[[rules]]
name = "By day"
conditions = [{is = "schedule", name = "day"}]
actions = [{do = "locate"}]

[sip.incoming]
do_not_disturb = "day"
"""


def test_who_goes_by_a_schedule_follows_to_its_new_name(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        room.path.write_text(GOING_BY)
        do = room.commands.execute
        assert await do(ChangeInList(list="schedules", name="day", changes={"name": "sun"})) == "sun"
        assert room.path.read_text() == GOING_BY.replace('"day"', '"sun"')
        with pytest.raises(FieldsError) as error:
            await do(ChangeInList(list="schedules", name="sun", changes={"times": ["25:00"]}))
        assert [field for field, _, _ in error.value.fields] == ["times[0]"]

    with_room(test, tmp_path)
