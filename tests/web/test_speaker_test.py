"""The speaker test over HTTP, from a door that is well to one that is not: real server, real module, simulated room."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.free_ports import free_port
from tests.support.ticker import HastyTicker
from voipnode.calls.door_measurement import DoorMeasurement
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.audio.module import make_device
from voipnode.modules.audio.settings import AudioSettings
from voipnode.modules.speaker_test.module import SpeakerTestModule
from voipnode.modules.speaker_test.settings import SpeakerTestSettings
from voipnode.web.server import WebServer
from voipnode.web.settings import WebSettings

RATE_HZ = 8000


@asynccontextmanager
async def door(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    bus, commands = Bus(asyncio.get_running_loop().time), Commands()
    device = make_device(AudioSettings(device="simulated", rate_hz=RATE_HZ), RATE_HZ, bus, commands)
    house = House(bus, commands, folder, DoorMeasurement(device, HastyTicker(), bus))
    server = WebServer(WebSettings(port=free_port()), house, {})
    module = SpeakerTestModule(house, SpeakerTestSettings(passes=2, retry_pause_s=0.0))
    await module.start()
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE_S) as client:
            yield client
    finally:
        await server.stop()
        await module.stop()


async def done(client: httpx.AsyncClient, what: str) -> dict[str, Any]:
    """Ask for it and follow the events until nothing is under way; how the speaker test stands then."""
    async with client.stream("GET", "/api/v1/events") as stream, within(PATIENCE_S, f"end of {what}"):
        assert (await client.post(f"/api/v1/speaker-test/{what}", json={})).status_code == 202
        async for line in stream.aiter_lines():
            event = json.loads(line[5:]) if line.startswith("data:") else {}
            if event.get("event") == "speaker_test.changed" and event["state"] != "Pending":
                break
    stands: dict[str, Any] = (await client.get("/api/v1/speaker-test")).json()
    return stands


def test_calibrated_ok_then_failed_in_words_with_a_picture(tmp_path: Path) -> None:
    async def test() -> None:
        async with door(tmp_path) as client:
            refused = await client.post("/api/v1/speaker-test/run", json={})
            assert refused.status_code == 409
            assert "not calibrated" in refused.json()["detail"]
            assert (await client.get("/api/v1/speaker-test/picture.svg")).status_code == 409
            assert (await done(client, "calibrate"))["state"] == "Calibrated"
            well = await done(client, "run")
            assert (well["state"], well["verdict"], well["last"]["runs"]) == ("OK", "ok", 1)
            room = await client.patch("/api/v1/simulation/room", json={"fault": "rattling"})
            assert room.status_code == 204
            broken = await done(client, "run")
            assert (broken["state"], broken["verdict"]) == ("Failed", "rattling")
            assert broken["words"].startswith("it rattles: distortion is ")
            assert broken["last"]["distortion_db"] > well["last"]["distortion_db"] + 10
            assert (await client.get("/api/v1/status")).json()["speaker_test"] == broken
            picture = await client.get("/api/v1/speaker-test/picture.svg")
            assert picture.headers["content-type"] == "image/svg+xml"
            assert "it rattles" in picture.text

    run_test(test())


def test_a_house_without_one_says_so() -> None:
    async def test() -> None:
        house = House(Bus(asyncio.get_running_loop().time), Commands(), Path("/nonexistent"))
        server = WebServer(WebSettings(port=free_port()), house, {})
        await server.start()
        try:
            async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
                assert (await client.get("/api/v1/speaker-test")).status_code == 404
                assert (await client.get("/api/v1/status")).json()["speaker_test"] is None
                assert (await client.post("/api/v1/speaker-test/run", json={})).status_code == 422
        finally:
            await server.stop()

    run_test(test())
