"""What the siren is asked to sound: one sound at a time, none of them for longer than any may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voipnode.calls.commands import SoundSiren
from voipnode.calls.hooks import Commands, Tasks
from voipnode.modules.light.profile import SILENCE, Sound


class SirenWish:
    """Asks by `SoundSiren`, where somebody takes that. `over` is called when a sound has lasted for `longest_s`."""

    def __init__(self, commands: Commands, tasks: Tasks, longest_s: float, over: Callable[[], None]) -> None:
        self._commands = commands
        self._tasks = tasks
        self._longest_s = longest_s
        self._over = over
        self._sound = SILENCE
        self._end: asyncio.TimerHandle | None = None

    def be(self, sound: Sound) -> None:
        """Have this sounded from now on; one that sounds already goes on."""
        if sound == self._sound:
            return
        self._sound = sound
        self._cancel_end()
        if sound != SILENCE:
            self._end = asyncio.get_running_loop().call_later(self._longest_s, self._over)
        if self._commands.taken_by(SoundSiren):
            pattern = "" if sound == SILENCE else sound.pattern
            wish = SoundSiren(pattern=pattern, intensity=sound.intensity, for_s=self._longest_s)
            self._tasks.start(self._commands.execute(wish))

    async def stop(self) -> None:
        """Silence, at once."""
        self._cancel_end()
        was, self._sound = self._sound, SILENCE
        if was != SILENCE and self._commands.taken_by(SoundSiren):
            await self._commands.execute(SoundSiren())

    def _cancel_end(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
