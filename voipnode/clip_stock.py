"""The node's clips, wired: the library that follows the settings, and the desk that plays at the door."""

from __future__ import annotations

from pathlib import Path

from voipnode.calls.clips.desk import ClipDesk
from voipnode.calls.clips.library import ClipLibrary
from voipnode.calls.clips.settings import clip_names
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.hooks import Bus, Commands, Subscription, Tasks
from voipnode.settings import NodeSettings


class ClipStock:
    """Make it in a running loop; `start` it, tell it the settings by `use`, `stop` it."""

    def __init__(self, folder: Path, rate_hz: int, bus: Bus) -> None:
        self.library = ClipLibrary(folder, rate_hz, bus)
        self._bus = bus
        self._work = Tasks("clips")
        self._registered: list[Subscription] = []
        self._desk: ClipDesk | None = None

    def start(self, door: DoorBridge, commands: Commands) -> None:
        """Play at this door what commands ask for."""
        self._desk = ClipDesk(self.library, door, self._bus)
        self._registered = self._desk.register(commands)

    def use(self, settings: NodeSettings) -> None:
        """These are the clips from now on; those that calls play are read in the background."""
        self.library.use(settings.clips)
        names = {name for _, user in settings.clip_users for _, name in clip_names(user)}
        self._work.start(self.library.keep(names))

    async def stop(self) -> None:
        """Take no commands any more; may be called twice."""
        for subscription in self._registered:
            subscription.cancel()
        self._registered = []
        if self._desk is not None:
            self._desk.close()
        await self._work.close()
