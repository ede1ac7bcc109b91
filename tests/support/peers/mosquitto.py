"""mosquitto, the MQTT broker, as a peer: started, killed, started again at the same port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt

from tests.support.aio import PATIENCE_S, within
from tests.support.free_ports import free_port
from tests.support.peers.process import PeerProcess, need


class Broker:
    """A broker on loopback."""

    def __init__(self, folder: Path, more: str = "") -> None:
        need("mosquitto")
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n{more}",
            encoding="utf-8",
        )
        self._process: PeerProcess | None = None

    async def start(self) -> None:
        self._process = await PeerProcess.start("mosquitto", "-c", self._config, "-v")
        await self._process.line_with("running")

    @contextlib.asynccontextmanager
    async def listener(self) -> AsyncIterator[Listener]:
        """Somebody else, who hears all of it."""
        async with aiomqtt.Client("127.0.0.1", self.port) as client:
            made = Listener(client)
            await client.subscribe("#", qos=1)
            yield made
            await made.close()

    async def kill(self) -> None:
        """kill -9: what was retained is gone, too."""
        assert self._process is not None
        self._process.process.kill()
        await self._process.wait()


class Listener:
    """Somebody else at the broker: hears all that is published, and publishes."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.heard: list[tuple[str, str]] = []
        self._more = asyncio.Condition()
        self._task = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        async for message in self.client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            async with self._more:
                self.heard.append((str(message.topic), payload.decode()))
                self._more.notify_all()

    def at(self, topic: str) -> list[str]:
        """All payloads that came at a topic."""
        return [payload for place, payload in self.heard if place == topic]

    async def until(self, topic: str, payload: str | None = None, count: int = 1) -> list[str]:
        """The payloads at a topic, once there are so many; of that kind, where it is given."""
        async with within(PATIENCE_S, f"message at {topic}", lambda: self.heard[-20:]), self._more:
            while True:
                found = [each for each in self.at(topic) if payload in (None, each)]
                if len(found) >= count:
                    return found
                await self._more.wait()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
