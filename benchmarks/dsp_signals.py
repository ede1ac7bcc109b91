"""Levels of sounds, loudspeakers that clip, and clocks that differ: float32 with full scale 1.0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]

ACTIVE_DB = 25.0  # frames of 20 ms so much below the loudest count as pauses
_SINC = 32  # taps to each side, for clocks that differ


def rms_db(sound: Sound) -> float:
    """Mean power in dB of full scale, not below -150."""
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-15))


def active(sound: Sound, rate_hz: int) -> NDArray[np.bool_]:
    """For each sample, whether its 20 ms belong to speech and not to a pause."""
    size = rate_hz // 50
    power = np.add.reduceat(np.square(sound, dtype=np.float64), np.arange(0, len(sound), size))
    return np.repeat(power > power.max() * 10 ** (-ACTIVE_DB / 10), size)[: len(sound)]


def at_level(sound: Sound, dbfs: float, rate_hz: int) -> Sound:
    """With the pauses left out, as loud as that."""
    level = rms_db(sound[active(sound, rate_hz)])
    return (sound * 10 ** ((dbfs - level) / 20)).astype(np.float32)


def soft_clipped(sound: Sound, knee: float | None) -> Sound:
    """What a loudspeaker makes of it: tanh with its knee at `knee` times the peak (0.5 is harsh, 2 is mild)."""
    if knee is None:
        return sound
    at = knee * float(np.abs(sound).max())
    return (at * np.tanh(sound / at)).astype(np.float32)


def drifted(sound: Sound, ppm: float) -> Sound:
    """As a clock that runs faster by `ppm` samples it: sample n is the sound at n / (1 + ppm/1e6). Windowed sinc."""
    if not ppm:
        return sound
    at = np.arange(len(sound)) / (1 + ppm * 1e-6)
    whole = np.floor(at).astype(int)
    padded = np.pad(sound.astype(np.float64), (_SINC + 1, _SINC + 1 + max(int(at[-1]) - len(sound) + 2, 0)))
    out = np.zeros(len(sound))
    for tap in range(-_SINC + 1, _SINC + 1):
        distance = at - whole - tap
        window = np.cos(np.pi / 2 * distance / (_SINC + 1)) ** 2
        out += padded[whole + tap + _SINC + 1] * np.sinc(distance) * window
    return out.astype(np.float32)
