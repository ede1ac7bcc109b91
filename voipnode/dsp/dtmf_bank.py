"""A window of sound seen at the frequencies of the keys: what both of the ears for digits begin with.

Thirty milliseconds under a Hann window are wide enough for a frequency that is off by 2.5 %, and narrow enough to keep
the groups apart: a dial tone at 440 Hz is 40 dB down at 697 Hz. Nothing is resampled, there are correlators for each
rate.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from voipnode.dsp.dtmf_frequencies import HIGH_HZ, LOW_HZ
from voipnode.dsp.frames import FRAMES_PER_S, Frame

WINDOW_FRAMES = 3
DIAL_TONES_HZ = ((425.0,), (350.0, 440.0))  # ITU-T E.180: recommended for new exchanges, and North America
_KEYS = len(LOW_HZ) + len(HIGH_HZ)
_DIAL_HZ = tuple(frequency for tones in DIAL_TONES_HZ for frequency in tones)


class Strongest(NamedTuple):
    """The strongest low and high key frequency of a window: index 0 to 3, and peak of each sine."""

    low: int
    high: int
    low_peak: float
    high_peak: float
    dial_power: float  # of the strongest dial tone, mean square


class Bank:
    """Correlators for windows of 30 ms, shape (3 * rate_hz // 100,); immutable, made once for each rate."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.frame_size = rate_hz // FRAMES_PER_S
        self.size = WINDOW_FRAMES * self.frame_size
        at = np.arange(self.size) + 0.5
        hann = 0.5 - 0.5 * np.cos(2 * math.pi * at / self.size)
        slope = math.pi / self.size * np.sin(2 * math.pi * at / self.size)
        steps = np.array((*LOW_HZ, *HIGH_HZ, *_DIAL_HZ)) * (2 * math.pi / rate_hz)
        turning = np.exp(-1j * steps[:, None] * at[None, :])
        self._steps = steps
        scale = 2 / hann.sum()  # so that a sine of peak 1.0 is seen as 1.0
        seen = turning * hann * scale
        self._rows = np.ascontiguousarray(np.concatenate((seen.real, seen.imag)), dtype=np.float32)
        self._seen = seen[:_KEYS].astype(np.complex64)
        self._slopes = (turning[:_KEYS] * slope * scale).astype(np.complex64)

    def strongest(self, window: Frame) -> Strongest:
        """Which key frequencies stand out in the window."""
        parts = self._rows @ window
        half = len(parts) // 2
        powers = (parts[:half] ** 2 + parts[half:] ** 2).tolist()
        lows, highs, dial = powers[:4], powers[4:_KEYS], powers[_KEYS:]
        low, high = max(lows), max(highs)
        dial_power = max(dial[0], dial[1] + dial[2]) / 2
        return Strongest(lows.index(low), highs.index(high), math.sqrt(low), math.sqrt(high), dial_power)

    def deviation(self, window: Frame, key: int) -> float:
        """How far the sine near key frequency `key` (0 to 7, low ones first) is off, as a fraction of it.

        The frequency is the reassigned one (Auger and Flandrin 1995): exact for a sine alone, whatever its phase.
        """
        seen = complex(self._seen[key] @ window)
        if seen == 0:
            return math.inf
        step = float(self._steps[key])
        return -(complex(self._slopes[key] @ window) / seen).imag / step


@lru_cache(maxsize=8)
def bank_for(rate_hz: int) -> Bank:
    """The correlators for that rate; every ear shares them."""
    return Bank(rate_hz)
