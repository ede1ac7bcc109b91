"""`voipnode run` as a user starts it: a process of its own, a settings file, its page, its events."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx

from tests.support.aio import PATIENCE_S, within
from tests.support.free_ports import free_port, rtp_range
from tests.support.namespaces import Namespace
from tests.support.peers.process import PeerProcess
from tests.support.watch_file import FileWatch

SETTINGS = """\
[sip]
hosts = {hosts}
port = {sip_port}
rtp_start_port = {rtp_start}
{sip}
[sip.tls]
port = {tls_port}
{tls}
[web]
port = {web_port}
[audio]
{audio}
{more}
"""
LOOPBACK = '["127.0.0.1"]'
SILENT_AUDIO = 'device = "files"\nmicrophone = "silence"'


class Node:
    """A running node. `uri` is its SIP address, `state_dir` its folder."""

    def __init__(
        self,
        folder: Path,
        process: PeerProcess,
        sip_port: int,
        web_port: int,
        rtp_start: int,
        inside: Namespace | None = None,
        reached_at: int = 0,
    ) -> None:
        self.inside = inside
        self.folder = folder
        self.state_dir = folder / "state"
        self.process = process
        self.sip_port = sip_port
        self.rtp_start = rtp_start
        self.web_port = web_port
        self.tls_port: int = tomllib.loads((folder / "voipnode.toml").read_text())["sip"]["tls"]["port"]
        self.uri = f"sip:door@{inside.address if inside is not None else '127.0.0.1'}:{sip_port}"
        self.url = f"http://127.0.0.1:{reached_at or web_port}"
        self.client = httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_S)
        self.events: list[dict[str, Any]] = []
        self._grown = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        sip: str = "",
        tls: str = "",
        audio: str = SILENT_AUDIO,
        more: str = "",
        listen: bool = True,
        hosts: str = LOOPBACK,
        tls_port: int = 0,
        rtp_start: int = 0,
        inside: Namespace | None = None,
    ) -> Node:
        """Start it with these lines added to the sections of its settings; `listen` follows its events.

        Who has to know ports beforehand names them; 0 are free ones. It runs on the machine `inside` where one is
        given, and `hosts` are addresses there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        sip_port, web_port = free_port(), free_port()
        rtp_start = rtp_start or rtp_range()
        (folder / "voipnode.toml").write_text(
            SETTINGS.format(
                sip_port=sip_port,
                tls_port=tls_port or free_port(),
                web_port=web_port,
                rtp_start=rtp_start,
                sip=sip,
                tls=tls,
                audio=audio,
                more=more,
                hosts=hosts,
            )
        )
        return await cls._launch(folder, sip_port, web_port, rtp_start, listen=listen, inside=inside)

    async def again(self) -> Node:
        """Start another one on the settings and state that this one leaves behind."""
        ports = (self.sip_port, self.web_port, self.rtp_start)
        return await self._launch(self.folder, *ports, listen=True, inside=self.inside)

    @classmethod
    async def _launch(
        cls,
        folder: Path,
        sip_port: int,
        web_port: int,
        rtp_start: int,
        *,
        listen: bool,
        inside: Namespace | None = None,
    ) -> Node:
        command = ("-m", "voipnode", "run", "--settings", folder / "voipnode.toml", "--state-dir", folder / "state")
        process = await PeerProcess.start(sys.executable, *command, env={"COLUMNS": "200"}, inside=inside)
        reached_at = 0 if inside is None else await inside.forward(web_port)
        node = cls(folder, process, sip_port, web_port, rtp_start, inside, reached_at)
        try:
            await process.line_with("is running")
            if listen:
                ready = asyncio.Event()
                node._task = asyncio.create_task(node._follow(ready))
                async with within(PATIENCE_S, "event stream"):
                    await ready.wait()
        except BaseException:  # the test has no node yet that it could stop
            await node.stop()
            raise
        return node

    @property
    def pid(self) -> int:
        return self.process.process.pid

    async def _follow(self, ready: asyncio.Event) -> None:
        try:
            async with self.client.stream("GET", "/api/v1/events", timeout=None) as response:
                ready.set()
                async for line in response.aiter_lines():
                    if line.startswith("data:"):
                        async with self._grown:
                            self.events.append(json.loads(line[5:]))
                            self._grown.notify_all()
        except httpx.HTTPError:
            return  # the node is gone

    async def event(self, name: str, *, after: int = 0, seconds: float = PATIENCE_S, **match: Any) -> dict[str, Any]:
        """The first event of that name and those values, from number `after` on."""
        async with within(seconds, f"event {name} {match}", lambda: f"there were {self.events[-6:]}"), self._grown:
            while True:
                for event in self.events[after:]:
                    if event["event"] == name and all(event.get(key) == value for key, value in match.items()):
                        return event
                await self._grown.wait()

    async def account(self, state: str, name: str = "PBX", *, seconds: float = PATIENCE_S) -> dict[str, Any]:
        """How an account stands once it is in this state, now or soon."""
        async with within(seconds, f"{name} {state}", lambda: f"there were {self.events[-6:]}"):
            while True:
                mark = len(self.events)
                accounts = (await self.client.get("/api/v1/accounts")).json()
                found: dict[str, Any] = next(each for each in accounts if each["name"] == name)
                if found["state"] == state:
                    return found
                await self.event("registration.changed", account=name, after=mark, seconds=seconds)

    async def press(self, *recipients: str) -> None:
        """Press the button, to ring these."""
        response = await self.client.post("/api/v1/inputs/button/press", json={"recipients": list(recipients)})
        assert response.status_code < 300, response.text

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send the engine process, and nobody else, a signal."""
        os.kill(self.pid, number)

    async def journal(self, what: str, *, at_least: int) -> list[dict[str, Any]]:
        """The guardian's own account of one kind ("line", "start"), once it has so many: it tells and then writes."""

        def entries(text: bytes) -> list[dict[str, Any]]:
            whole = text.decode().rpartition("\n")[0].splitlines()
            return [entry for entry in map(json.loads, whole) if entry["what"] == what]

        with FileWatch(self.state_dir / "guardian.jsonl") as watch:
            await asyncio.to_thread(watch.until_it, lambda text: len(entries(text)) >= at_least, PATIENCE_S)
            return entries(watch.present())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.client.aclose()
        await self.process.stop()
