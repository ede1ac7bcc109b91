"""Announcements by multicast, wired together: sockets, controller and the door that plays them."""

from __future__ import annotations

import asyncio
import functools

from voipnode.calls.events import Problem
from voipnode.calls.hooks import Bus, Commands
from voipnode.calls.multicast.controller import MulticastController
from voipnode.calls.multicast.settings import MulticastSettings
from voipnode.door import Door
from voipnode.net.multicast import Group, MulticastSockets
from voipnode.net.timer import LazyTimer


class Multicast:
    """Listens while the settings say so, which may change. Make it in a running loop, `use` settings, `stop` it.

    SIP may be off.
    """

    def __init__(self, door: Door, bus: Bus, commands: Commands) -> None:
        self._door = door
        self._bus = bus
        self._commands = commands
        self._clock = asyncio.get_running_loop().time
        self._timer = LazyTimer(asyncio.get_running_loop(), self._on_due)
        self._settings = MulticastSettings()
        self._controller: MulticastController | None = None
        self._sockets: MulticastSockets | None = None

    async def use(self, settings: MulticastSettings) -> None:
        """Listen as these say from now on; what plays is over where they are new."""
        if settings == self._settings:
            return
        await self._close()
        self._settings = settings
        if settings.enabled:
            self._open(settings)

    async def stop(self) -> None:
        """Listen no more; may be called twice."""
        await self._close()
        self._timer.close()

    def _open(self, settings: MulticastSettings) -> None:
        door, bus = self._door, self._bus
        controller = MulticastController(
            settings, door=door.bridge, rate_hz=door.rate_hz, bus=bus, commands=self._commands
        )
        controller.rearm = self._arm
        labels: dict[Group, str] = {}
        for source in controller.sources:
            wish = source.settings
            take = functools.partial(controller.receive, source)
            labels[Group(wish.address, wish.port, take, wish.sender)] = wish.label

        def problem(group: Group, words: str) -> None:
            where = f"multicast.{labels[group]}"
            bus.publish(Problem(where=where, detail=f"{group.address} port {group.port} is not heard: {words}"))

        self._controller = controller
        self._sockets = MulticastSockets(list(labels), door.sockets, interface=settings.interface, on_problem=problem)
        controller.start()
        self._sockets.open()

    async def _close(self) -> None:
        sockets, controller = self._sockets, self._controller
        self._sockets = self._controller = None
        self._timer.cancel()
        if sockets is not None:
            sockets.close()
        if controller is not None:
            await controller.stop()

    def _arm(self) -> None:
        if self._controller is not None:
            self._timer.arm(self._controller.next_deadline())

    def _on_due(self) -> None:
        if self._controller is not None:
            self._controller.on_deadline(self._clock())
            self._arm()
