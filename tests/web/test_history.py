"""The call history over HTTP: real server, real database, a door that has calls."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from tests.support.aio import PATIENCE_S
from tests.support.web_rig import DESK, WebRig, web_rig
from tests.web.test_api import problem
from voipnode.calls.commands import HangUp
from voipnode.calls.events import CallQuality, CallReason, CallState


def serve(test: Callable[[WebRig, httpx.AsyncClient], Awaitable[None]], folder: Path) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(PATIENCE_S),
            web_rig() as rig,
            httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
        ):
            store = await rig.history(folder)
            try:
                await test(rig, client)
            finally:
                await store.stop()

    asyncio.run(main())


async def three_calls(rig: WebRig) -> None:
    """One answered, with the door opened in it; one busy; one that goes on."""
    answered = rig.door.ring_out()
    rig.door.picked_up(answered, "sdes", "AES_CM_128_HMAC_SHA1_80")
    rig.door.open(answered)
    rig.bus.publish(
        CallQuality(
            call=answered,
            remote=DESK,
            answered=True,
            codec="opus",
            packets_sent=500,
            packets_received=490,
            loss_percent=2.0,
            jitter_ms=3.5,
            mos=4.2,
        )
    )
    await rig.commands.execute(HangUp(call=answered))
    busy = rig.door.ring_in("sip:=evil()@192.0.2.66")
    rig.door.change(busy, CallState.TERMINATED, CallReason.BUSY, "incoming", "sip:=evil()@192.0.2.66", light="off")
    await asyncio.sleep(0.002)  # so that the next one began later
    rig.door.ring_out("sip:anna@192.0.2.1")


def test_calls_are_there_while_they_go_on_and_after(tmp_path: Path) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        await three_calls(rig)
        page = (await client.get("/api/v1/history")).json()
        outcomes = [(call["direction"], call["outcome"]) for call in page["calls"]]
        assert outcomes[0] == ("outgoing", "")
        assert sorted(outcomes[1:]) == [("incoming", "busy"), ("outgoing", "answered")]
        answered = next(call for call in page["calls"] if call["outcome"] == "answered")
        assert (answered["answered_by"], answered["cipher"]) == (DESK, "AES_CM_128_HMAC_SHA1_80")
        assert [(each["port"], each["who"]) for each in answered["openings"]] == [("door", DESK)]
        assert (answered["heard"][0]["mos"], answered["heard"][0]["loss_percent"]) == (4.2, 2.0)
        assert page["next"] == ""

    serve(test, tmp_path)


def test_filters_pages_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        await three_calls(rig)

        async def found(**query: str) -> list[str]:
            answer = await client.get("/api/v1/history", params=query)
            return [call["caller"] or call["callee"] for call in answer.json()["calls"]]

        assert await found(outcome="answered") == [DESK]
        assert await found(direction="incoming") == ["sip:=evil()@192.0.2.66"]
        assert await found(text="ANNA") == ["sip:anna@192.0.2.1"]
        assert await found(to="2020-01-01T00:00:00Z") == []
        assert len(await found(**{"from": "2020-01-01T00:00:00"})) == 3
        first = (await client.get("/api/v1/history", params={"limit": 2})).json()
        rest = (await client.get("/api/v1/history", params={"limit": 2, "before": first["next"]})).json()
        assert len({call["id"] for call in first["calls"] + rest["calls"]}) == 3
        assert rest["next"] == ""
        for wrong in ({"outcome": "lost"}, {"limit": "0"}, {"from": "yesterday"}):
            problem(await client.get("/api/v1/history", params=wrong), 422)

    serve(test, tmp_path)


def test_the_history_as_a_file(tmp_path: Path) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        await three_calls(rig)
        answer = await client.get("/api/v1/history/export", params={"direction": "incoming"})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == 'attachment; filename="calls.csv"'
        (row,) = csv.DictReader(io.StringIO(answer.text))
        assert (row["caller"], row["outcome"]) == ("sip:=evil()@192.0.2.66", "busy")
        answer = await client.get("/api/v1/history/export", params={"format": "json"})
        assert len(answer.json()) == 3

    serve(test, tmp_path)
