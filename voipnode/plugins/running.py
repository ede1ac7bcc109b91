"""One plug-in between its start and its stop: built, started and stopped in limited time, and fenced in."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from voipnode.calls.hooks import House
from voipnode.plugins.faults import ANYTHING, Faults
from voipnode.plugins.fenced_bus import FencedBus
from voipnode.plugins.fenced_commands import FencedCommands
from voipnode.plugins.installed import PluginError, in_words
from voipnode.plugins.patience import patiently
from voipnode.plugins.settings import PluginTable

START_S = 5.0
STOP_S = 3.0
FOLDER = "plugins"  # in the state folder; in it a folder for each


class RunningPlugin:
    """`state` is "missing" (its package), "off", "failed", "running" or "stopped"; `trouble` says why, in words."""

    def __init__(self, table: PluginTable, house: House) -> None:
        self.table = table
        self.name = table.name
        self.package = table.package
        self.faults = Faults(house.bus, table.name)
        self.state = "off"
        self.trouble = ""
        may_open = table.keys.may_open
        self._bus = FencedBus(house.bus, table.name, self.faults, may_open=may_open)
        self.commands = FencedCommands(house.commands, table.name, self.faults, may_open=may_open)
        # Neither microphone nor the sound of calls: what listens to people is the node's alone.
        self._house = House(self._bus, self.commands, house.state_dir / FOLDER / table.name)
        self._module: Any = None

    async def start(self) -> None:
        """Build and start it; never raises. What it had registered before it failed is taken back."""
        if not self.table.keys.enabled:
            return
        if self.table.trouble or self.table.descriptor is None:
            self._fail(self.table.trouble, "failed" if self.package else "missing")
            return
        try:
            _make(self._house.state_dir)
            self._module = self.table.descriptor.build(self._house, self.table.settings)
            await patiently(_awaitable(self._module.start(), "start"), START_S)
        except TimeoutError:
            self._fail(f"did not start in {START_S:g} s")
        except PluginError as error:
            self._fail(f"did not start: {error}")
        except ANYTHING as error:
            self._fail(f"did not start: {in_words(error)}")
        else:
            self.state = "running"
        if self.state == "failed":
            await self._end()

    async def stop(self) -> None:
        """Stop it; never raises."""
        if self.state == "running":
            self.state = "stopped"
            await self._end()

    async def _end(self) -> None:
        try:
            if self._module is not None:
                await patiently(_awaitable(self._module.stop(), "stop"), STOP_S)
        except TimeoutError:
            self.faults.tell(f"did not stop in {STOP_S:g} s")
        except ANYTHING as error:
            self.faults.raised("its stop", error)
        self._bus.close()
        self.commands.close()

    def _fail(self, words: str, state: str = "failed") -> None:
        self.state, self.trouble = state, words
        self.faults.tell(words)


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _awaitable(begun: Any, name: str) -> Awaitable[Any]:
    if not isinstance(begun, Awaitable):
        raise PluginError(f"its {name}() is no coroutine function")
    return begun
