"""Starts the plug-ins of the settings after everything of ours, all at once, and stops them first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from voipnode.calls.commands import AskPlugin, ListPlugins
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.hooks import House, Subscription, Tasks
from voipnode.plugins.running import RunningPlugin
from voipnode.plugins.settings import PluginTable

WHO = "plugins"


class PluginHost:
    """The plug-ins that `tables` name; nothing that they do stops the node."""

    def __init__(self, tables: Mapping[str, PluginTable], house: House) -> None:
        self._house = house
        self._tables = dict(tables)
        self._plugins: dict[str, RunningPlugin] = {}
        self._places: list[Subscription] = []
        self._one_at_a_time = asyncio.Lock()
        self._work = Tasks(WHO)

    async def start(self) -> None:
        """Never raises; takes as long as the slowest, 9 s at most."""
        commands = self._house.commands
        self._places = [
            commands.register(ListPlugins, self._list, who=WHO),
            commands.register(AskPlugin, self._ask, who=WHO),
        ]
        await self._become(self._tables)

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        await self._work.close()
        await self._become({})

    def use(self, tables: Mapping[str, PluginTable]) -> None:
        """Have these plug-ins from now on, in the background: those that stay as they are are not touched. The code of
        a package that was imported once is not imported anew."""
        if tables != self._tables:
            self._tables = dict(tables)
            self._work.start(self._become(self._tables))

    async def _become(self, tables: Mapping[str, PluginTable]) -> None:
        async with self._one_at_a_time:
            gone = [each for each in self._plugins.values() if tables.get(each.name) != each.table]
            await asyncio.gather(*(each.stop() for each in gone))
            kept = {each.name: each for each in self._plugins.values() if each not in gone}
            new = [RunningPlugin(table, self._house) for name, table in tables.items() if name not in kept]
            now = {**kept, **{each.name: each for each in new}}
            self._plugins = {name: now[name] for name in tables}
            await asyncio.gather(*(each.start() for each in new))

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
