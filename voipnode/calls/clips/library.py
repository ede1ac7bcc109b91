"""The node's clips: their files, read when they are wanted, and what of them is in memory."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voipnode.calls.clips.player import ClipPlayer
from voipnode.calls.clips.reading import MAX_BYTES, ClipError, read_clip
from voipnode.calls.clips.settings import ClipSettings
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.events import Problem
from voipnode.calls.hooks import Bus
from voipnode.dsp.frames import Frame
from voipnode.dsp.loudness import SILENCE_LUFS, loudness_lufs

log = logging.getLogger(__name__)

MAX_CACHED_BYTES = 64_000_000  # of samples: three clips of the longest kind, or hundreds of the usual
TARGET_LUFS = -20.0
HIGHEST_PEAK_DBFS = -1.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A clip in memory, with the gain by which it is played."""

    settings: ClipSettings
    samples: Frame
    gain_db: float


class ClipLibrary:
    """Clips of `folder` at `rate_hz`, by their names. Files are read in a thread, one at a time.

    What `keep` names stays in memory, since a call cannot wait for it; of the rest, what was played last, up to 64 MB.
    """

    def __init__(self, folder: Path, rate_hz: int, bus: Bus, clips: Sequence[ClipSettings] = ()) -> None:
        self.folder = folder
        self.rate_hz = rate_hz
        self._bus = bus
        self._clips = {clip.name: clip for clip in clips}
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._kept: frozenset[str] = frozenset()
        self._one_at_a_time = asyncio.Lock()

    @property
    def clips(self) -> tuple[ClipSettings, ...]:
        """All clips, in the order of the settings."""
        return tuple(self._clips.values())

    def use(self, clips: Sequence[ClipSettings]) -> None:
        """These are the clips from now on; what plays goes on."""
        self._clips = {clip.name: clip for clip in clips}
        for name, loaded in list(self._loaded.items()):
            if self._clips.get(name) != loaded.settings:
                del self._loaded[name]

    def known(self, name: str) -> ClipSettings:
        """The clip of that name. Raises UnknownNameError."""
        clip = self._clips.get(name)
        if clip is None:
            listed = ", ".join(f'"{each}"' for each in self._clips) or "none"
            raise UnknownNameError(f'clip "{name}": there is no such clip; there is {listed}')
        return clip

    def path(self, clip: ClipSettings) -> Path:
        """Where its file is."""
        return self.folder / clip.file

    async def keep(self, names: Iterable[str]) -> None:
        """Have these in memory from now on; one that cannot be read is told as a `Problem`."""
        self._kept = frozenset(names)
        for name in sorted(self._kept):
            try:
                await self.load(name)
            except (ClipError, UnknownNameError) as error:
                self._bus.publish(Problem(where="clips", detail=str(error)))
        self._make_room()

    async def load(self, name: str) -> None:
        """Have it in memory. Raises UnknownNameError, ClipError."""
        async with self._one_at_a_time:
            clip = self.known(name)
            if name in self._loaded:
                self._loaded.move_to_end(name)
                return
            try:
                loaded = await asyncio.to_thread(_read, self.path(clip), clip, self.rate_hz)
            except ClipError as error:
                raise ClipError(f'clip "{name}" ({clip.file}): {error}') from None
            self._loaded[name] = loaded
            self._make_room(name)

    def player(self, name: str, *, gain_db: float = 0.0, repeat: int = 0) -> ClipPlayer | None:
        """One that plays the clip; None where it is not in memory."""
        loaded = self._loaded.get(name)
        if loaded is None:
            return None
        return ClipPlayer(loaded.samples, self.rate_hz, gain_db=loaded.gain_db + gain_db, repeat=repeat)

    def _make_room(self, newest: str = "") -> None:
        total = sum(loaded.samples.nbytes for loaded in self._loaded.values())
        for name in list(self._loaded):
            if total <= MAX_CACHED_BYTES:
                return
            if name not in self._kept and name != newest:
                total -= self._loaded.pop(name).samples.nbytes


def _read(path: Path, clip: ClipSettings, rate_hz: int) -> Loaded:
    """Blocks. Raises ClipError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ClipError(f"it cannot be read: {error.strerror or error}") from None
    samples = read_clip(content, rate_hz, time.thread_time)
    samples.flags.writeable = False
    gain_db = clip.gain_db + (_to_target_db(samples, rate_hz) if clip.normalise else 0.0)
    return Loaded(clip, samples, gain_db)


def _to_target_db(samples: Frame, rate_hz: int) -> float:
    """The gain that makes it as loud as the others, no peak of it being beyond -1 dBFS."""
    found = loudness_lufs(samples, rate_hz)
    peak = float(np.abs(samples).max())
    if found <= SILENCE_LUFS or peak <= 0.0:
        return 0.0
    return min(TARGET_LUFS - found, HIGHEST_PEAK_DBFS - 20.0 * math.log10(peak))
