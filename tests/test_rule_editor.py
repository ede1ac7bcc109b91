"""Rules added, changed, switched and removed while a node runs: in its file, with its comments kept, and in use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run_test
from voipnode.calls.commands import (
    AddRule,
    ChangeContact,
    ChangeRule,
    DescribeRules,
    ListRules,
    ReadRule,
    RemoveRule,
)
from voipnode.calls.errors import FieldsError, UnknownNameError
from voipnode.calls.events import NodeStarted, RulesChanged
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.contact_editor import ContactEditor
from voipnode.modules.rules.module import RulesModule
from voipnode.rule_editor import RuleEditor
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor
from voipnode.store.settings_file import load_settings

BEFORE = """# ours
[[clips]]
name = "Loud ringer"
file = "ring.wav"

[[contacts]]
name = "Anna"
address = "sip:anna@192.0.2.1"

[[rules]] # the first
name = "Night"
conditions = [
    {is = "access_granted"}, # whoever
    {is = "schedule", name = "day", invert = true}, # at night
]
actions = [{do = "pulse", port = "door"}] # the lock

[[rules]]
name = "Help"
enabled = false
conditions = [{is = "trigger", name = "help"}]
actions = [{do = "call", to = "Anna"}, {do = "ring", to = "Anna"}]

[[schedules]]
name = "day"
times = ["daily 08:00-18:00"]
"""
GREET = {
    "name": "Greet",
    "conditions": [{"is": "button", "name": "", "extra": None}],
    "actions": [{"do": "play_clip", "clip": "Loud ringer", "to": "door", "volume": 100, "repeat": 1}],
}


class Room:
    """A settings file with its editors, and the rules that are in use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(BEFORE)
        self.commands = Commands()
        self.told: list[str] = []
        bus = Bus(asyncio.get_running_loop().time)
        bus.subscribe(RulesChanged, lambda event: self.told.append(event.detail), who="test")
        self.settings = load_settings(path, NodeSettings)
        self.module = RulesModule(House(bus, self.commands, path.parent), self.settings)
        editor = SettingsEditor(path, self._use, lambda: self.settings)
        RuleEditor(editor, bus).register(self.commands)
        ContactEditor(editor, bus).register(self.commands)
        self.bus = bus

    async def _use(self, settings: NodeSettings) -> bool:
        self.settings = settings
        self.module.use(settings)
        return True

    async def change(self, rule: str, **changes: Any) -> str:
        return await self.commands.execute(ChangeRule(rule=rule, changes=changes))

    async def rules(self) -> dict[str, Any]:
        """Those in use, by name."""
        return {each["name"]: each for each in json.loads(await self.commands.execute(ListRules()))["rules"]}

    @property
    def text(self) -> str:
        return self.path.read_text()


def with_room(test: Callable[[Room], Awaitable[None]], folder: Path) -> None:
    async def play() -> None:
        room = Room(folder / "voipnode.toml")
        await room.module.start()
        room.bus.publish(NodeStarted(version="1"))
        await test(room)
        await room.module.stop()

    run_test(play())


def wrong(error: pytest.ExceptionInfo[FieldsError]) -> list[str]:
    return [f"{field}: {words}" for field, _, words in error.value.fields]


