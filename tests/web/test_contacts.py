"""Contacts over HTTP: real server, real settings file, a door that answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.aio import PATIENCE_S
from tests.support.web_rig import WebRig, web_rig
from tests.web.test_api import problem
from voipnode.calls.commands import HangUp, PlaceCall
from voipnode.calls.events import CallChanged, CallReason, CallState, ScheduleChanged

SETTINGS = """
[[schedules]]
name = "office"
times = ["daily"]
[[contacts]]
name = "Anna"
address = "sip:anna@192.0.2.1"
schedule = "office"
fallback = "Bob"
speed_dial = "11"
[[contacts]]
name = "Bob"
address = "sip:bob@192.0.2.2"
schedule = "never"
"""
ANNA = {
    "name": "Anna",
    "first_name": "",
    "last_name": "",
    "address": "sip:anna@192.0.2.1",
    "account": "",
    "speed_dial": "11",
    "schedule": "office",
    "fallback": "Bob",
    "note": "",
    "available": True,
}


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[Callable[[WebRig, httpx.AsyncClient], Awaitable[None]]], None]:
    def run(test: Callable[[WebRig, httpx.AsyncClient], Awaitable[None]]) -> None:
        async def main() -> None:
            async with (
                asyncio.timeout(PATIENCE_S),
                web_rig() as rig,
                httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
            ):
                rig.contacts(tmp_path / "voipnode.toml", SETTINGS)
                await test(rig, client)

        asyncio.run(main())

    return run


Serve = Callable[[Callable[[WebRig, httpx.AsyncClient], Awaitable[None]]], None]


def test_contacts_are_read_with_whether_they_are_available(serve: Serve) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        anna, bob = (await client.get("/api/v1/contacts")).json()
        assert anna == (await client.get("/api/v1/contacts/Anna")).json() == ANNA
        assert (bob["name"], bob["available"]) == ("Bob", False)
        problem(await client.get("/api/v1/contacts/Zoe"), 404)
        schema = (await client.get("/api/v1/schemas/contact")).json()
        assert set(schema["properties"]) == set(ANNA) - {"available"}

    serve(test)


def test_a_contact_is_added_changed_and_removed(serve: Serve) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        added = await client.post("/api/v1/contacts", json={"name": "Carl / 1st", "address": "103"})
        assert (added.status_code, added.json()) == (201, {"name": "Carl / 1st"})
        place = added.headers["location"]
        assert place == "/api/v1/contacts/Carl%20%2F%201st"
        wrong = problem(await client.post("/api/v1/contacts", json={"name": "Anna", "address": "x y"}), 422)
        assert [each["field"] for each in wrong["errors"]] == ["address"]
        wrong = problem(await client.patch("/api/v1/contacts/Bob", json={"fallback": "Anna"}), 422)
        assert "leads in a circle: Anna -> Bob -> Anna" in wrong["detail"]
        changed = await client.patch("/api/v1/contacts/Bob", json={"name": "Robert", "schedule": None})
        assert changed.json() == {"name": "Robert"}
        assert (await client.get("/api/v1/contacts/Anna")).json()["fallback"] == "Robert"
        problem(await client.delete("/api/v1/contacts/Robert"), 422)  # Anna falls back on him
        problem(await client.delete("/api/v1/contacts/Bob"), 404)

    serve(test)


def test_the_address_book_goes_out_and_comes_back(serve: Serve) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/v1/address-book")
        assert answer.headers["content-disposition"] == 'attachment; filename="contacts.json"'
        document: dict[str, Any] = answer.json()
        assert document["contacts"][1] == {"name": "Bob", "address": "sip:bob@192.0.2.2", "schedule": "never"}
        many = [{"name": f"Flat {number}", "address": str(number), "note": "x" * 100} for number in range(200)]
        taken = await client.post("/api/v1/address-book?mode=replace", json={**document, "contacts": many})
        assert taken.json() == {"words": "200 imported, there are 200 now"}
        taken = await client.post("/api/v1/address-book", json=answer.json())
        assert taken.json() == {"words": "2 imported, there are 202 now"}
        document["contacts"][0]["speed_dial"] = "many"
        wrong = problem(await client.post("/api/v1/address-book", json=document), 422)
        assert [each["field"] for each in wrong["errors"]] == ["contacts[0].speed_dial"]
        problem(await client.post("/api/v1/address-book?mode=both", json=document), 422)

    serve(test)


def test_a_test_call_rings_tells_how_it_went_and_ends_itself(serve: Serve) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        async def asked() -> httpx.Response:
            return await client.post("/api/v1/contacts/Anna/test-call")

        calling = asyncio.Event()
        rig.bus.subscribe(CallChanged, lambda event: calling.set(), who="test")
        wish = asyncio.ensure_future(asked())
        await calling.wait()
        rig.door.picked_up("c1", "sdes", "AES_CM_128_HMAC_SHA1_80")
        result = (await wish).json()
        assert (result["ok"], result["outcome"], result["to"]) == (True, "answered", "sip:anna@192.0.2.1")
        assert "encrypted, with keys in the signalling (SDES), and was hung up" in result["words"]
        assert rig.door.seen == [PlaceCall(to="sip:anna@192.0.2.1"), HangUp(call="c1")]
        problem(await client.post("/api/v1/contacts/Zoe/test-call"), 404)

    serve(test)


def test_a_test_call_to_an_address_that_is_busy(serve: Serve) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        async def asked() -> httpx.Response:
            return await client.post("/api/v1/test-calls", json={"to": "sip:x@192.0.2.9", "account": "PBX"})

        calling = asyncio.Event()
        rig.bus.subscribe(CallChanged, lambda event: calling.set(), who="test")
        wish = asyncio.ensure_future(asked())
        await calling.wait()
        rig.door.change("c1", CallState.TERMINATED, CallReason.BUSY, "outgoing", "sip:x@192.0.2.9", light="off")
        result = (await wish).json()
        assert (result["ok"], result["outcome"], result["words"]) == (False, "busy", "is busy")
        assert rig.door.seen == [PlaceCall(to="sip:x@192.0.2.9", account="PBX")]

    serve(test)


def test_schedules_are_told_as_they_stand(serve: Serve) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        rig.bus.publish(ScheduleChanged(schedule="office", active=False, until_utc="2026-11-23T07:00:00Z"))
        assert (await client.get("/api/v1/schedules")).json() == [
            {"name": "office", "active": False, "until_utc": "2026-11-23T07:00:00Z"}
        ]

    serve(test)


def test_digits_that_nobody_has_are_told_with_those_that_there_are(serve: Serve) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        wrong = problem(await client.post("/api/v1/dial", json={"digits": "12"}), 404)
        assert 'no contact has them; there is "11"' in wrong["detail"]

    serve(test)
