"""Sections of the settings file changed while a node runs: key by key, with the file's comments kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.aio import run_test
from voipnode.calls.commands import ChangeSection, DescribeSection, ReadSection
from voipnode.calls.errors import FieldsError, UnknownNameError
from voipnode.calls.hooks import Commands
from voipnode.section_editor import SectionEditor
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor
from voipnode.store.settings_file import load_settings

BEFORE = """# ours
[controller.osdp]
key = "000102030405060708090a0b0c0d0e0f" # secret
device = "/dev/ttyS1"  # the one outside
"""


class Room:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(BEFORE)
        self.commands = Commands()
        self.settings = load_settings(path, NodeSettings)
        SectionEditor(SettingsEditor(path, self._use, lambda: self.settings), ("controller",)).register(self.commands)

    async def _use(self, settings: NodeSettings) -> bool:
        self.settings = settings
        return True

    async def change(self, **changes: object) -> None:
        await self.commands.execute(ChangeSection(section="controller", changes=changes))


def test_keys_are_changed_one_by_one_and_secrets_are_not_shown(tmp_path: Path) -> None:
    async def main() -> None:
        room = Room(tmp_path / "voipnode.toml")
        await room.change(protocol="osdp", osdp={"baud": 19200})
        osdp = room.settings.controller.osdp
        assert (room.settings.controller.protocol, osdp.baud, osdp.device) == ("osdp", 19200, "/dev/ttyS1")
        assert osdp.key.get_secret_value() == "000102030405060708090a0b0c0d0e0f"
        text = room.path.read_text()
        assert text.startswith("# ours\n")
        assert "# the one outside" in text
        assert load_settings(room.path, NodeSettings).controller == room.settings.controller
        await room.change(osdp={"baud": None})
        assert room.settings.controller.osdp.baud == 9600
        shown = json.loads(await room.commands.execute(ReadSection(section="controller")))
        assert shown["osdp"]["device"] == "/dev/ttyS1"
        assert "key" not in shown["osdp"]
        assert "password" not in shown["http"]
        schema = json.loads(await room.commands.execute(DescribeSection(section="controller")))
        assert set(schema["properties"]) == {"protocol", "osdp", "wiegand", "http"}

    run_test(main())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"osdp": {"baud": 1200}}, ["osdp.baud: "]),
        ({"osdp": {"bauds": 9600}}, ["osdp.bauds: "]),
        ({"protocol": "http"}, ['protocol: http.address = ""', 'http.address = ""']),
        ({"a-b": 1}, ["a-b: this is no setting of [controller]"]),
        ({"osdp": {"x y": 1}}, ["x y: this is no setting of [controller]"]),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(tmp_path: Path, changes: dict[str, object], told: list[str]) -> None:
    async def main() -> None:
        room = Room(tmp_path / "voipnode.toml")
        with pytest.raises(FieldsError) as refused:
            await room.change(**changes)
        assert any(words in str(refused.value) for words in told), str(refused.value)
        assert room.path.read_text() == BEFORE
        with pytest.raises(UnknownNameError, match="there is no such section"):
            await room.commands.execute(ReadSection(section="web"))

    run_test(main())
