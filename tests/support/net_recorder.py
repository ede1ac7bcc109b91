"""A sink that writes down what the sockets tell, and lets a test wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voipnode.sipstack.transport import Hop


class Recorder:
    """What `EngineDriver` is to the sockets."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Hop]] = []
        self.closed: list[Hop] = []
        self.failed: list[str] = []
        self.why: list[str] = []
        self._changed = asyncio.Event()

    def receive(self, data: bytes, source: Hop) -> None:
        self.received.append((data, source))
        self._changed.set()

    def connection_closed(self, source: Hop) -> None:
        self.closed.append(source)
        self._changed.set()

    def send_failed(self, transaction: str, why: str = "") -> None:
        self.failed.append(transaction)
        self.why.append(why)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds, looking after every report."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()
