"""A whole node with SIP off: an HTTP client answers the visitor by sending sound, hears the door, and ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.aio import PATIENCE_S, run_test
from tests.support.audio import find_tone_hz
from tests.support.free_ports import free_port
from voipnode.app import Node
from voipnode.calls.commands import PressInput
from voipnode.calls.events import CallChanged, CallState
from voipnode.codecs.g711 import mu_law
from voipnode.settings import NodeSettings

AUDIO = {"device": "files", "microphone": "tone:1000", "tone_level_dbfs": -20.0, "rate_hz": 8000}


class Door:
    """A node whose calls are followed."""

    def __init__(self, folder: Path, **audio: Any) -> None:
        self.port = free_port()
        settings = {
            "sip": {"enabled": False},
            "vms": {"enabled": True},
            "web": {"port": self.port},
            "audio": {**AUDIO, **audio},
        }
        self.node = Node(NodeSettings.model_validate(settings), folder / "state")
        self.calls: list[CallChanged] = []
        self._changed = asyncio.Event()
        self.node.bus.subscribe(CallChanged, self._call, who="test")

    def _call(self, event: CallChanged) -> None:
        self.calls.append(event)
        self._changed.set()

    async def until(self, state: CallState) -> CallChanged:
        async with asyncio.timeout(PATIENCE_S):
            while not self.calls or self.calls[-1].state is not state:
                self._changed.clear()
                await self._changed.wait()
        return self.calls[-1]


async def sound(stop: asyncio.Event) -> AsyncIterator[bytes]:
    """A microphone: 20 ms of µ-law at a time."""
    while not stop.is_set():
        yield b"\x90" * 160
        try:
            async with asyncio.timeout(0.02):
                await stop.wait()
        except TimeoutError:
            continue


@pytest.mark.parametrize(
    ("transmit", "receive"),
    [("/axis-cgi/audio/transmit.cgi", "/axis-cgi/audio/receive.cgi"), ("/api/v1/call-audio", "/api/v1/call-audio")],
)
def test_a_client_answers_by_sending_hears_the_door_and_ends_by_stopping(
    tmp_path: Path, transmit: str, receive: str
) -> None:
    async def test() -> None:
        door, stop, heard = Door(tmp_path), asyncio.Event(), bytearray()
        await door.node.start()
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{door.port}", timeout=PATIENCE_S) as client:
                headers = {"content-type": "audio/basic"}
                refused = await client.post(transmit, content=b"\xff" * 160, headers=headers)
                assert (refused.status_code, refused.json()["detail"][:13]) == (409, "no call rings")
                call = await door.node.commands.execute(PressInput(input="button"))
                assert (door.calls[-1].state, door.calls[-1].account) == ("Ringing", "VMS")
                sending = asyncio.ensure_future(client.post(transmit, content=sound(stop), headers=headers))
                active = await door.until(CallState.ACTIVE)
                assert (active.call, active.remote) == (call, "http://127.0.0.1")
                async with client.stream("GET", receive) as response:
                    assert response.headers["content-type"] == "audio/basic"
                    async for data in response.aiter_bytes():
                        heard += data
                        if len(heard) > 4000 and not stop.is_set():
                            stop.set()
                assert (await sending).status_code == 204
                ended = await door.until(CallState.TERMINATED)
                assert ended.detail == "the client has stopped sending"
        finally:
            await door.node.stop()
        tone = mu_law().decode_frame(bytes(heard[800:4000]))
        assert find_tone_hz(np.asarray(tone), 8000) == pytest.approx(1000, abs=10)

    run_test(test())


def test_the_client_learns_that_the_call_was_ended_here_and_strangers_pages_have_no_say(tmp_path: Path) -> None:
    async def test() -> None:
        door, never = Door(tmp_path), asyncio.Event()
        await door.node.start()
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{door.port}", timeout=PATIENCE_S) as client:
                call = await door.node.commands.execute(PressInput(input="button"))
                for headers, status in (
                    ({"content-type": "audio/basic", "origin": "http://evil.example"}, 403),
                    ({"content-type": "text/plain"}, 415),
                    ({"content-type": "audio/L16;rate=44100"}, 422),
                ):
                    answer = await client.post("/api/v1/call-audio", content=b"\xff" * 160, headers=headers)
                    assert answer.status_code == status, answer.text
                page = {"sec-fetch-site": "cross-site"}
                assert (await client.get("/axis-cgi/audio/receive.cgi", headers=page)).status_code == 403
                assert door.calls[-1].state == "Ringing"
                wide = {"content-type": "audio/L16;rate=16000"}
                sending = asyncio.ensure_future(client.post("/api/v1/call-audio", content=sound(never), headers=wide))
                await door.until(CallState.ACTIVE)
                assert (await client.delete(f"/api/v1/calls/{call}")).status_code == 204
                async with asyncio.timeout(PATIENCE_S):
                    (end,) = await asyncio.gather(sending, return_exceptions=True)
                # Who goes on sending may learn of it by the connection's end instead of the answer before it.
                assert isinstance(end, httpx.TransportError) or end.status_code == 204
        finally:
            never.set()
            await door.node.stop()

    run_test(test())
