"""Keeps what is set about the door's sound while the node runs: in the settings file, with its comments, for the next
start."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voipnode.calls.events import Problem, SoundChanged
from voipnode.calls.hooks import Bus, Tasks
from voipnode.calls.sound_desk import changed
from voipnode.dsp.front_end_options import FrontEndOptions
from voipnode.modules.audio.settings import AudioSettings
from voipnode.settings import NodeSettings
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import save_settings


class SoundKeeper:
    """Writes each change that the bus tells into `[audio]` of the file at `path` (made when absent).

    Only what has changed is written. Changes that come while one is being written are written together. `one_at_a_time`
    is held meanwhile, by whoever else edits the file, too. One that cannot be written is told as a `Problem`: it lasts
    until the node stops.
    """

    def __init__(self, path: Path, bus: Bus, one_at_a_time: asyncio.Lock) -> None:
        self._path = path
        self._bus = bus
        self._one_at_a_time = one_at_a_time
        self._known: Mapping[str, Any] = {}
        self._unwritten: dict[str, Any] = {}
        self._writing: asyncio.Task[None] | None = None
        self._work = Tasks("sound")
        bus.subscribe(SoundChanged, self._changed, who="sound")

    def start(self, options: FrontEndOptions) -> None:
        """What the file says; called again where somebody has edited it."""
        self._known = _values(changed(options))

    def _changed(self, event: SoundChanged) -> None:
        values = _values(event)
        self._unwritten |= {f"audio.{name}": value for name, value in values.items() if value != self._known.get(name)}
        self._known = values
        if self._unwritten and (self._writing is None or self._writing.done()):
            self._writing = self._work.start(self._write())

    async def _write(self) -> None:
        async with self._one_at_a_time:
            while self._unwritten:
                changes, self._unwritten = self._unwritten, {}
                try:
                    await asyncio.to_thread(save_settings, self._path, changes, NodeSettings)
                except (SettingsError, OSError) as error:
                    words = f"lasts until the node stops, since {self._path} cannot be changed: {error}"
                    self._bus.publish(Problem(where=", ".join(sorted(changes)), detail=words))

    async def stop(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await asyncio.wait([self._writing])


def _values(event: SoundChanged) -> dict[str, Any]:
    """What it tells, by the names that `[audio]` has for it."""
    return {name: value for name, value in event.to_dict().items() if name in AudioSettings.model_fields}
