"""Changes sections of the settings file, tables that there are one of, while the node runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from voipnode.calls.commands import ChangeSection, DescribeSection, ReadSection
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.hooks import Commands
from voipnode.calls.references import listed
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor, setting_key, within, without_secrets

MAX_DEPTH = 3


class SectionEditor:
    """Carries out the commands about `sections`, such as "controller", one after the other."""

    def __init__(self, editor: SettingsEditor, sections: Collection[str]) -> None:
        self._editor = editor
        self._sections = sections

    def register(self, commands: Commands) -> None:
        """Take the commands."""
        commands.register(ReadSection, self._read, who="sections")
        commands.register(DescribeSection, self._describe, who="sections")
        commands.register(ChangeSection, self._change, who="sections")

    async def _read(self, command: ReadSection) -> str:
        section = getattr(await self._editor.load(), self._known(command.section))
        return json.dumps(without_secrets(section.model_dump(by_alias=True)))

    def _describe(self, command: DescribeSection) -> str:
        kind = NodeSettings.model_fields[self._known(command.section)].annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        return json.dumps(kind.model_json_schema())

    async def _change(self, command: ChangeSection) -> str:
        section = self._known(command.section)
        changes = list(_flat(section, command.changes, section))
        async with self._editor.one_at_a_time:
            await self._editor.carry_out(changes, field=within(section))
        return section

    def _known(self, section: str) -> str:
        if section not in self._sections:
            raise UnknownNameError(f'section "{section}": there is no such section; there is {listed(self._sections)}')
        return section


def _flat(place: str, changes: Mapping[str, Any], section: str, depth: int = 1) -> Iterator[tuple[str, Any]]:
    """The keys to change by their whole names: tables are changed key by key, so that others in them stay."""
    for key, value in changes.items():
        name = f"{place}.{setting_key(key, f'[{section}]')}"
        if isinstance(value, Mapping) and depth < MAX_DEPTH:
            yield from _flat(name, value, section, depth + 1)
        else:
            yield name, value
