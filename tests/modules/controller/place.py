"""A node's bus and commands with a controller module on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.support.aio import PATIENCE_S
from voipnode.calls.commands import ForwardCredential
from voipnode.calls.events import ControllerChanged, Event, ReaderChanged, ReaderFeedback
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.controller.module import ControllerModule
from voipnode.modules.controller.settings import ControllerSettings


class Place:
    """`said` has the link's states, `shown` what readers are to show."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.bus = Bus(asyncio.get_running_loop().time)
        self.commands = Commands()
        self.events: list[Event] = []
        self._new = asyncio.Event()
        self.bus.subscribe(Event, self._hear, who="test")
        house = House(self.bus, self.commands, folder)
        self.module = ControllerModule(house, ControllerSettings.model_validate(settings))

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self._new.set()

    async def start(self) -> None:
        await self.module.start()
        self.bus.publish(ReaderChanged(reader="gate", state="connected"))

    async def until(self, wanted: str) -> str:
        """Wait until the link is `wanted`; its details."""
        await self.heard(lambda: self.said and self.said[-1].state == wanted)
        return self.said[-1].detail

    async def heard(self, holds: Callable[[], object]) -> None:
        """Wait until something holds, event by event."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._new.clear()
                await self._new.wait()

    async def card(self, uid: str, bits: int = 0, reader: str = "gate") -> str:
        return await self.commands.execute(ForwardCredential(reader=reader, uid=uid, bits=bits))

    async def keys(self, keys: str, reader: str = "gate") -> str:
        return await self.commands.execute(ForwardCredential(reader=reader, keys=keys))

    @property
    def said(self) -> list[ControllerChanged]:
        return [event for event in self.events if isinstance(event, ControllerChanged)]

    @property
    def shown(self) -> list[tuple[str, str, float, int]]:
        feedback = [event for event in self.events if isinstance(event, ReaderFeedback)]
        return [(event.reader, event.led, round(event.for_s, 3), event.beeps) for event in feedback]
