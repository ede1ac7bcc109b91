"""The loudspeaker of a simulated room, as far as it is not linear: it clips softly, and may rattle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voipnode.calls.hooks import Frame
from voipnode.modules.audio.room import PartitionedFilter
from voipnode.modules.audio.settings import RoomSettings
from voipnode.modules.audio.sources import amplitude

EXCURSION_HZ = 600.0  # above this the membrane hardly moves
LOOSE_DBFS = -30.0  # excursion from which on something that is loose is struck
STRIKES_DB = 6.0  # how loud a strike is against what of the excursion is too much
RINGS_HZ = (1900.0, 2700.0, 3300.0)  # what the loose part rings at
RINGS_S = 0.002
UNEVEN = 0.3  # no strike is like the other


class Loudspeaker:
    """Plays frames of 10 ms: y = c tanh(x / c), c = `clip_dbfs`, and what rattles.

    Rub and buzz: what the membrane's excursion (the sound below 600 Hz) has beyond a threshold strikes a loose part,
    which rings. A soft sound is clean, a loud low one buzzes; harmonics of every order follow.
    """

    def __init__(self, room: RoomSettings, rate_hz: int) -> None:
        self._clip = np.float32(amplitude(room.clip_dbfs))
        self._rattle = _Rattle(rate_hz, room.seed) if room.fault == "rattling" else None

    def play(self, frame: Frame) -> Frame:
        """What comes out of it; finite for what is finite."""
        played: Frame = self._clip * np.tanh(frame / self._clip)
        return played if self._rattle is None else played + self._rattle.process(played)


class _Rattle:
    def __init__(self, rate_hz: int, seed: int) -> None:
        size = rate_hz // 100
        self._excursion = PartitionedFilter(_low_pass(rate_hz), size)
        self._ring = PartitionedFilter(_ring(rate_hz), size)
        self._random = np.random.default_rng((seed, 3))
        self._threshold = np.float32(amplitude(LOOSE_DBFS))
        self._gain = np.float32(10.0 ** (STRIKES_DB / 20.0))

    def process(self, frame: Frame) -> Frame:
        beyond = np.maximum(self._excursion.process(frame) - self._threshold, np.float32(0.0))
        beyond *= 1.0 + UNEVEN * self._random.standard_normal(len(frame), np.float32)
        return self._ring.process(beyond * self._gain)


def _low_pass(rate_hz: int) -> NDArray[np.float32]:
    """Two poles at `EXCURSION_HZ`: what a membrane above its resonance does."""
    seconds = np.arange(rate_hz // 100) / rate_hz
    decay = 2.0 * np.pi * EXCURSION_HZ
    response = seconds * np.exp(-decay * seconds)
    scaled: NDArray[np.float32] = (response / response.sum()).astype(np.float32)
    return scaled


def _ring(rate_hz: int) -> NDArray[np.float32]:
    seconds = np.arange(round(5 * RINGS_S * rate_hz)) / rate_hz
    rings = np.sum([np.sin(2.0 * np.pi * hz * seconds) for hz in RINGS_HZ], axis=0) * np.exp(-seconds / RINGS_S)
    rings = np.diff(rings, 2)  # it is too small to give off anything low
    scaled: NDArray[np.float32] = (rings / np.sqrt(np.sum(rings**2))).astype(np.float32)
    return scaled
