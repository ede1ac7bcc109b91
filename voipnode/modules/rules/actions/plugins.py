"""Actions by plug-ins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from voipnode.calls.commands import AskPlugin, Command
from voipnode.modules.rules.actions.base import Action, Fired
from voipnode.modules.rules.names import Plugin

Value = str | int | float | bool


class Ask(Action):
    """Have a plug-in carry out a command of its own."""

    kind: Literal["plugin"] = Field(alias="do")
    plugin: Plugin
    command: str = Field(max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="By its name.")
    values: dict[str, Value | list[Value]] = Field(default={}, max_length=32, description="Its fields.")

    def commands(self, fired: Fired) -> Sequence[Command]:
        return (AskPlugin(plugin=self.plugin, command=self.command, values=self.values),)

    def words(self) -> str:
        return f'have plug-in "{self.plugin}" do {self.command}'
