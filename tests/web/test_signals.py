"""Light, siren and device over HTTP: started, stopped, tried, found, pressed; profiles from one node to another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.aio import PATIENCE_S, run_test
from tests.support.free_ports import free_port
from voipnode.calls.commands import CalibrateSpeaker, Command
from voipnode.calls.events import NodeStarted
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.list_editor import ListEditor
from voipnode.modules.control_button.module import ControlButtonModule
from voipnode.modules.control_button.settings import ControlButtonSettings
from voipnode.modules.light.module import LightModule
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor
from voipnode.store.settings_file import load_settings
from voipnode.web.server import WebServer
from voipnode.web.settings import WebSettings

ALARM = {"name": "Alarm", "light": "flash", "siren": "wail", "priority": 8}


@asynccontextmanager
async def light(folder: Path, pressed: list[Command]) -> AsyncIterator[httpx.AsyncClient]:
    path = folder / "voipnode.toml"
    path.write_text("# ours\n")
    bus, commands = Bus(asyncio.get_running_loop().time), Commands()
    commands.register(CalibrateSpeaker, lambda command: pressed.append(command) or "", who="test")
    house = House(bus, commands, folder)
    settings = load_settings(path, NodeSettings)
    module, button = LightModule(house, settings), ControlButtonModule(house, ControlButtonSettings())

    async def use(changed: NodeSettings) -> bool:
        module.use(changed)
        return True

    ListEditor(SettingsEditor(path, use, lambda: settings), {"signals": "profile"}).register(commands)
    server = WebServer(WebSettings(port=free_port()), house, {})
    for part in (module, button, server):
        await part.start()
    bus.publish(NodeStarted(version="1", previous=""))
    try:
        async with httpx.AsyncClient(base_url=f"{server.url}api/v1", trust_env=False, timeout=PATIENCE_S) as client:
            yield client
    finally:
        for part in (server, button, module):
            await part.stop()


async def a_profile_travels(client: httpx.AsyncClient) -> None:
    assert (await client.post("/signals/preview", json=ALARM)).status_code == 204
    assert (await client.get("/signals")).json()["shown"]["profile"] == "Preview"
    refused = await client.post("/signals/preview?only=light", json={**ALARM, "priority": 11})
    assert [error["field"] for error in refused.json()["errors"]] == ["priority"]
    assert (await client.post("/signals/Preview/stop")).status_code == 204
    assert (await client.post("/settings/signals", json=ALARM)).status_code == 201
    assert (await client.post("/signals/Alarm/start", json={"activity": "Fire"})).status_code == 204
    assert (await client.get("/signals")).json()["shown"]["activity"] == "Fire"
    assert (await client.patch("/settings/signals/Alarm", json={"name": "Fire"})).json() == {"name": "Fire"}
    assert (await client.post("/signals/stop")).status_code == 204
    assert (await client.get("/signals")).json()["activities"] == []
    export = await client.get("/exports/signals", params={"name": "Fire"})
    assert export.headers["content-disposition"] == 'attachment; filename="signals.json"'
    assert export.json() == {"format": "voipnode signals", "signals": [{**ALARM, "name": "Fire"}]}
    assert (await client.delete("/settings/signals/Fire")).status_code == 204
    taken = await client.post("/exports/signals", json=export.json())
    assert taken.json() == {"words": "1 imported, there are 1 now"}
    again = await client.post("/exports/signals", json=export.json())
    assert (again.status_code, "overwrite takes its place" in again.text) == (422, True)
    assert (await client.get("/settings/signals/Fire")).json()["siren"] == "wail"
    assert (await client.get("/settings/signals/None")).status_code == 404
    assert (await client.post("/signals/None/start")).status_code == 404


async def an_import_may_be_large_but_not_too_large(client: httpx.AsyncClient) -> None:
    path = "/exports/signals?mode=replace"
    assert (await client.post(path, json={"signals": [ALARM], "more": "x" * 40_000})).status_code == 200
    for body, status in (({"signals": [ALARM, 5]}, 422), ({"x": "y"}, 422), ({"x": "y" * 1_000_000}, 413)):
        assert (await client.post(path, json=body)).status_code == status
    assert [profile["name"] for profile in (await client.get("/settings/signals")).json()] == ["Alarm"]


async def the_device_is_found_and_its_button_pressed(client: httpx.AsyncClient, pressed: list[Command]) -> None:
    assert (await client.post("/locate", json={"duration_s": 600})).status_code == 204
    shown = (await client.get("/signals")).json()["shown"]
    assert (shown["profile"], shown["siren"]["pattern"]) == ("Identify", "chirp")
    refused = await client.post("/signals/Identify/stop")
    assert (refused.status_code, "ends by itself" in refused.json()["detail"]) == (409, True)
    assert (await client.delete("/locate")).status_code == 204
    assert (await client.post("/control-button")).status_code == 204
    assert pressed == [CalibrateSpeaker()]
    assert (await client.post("/control-button", json={"held_s": 5})).status_code == 204
    assert (await client.get("/signals")).json()["shown"]["profile"] == "Identify", "held: it is to be found"
    assert (await client.post("/control-button", json={"held_s": 61})).status_code == 422
    assert (await client.put("/indicators/sip", json={"colour": "green", "blink": True})).status_code == 204
    assert (await client.get("/signals")).json()["indicators"] == {"sip": {"colour": "green", "blink": True}}


def test_light_siren_and_device_over_http(tmp_path: Path) -> None:
    """One server for all: a start is dear."""
    pressed: list[Command] = []

    async def test() -> None:
        async with light(tmp_path, pressed) as client:
            await a_profile_travels(client)
            await an_import_may_be_large_but_not_too_large(client)
            await the_device_is_found_and_its_button_pressed(client, pressed)

    run_test(test())
