"""Clips over HTTP: a file goes up, is played by a link, comes down, is renamed and removed, with real settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.aio import PATIENCE_S, run_test
from tests.support.clip_files import clip_file
from tests.support.free_ports import free_port
from tests.support.switchboard import Clock, Device
from voipnode import clip_editor
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.events import ClipChanged
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.clip_editor import ClipEditor
from voipnode.clip_stock import ClipStock
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor
from voipnode.store.settings_file import load_settings
from voipnode.web import guard
from voipnode.web.server import WebServer
from voipnode.web.settings import WebSettings

SETTINGS = (
    '# ours\n[sip.sounds]\nringback_clip = "Music"\n\n[[clips]]\nname = "Music"  # from the shop\nfile = "music.wav"\n'
)


class Site:
    def __init__(self, folder: Path) -> None:
        self.path, self.folder = folder / "voipnode.toml", folder / "clips"
        self.path.write_text(SETTINGS)
        self.folder.mkdir()
        (self.folder / "music.wav").write_bytes(clip_file("wav", rate_hz=8000))
        self.bus, self.commands = Bus(asyncio.get_running_loop().time), Commands()
        self.settings = load_settings(self.path, NodeSettings)
        self.stock = ClipStock(self.folder, 8000, self.bus)
        self.told: list[ClipChanged] = []
        self.bus.subscribe(ClipChanged, self.told.append, who="test")
        self.stock.start(DoorBridge(Device(), Clock()), self.commands)
        self.stock.use(self.settings)
        editor = SettingsEditor(self.path, self.use, lambda: self.settings)
        ClipEditor(editor, self.stock.library, self.bus).register(self.commands)
        self.server = WebServer(WebSettings(port=free_port()), House(self.bus, self.commands, folder), {})

    async def use(self, settings: NodeSettings) -> bool:
        self.settings = settings
        self.stock.use(settings)
        return True


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[tuple[Site, httpx.AsyncClient]]:
    made = Site(folder)
    await made.server.start()
    try:
        async with httpx.AsyncClient(base_url=made.server.url, trust_env=False, timeout=PATIENCE_S) as client:
            yield made, client
    finally:
        await made.server.stop()
        await made.stock.stop()


def test_a_clip_from_its_upload_to_its_end(tmp_path: Path) -> None:
    content = clip_file("mp3", seconds=1.0)

    async def test() -> None:
        async with site(tmp_path) as (made, client):
            url = "/api/v1/clips/Good%20morning"
            (made.folder / "killed.mp3.part").write_bytes(b"half of it")
            wav = {"content-type": "audio/mpeg"}
            assert (await client.put(f"{url}?normalise=true", content=content, headers=wav)).status_code == 201
            again = await client.put(url, content=content, headers=wav)
            assert again.status_code == 422
            assert "another clip has this name" in again.text
            listed = (await client.get("/api/v1/clips")).json()
            assert [clip["name"] for clip in listed["clips"]] == ["Music", "Good morning"]
            assert listed["clips"][1]["file"] == "good_morning.mp3"
            assert listed["clips"][1]["normalise"] is True
            assert (await client.get(f"{url}/file")).content == content
            assert (await client.get(f"{url}/play?volume=30&repeat=2")).status_code == 204
            assert (await client.get("/api/v1/clips")).json()["playing"] == "Good morning"
            assert [(event.clip, event.to) for event in made.told] == [("Good morning", "door")]
            assert (await client.post("/api/v1/clips/stop")).status_code == 204
            assert (await client.get(f"{url}/play?repeat=1000")).status_code == 204
            assert (await client.patch(url, json={"name": "Morning"})).status_code == 204
            assert (await client.delete("/api/v1/clips/Morning")).status_code == 204
            assert (await client.delete("/api/v1/clips/Morning")).status_code == 404
        assert [each.name for each in made.folder.iterdir()] == ["music.wav"]
        assert (made.told[-1].playing, made.told[-1].why) == (False, "stopped"), "when the node stops"
        assert made.path.read_text().strip() == SETTINGS.strip()

    run_test(test())


def test_a_clip_that_calls_play_is_renamed_with_them_and_cannot_go(tmp_path: Path) -> None:
    async def test() -> None:
        async with site(tmp_path) as (made, client):
            refused = await client.delete("/api/v1/clips/Music")
            assert refused.status_code == 422
            assert "sip.sounds.ringback_clip" in refused.text
            assert (await client.patch("/api/v1/clips/Music", json={"name": "Waltz"})).status_code == 204
            assert made.settings.sip.sounds.ringback_clip == "Waltz"
            assert 'name = "Waltz"  # from the shop' in made.path.read_text()

    run_test(test())


REFUSED: tuple[tuple[dict[str, str], bytes, int], ...] = (
    ({"content-type": "audio/wav"}, b"MZ\x90 no sound", 422),
    ({"content-type": "text/plain"}, clip_file("mp3"), 415),
    ({"content-type": "audio/wav", "origin": "http://evil.example"}, clip_file("mp3"), 403),
    ({"content-type": "audio/wav", "sec-fetch-site": "cross-site"}, clip_file("mp3"), 403),
    ({"content-type": "audio/wav"}, bytes(20_001), 413),
)


def test_what_is_refused_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_UPLOAD_BYTES", 20_000)

    async def test() -> None:
        async with site(tmp_path) as (made, client):
            for headers, content, status in REFUSED:
                answer = await client.put("/api/v1/clips/x", content=content, headers=headers)
                assert answer.status_code == status, answer.text
            link = await client.get("/api/v1/clips/Music/play", headers={"sec-fetch-site": "cross-site"})
            assert link.status_code == 403
            assert (await client.get("/api/v1/clips/Music/play?volume=0")).status_code == 422
            assert (await client.get("/api/v1/clips/Nobody/play")).status_code == 404
            monkeypatch.setattr(clip_editor, "MAX_FOLDER_BYTES", 10_000)
            full = await client.put("/api/v1/clips/x", content=clip_file("mp3"), headers={"content-type": "audio/mpeg"})
            assert full.json()["detail"].startswith("the folder of the clips has 8")
            assert made.told == []
        assert [each.name for each in made.folder.iterdir()] == ["music.wav"]

    run_test(test())
