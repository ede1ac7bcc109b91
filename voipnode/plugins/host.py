"""Starts the plug-ins of the settings after everything of ours, all at once, and stops them first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from voipnode.calls.commands import AskPlugin, ListPlugins
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.hooks import House, Subscription
from voipnode.plugins.running import RunningPlugin
from voipnode.plugins.settings import PluginTable

WHO = "plugins"


class PluginHost:
    """The plug-ins that `tables` name; nothing that they do stops the node."""

    def __init__(self, tables: Mapping[str, PluginTable], house: House) -> None:
        self._commands = house.commands
        self._plugins = {name: RunningPlugin(table, house) for name, table in tables.items()}
        self._places: list[Subscription] = []

    async def start(self) -> None:
        """Never raises; takes as long as the slowest, 9 s at most."""
        self._places = [
            self._commands.register(ListPlugins, self._list, who=WHO),
            self._commands.register(AskPlugin, self._ask, who=WHO),
        ]
        await asyncio.gather(*(each.start() for each in self._plugins.values()))

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        await asyncio.gather(*(each.stop() for each in self._plugins.values()))

    def _list(self, command: ListPlugins) -> str:
        return json.dumps(
            [
                {
                    "name": each.name,
                    "package": each.package,
                    "state": each.state,
                    "trouble": each.trouble or each.faults.last,
                    "silenced": each.faults.silenced,
                    "commands": each.commands.own,
                }
                for each in self._plugins.values()
            ]
        )

    async def _ask(self, command: AskPlugin) -> str:
        plugin = self._plugins.get(command.plugin)
        if plugin is None:
            there = ", ".join(self._plugins) or "none"
            raise UnknownNameError(f"there is no plug-in {command.plugin[:64]!r}; there is {there}")
        return await plugin.commands.ask(command.command, command.values)
