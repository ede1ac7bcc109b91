"""The entry list over HTTP: real server, real module, real file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.aio import PATIENCE_S, run_test
from tests.support.free_ports import free_port
from voipnode.calls.commands import PulsePort
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.entry.holder import HolderFields
from voipnode.modules.entry.module import EntryModule
from voipnode.modules.entry.settings import EntrySettings
from voipnode.modules.reader.module import ReaderModule
from voipnode.modules.reader.settings import ReadersSettings
from voipnode.web.server import WebServer
from voipnode.web.settings import WebSettings

READERS = ReadersSettings.model_validate({"readers": [{"name": "garage", "chip_types": ["MIFARE_DESFire"]}]})


@asynccontextmanager
async def door(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    bus, commands = Bus(asyncio.get_running_loop().time), Commands()
    commands.register(PulsePort, lambda wish: "", who="test")
    house = House(bus, commands, folder)
    server = WebServer(WebSettings(port=free_port()), house, {"holder_schema": HolderFields.model_json_schema()})
    module = EntryModule(house, EntrySettings(), cost=16)
    readers = ReaderModule(house, READERS)
    await module.start()
    await readers.start()
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"{server.url}api/v1", trust_env=False, timeout=PATIENCE_S) as client:
            yield client
    finally:
        await server.stop()
        await readers.stop()
        await module.stop()


def test_a_holder_from_the_card_that_was_read_to_the_open_door(tmp_path: Path) -> None:
    async def test() -> None:
        async with door(tmp_path) as client:
            assert (await client.get("/readers/last-card")).json() == {}
            shown = await client.post("/readers/outside/card", json={"uid": "04 a1 b2 c3"})
            assert shown.json() == {"outcome": "denied"}
            uid = (await client.get("/readers/last-card")).json()["uid"]
            code = (await client.post("/codes")).json()["code"]
            added = await client.post("/holders", json={"name": "Anna", "card_uid": uid, "pin": code, "uses_left": 1})
            assert (added.status_code, added.headers["location"]) == (201, "/api/v1/holders/1")
            assert (await client.post("/readers/outside/card", json={"uid": uid})).json() == {"outcome": "pin"}
            assert (await client.post("/readers/outside/keys", json={"keys": code})).json() == {"outcome": "granted"}
            (anna,) = (await client.get("/holders")).json()
            assert (anna["name"], anna["uses_left"], anna["has_pin"]) == ("Anna", 0, True)
            assert (await client.get("/holders/1")).json() == anna
            assert code not in str(anna)
            assert (await client.get("/readers/last-card")).json()["holder"] == "Anna"
            changed = await client.patch("/holders/1", json={"uses_left": None, "pin": None})
            assert changed.status_code == 204
            assert (await client.post("/readers/outside/card", json={"uid": uid})).json() == {"outcome": "granted"}
            made = await client.post("/holders/1/pass")
            assert (made.json()["uses_left"], made.headers["cache-control"]) == (None, "no-store")
            opened = await client.post("/readers/outside/keys", json={"keys": made.json()["code"]})
            assert opened.json() == {"outcome": "granted"}
            assert len((await client.post("/holders/1/pass", json={"shown_as": "card"})).json()["code"]) == 16
            assert (await client.post("/holders/1/pass", json={"shown_as": "x"})).status_code == 422
            assert (await client.delete("/holders/1")).status_code == 204
            assert (await client.delete("/holders/1")).status_code == 404

    run_test(test())


def test_what_is_wrong_is_told_by_field_and_no_code_is_repeated(tmp_path: Path) -> None:
    async def test() -> None:
        async with door(tmp_path) as client:
            refused = await client.post("/holders", json={"name": "Anna", "pin": "12345", "card_uid": "xy"})
            assert refused.status_code == 422
            assert {error["field"] for error in refused.json()["errors"]} == {"card_uid"}
            refused = await client.post("/holders", json={"name": "Anna", "pin": "12345"})
            (error,) = refused.json()["errors"]
            assert (error["field"], error["message"]) == ("pin", "4 digits are right (entry.pin_length)")
            assert "12345" not in refused.text
            await client.post("/holders", json={"name": "Anna", "pin": "7391"})
            taken = await client.post("/holders", json={"name": "Anna", "pin": "7392"})
            assert (taken.status_code, [error["field"] for error in taken.json()["errors"]]) == (422, ["name"])
            assert (await client.post("/readers/outside/keys", json={"keys": "12x"})).status_code == 422
            assert "uses_left" in (await client.get("/schemas/holder")).json()["properties"]

    run_test(test())


def test_the_readers_are_shown_and_read_what_is_shown_to_them(tmp_path: Path) -> None:
    async def test() -> None:
        async with door(tmp_path) as client:
            (garage,) = (await client.get("/readers")).json()
            assert (garage["name"], garage["state"], garage["chip_types"]) == (
                "garage",
                "connected",
                ["MIFARE_DESFire"],
            )
            await client.post("/holders", json={"name": "Anna", "card_uid": "04A1B2C3"})
            for chip, outcome in (("MIFARE_Classic", "ignored"), ("MIFARE_DESFire", "granted")):
                shown = await client.post("/readers/garage/card", json={"uid": "04A1B2C3", "chip": chip})
                assert shown.json() == {"outcome": outcome}
            assert (await client.post("/readers/garage/card", json={"uid": "04A"})).status_code == 422
            refused = await client.post("/readers/garage/pair", json={"for_s": 30})
            assert (refused.status_code, "only an OSDP reader" in refused.json()["detail"]) == (409, True)
            assert (await client.post("/readers/cellar/pair")).status_code == 404

    run_test(test())
