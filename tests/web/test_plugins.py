"""Plug-ins over HTTP."""

from __future__ import annotations

import asyncio
import json

import httpx

from tests.support.web_rig import web_rig
from voipnode.calls.commands import AskPlugin, ListPlugins
from voipnode.calls.errors import FieldsError, UnknownNameError

COUNTER = {
    "name": "doorbell_counter",
    "package": "voipnode-doorbell-counter 1.0",
    "state": "running",
    "trouble": "",
    "silenced": False,
    "commands": ["SetCount"],
}


def _ask(command: AskPlugin) -> str:
    if command.command != "SetCount":
        raise UnknownNameError("no such command")
    if command.values.get("count") == "x":
        raise FieldsError([("count", "x", "a number is right")])
    return f"{command.plugin} {command.values['count']}"


def test_they_are_listed_and_asked() -> None:
    async def story() -> None:
        async with web_rig() as rig, httpx.AsyncClient(base_url=f"{rig.url}/api/v1", trust_env=False) as client:
            assert (await client.get("/plugins")).status_code == 422, "no node, no plug-ins"
            rig.commands.register(ListPlugins, lambda command: json.dumps([COUNTER]), who="plugins")
            rig.commands.register(AskPlugin, _ask, who="plugins")
            assert (await client.get("/plugins")).json() == [COUNTER]
            asked = await client.post("/plugins/doorbell_counter/SetCount", json={"count": 3})
            assert (asked.status_code, asked.json()) == (200, {"said": "doorbell_counter 3"})
            assert (await client.post("/plugins/doorbell_counter/Open", json={})).status_code == 404
            wrong = await client.post("/plugins/doorbell_counter/SetCount", json={"count": "x"})
            assert wrong.status_code == 422
            assert "a number is right" in wrong.text

    asyncio.run(story())