def test_a_rule_is_added_as_short_as_it_can_be(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        assert await room.commands.execute(AddRule(settings=GREET)) == "Greet"
        assert (
            """
[[rules]]
name = "Greet"
conditions = [{is = "button"}]
actions = [{do = "play_clip", clip = "Loud ringer", repeat = 1}]
"""
            in room.text
        )
        assert room.text.startswith(BEFORE.partition("[[schedules]]")[0].rstrip("\n"))
        assert (await room.rules())["Greet"]["actions"] == ['play "Loud ringer", 2 times']
        assert room.told == ['"Greet" was added']

    with_room(test, tmp_path)


def test_a_changed_rule_is_off_until_it_is_switched_on_and_comments_stay(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        rule = json.loads(await room.commands.execute(ReadRule(rule="Night")))
        assert rule["conditions"][1] == {"invert": True, "is": "schedule", "name": "day"}
        rule["conditions"][1]["invert"] = False
        await room.change("Night", conditions=rule["conditions"], wait_between_s="00:00:30")
        assert '{is = "access_granted"}, # whoever\n    {is = "schedule", name = "day"}, # at night' in room.text
        assert 'wait_between_s = "00:00:30"\nenabled = false' in room.text
        assert not (await room.rules())["Night"]["on"]
        await room.change("Night", enabled=True)
        assert (await room.rules())["Night"]["on"]
        await room.change("Night", actions=[{"do": "release", "port": "door"}], enabled=True)  # said to be on at once
        assert (await room.rules())["Night"]["on"]
        assert room.told == [
            '"Night" was changed, and is off until it is switched on again',
            '"Night" was switched on',
            '"Night" was changed',
        ]

    with_room(test, tmp_path)


def test_what_is_wrong_is_said_of_its_field_and_nothing_changes(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        with pytest.raises(FieldsError) as told:
            await room.change("Night", conditions=[{"is": "schedule", "name": "nightly"}, {"is": "weather"}])
        assert [each.partition(":")[0] for each in wrong(told)] == ["conditions[1]"]
        with pytest.raises(FieldsError) as told:
            await room.change("Night", conditions=[{"is": "schedule", "name": "nightly"}])
        assert wrong(told) == ['conditions[0].name: there is no such schedule; there is "day"']
        with pytest.raises(FieldsError) as told:
            await room.commands.execute(AddRule(settings={**GREET, "name": "Help"}))
        assert wrong(told) == ["name: another rule has this name"]
        for bad in ("x", [1], [{"is": {"deep": None}}]):
            with pytest.raises(FieldsError):
                await room.change("Night", conditions=bad)
        with pytest.raises(UnknownNameError, match='rule "Day": there is no such rule; there is'):
            await room.change("Day", enabled=False)
        assert room.text == BEFORE
        assert room.told == []

    with_room(test, tmp_path)


def test_a_rule_that_the_node_comes_with_is_written_down_when_it_is_switched_on(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        before = (await room.rules())["Loud ringer"]
        assert (before["on"], before["preconfigured"]) == (False, True)
        await room.change("Loud ringer", enabled=True)
        after = (await room.rules())["Loud ringer"]
        assert (after["on"], after["preconfigured"]) == (True, False)
        assert 'conditions = [{is = "call", states = ["Ringing"], direction = "incoming"}]' in room.text
        assert '[{do = "play_clip", clip = "Loud ringer", repeat = 1000, while_active = true}]' in room.text
        with pytest.raises(FieldsError) as told:
            await room.change("Announcement tone on an incoming call", enabled=True)
        assert wrong(told) == ['actions[0].clip: there is no such clip; there is "Loud ringer"']
        await room.commands.execute(RemoveRule(rule="Loud ringer"))
        assert (await room.rules())["Loud ringer"] == before
        with pytest.raises(FieldsError, match="the node comes with this rule"):
            await room.commands.execute(RemoveRule(rule="Loud ringer"))

    with_room(test, tmp_path)


def test_rules_name_a_contact_by_its_new_name(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        await room.commands.execute(ChangeContact(contact="Anna", changes={"name": "Anne"}))
        assert '{do = "ring", to = "Anne"}' in room.text

    with_room(test, tmp_path)


def test_the_schema_has_what_there_is_to_choose_from(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        schema = json.loads(await room.commands.execute(DescribeRules()))
        assert schema["names"]["schedule"] == ["day"]
        items = schema["properties"]["conditions"]["items"]
        assert items["discriminator"]["mapping"]["schedule"] == "#/$defs/ScheduleActive"
        assert schema["$defs"]["ScheduleActive"]["properties"]["name"]["names"] == "schedule"

    with_room(test, tmp_path)
