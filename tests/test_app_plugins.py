"""Plug-ins in a whole node: started after ours, told of where they are missing, changed with the file, stopped."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.plugin_package import Packages
from voipnode.app import Node
from voipnode.calls.commands import AskPlugin, ListPlugins, PressInput
from voipnode.calls.errors import CallError
from voipnode.calls.events import Event
from voipnode.settings import NodeSettings
from voipnode.store.settings_file import load_settings

SETTINGS = """
[sip]
enabled = false
[web]
enabled = false
[plugins.doorbell_counter]
[plugins.gone]
"""


def test_a_node_runs_with_one_and_without_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    packages = Packages(folder, monkeypatch)
    packages.install_example()
    path = tmp_path / "voipnode.toml"
    path.write_text(SETTINGS)
    events: asyncio.Queue[Event] = asyncio.Queue()

    async def heard(name: str) -> Event:
        async with within(PATIENCE_S, name):
            while (event := await events.get()).name != name:
                pass
            return event

    async def test() -> None:
        node = Node(load_settings(path, NodeSettings), tmp_path / "state", path)
        node.bus.subscribe(Event, events.put_nowait, who="test")
        try:
            await node.start()
            problem = await heard("problem")
            assert problem.to_dict()["where"] == "plugins.gone"
            await heard("node.started")
            with pytest.raises(CallError):  # nobody is rung, and it was pressed all the same
                await node.commands.execute(PressInput(input="button"))
            assert (await heard("doorbell_counter.counted")).to_dict()["count"] == 1
            ask = AskPlugin(plugin="doorbell_counter", command="SetCount")
            assert await node.commands.execute(ask) == "1"
            path.write_text(SETTINGS.replace("[plugins.gone]", "").replace("counter]", "counter]\nenabled = false"))
            await node.reload()
            listed = json.loads(await node.commands.execute(ListPlugins()))
            async with within(PATIENCE_S, "other state"):
                while [each["state"] for each in listed] != ["off"]:
                    await asyncio.sleep(0)
                    listed = json.loads(await node.commands.execute(ListPlugins()))
        finally:
            await node.stop()
            packages.forget()

    run_test(test())
