"""The door controller over HTTP."""

from __future__ import annotations

import asyncio
import json

import httpx

from tests.support.aio import PATIENCE_S
from tests.support.web_rig import web_rig
from tests.web.test_api import problem
from voipnode.calls.commands import ChangeSection, DescribeSection, ReadSection, ShowController
from voipnode.calls.errors import FieldsError

SHOWN = {
    "protocol": "http",
    "state": "connecting",
    "detail": 'access_point is needed: there are "Entry 1", "Entry 2"',
    "entrances": [{"name": "Entry 1", "token": "t1"}, {"name": "Entry 2", "token": "t2"}],
}


def test_state_and_settings() -> None:
    changed: list[object] = []

    def change(command: ChangeSection) -> str:
        if "wrong" in command.changes:
            raise FieldsError([("wrong", 1, "this is no setting")])
        changed.append((command.section, command.changes))
        return ""

    async def main() -> None:
        async with (
            asyncio.timeout(PATIENCE_S),
            web_rig() as rig,
            httpx.AsyncClient(base_url=f"{rig.url}/api/v1", trust_env=False) as client,
        ):
            commands = rig.commands
            commands.register(ShowController, lambda command: json.dumps(SHOWN), who="test")
            commands.register(ReadSection, lambda command: json.dumps({"protocol": "http"}), who="test")
            commands.register(DescribeSection, lambda command: json.dumps({"type": "object"}), who="test")
            commands.register(ChangeSection, change, who="test")
            assert (await client.get("/controller")).json() == SHOWN
            assert (await client.get("/settings/controller")).json() == {"protocol": "http"}
            assert (await client.get("/schemas/controller")).json() == {"type": "object"}
            wish = {"http": {"access_point": "Entry 1"}}
            assert (await client.patch("/settings/controller", json=wish)).status_code == 204
            assert changed == [("controller", wish)]
            refused = await client.patch("/settings/controller", json={"wrong": 1})
            assert problem(refused, 422)["errors"]

    asyncio.run(main())
