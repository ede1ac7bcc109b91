"""Steady sine tones in frames."""

from __future__ import annotations

import math

import numpy as np

from voipnode.dsp.frames import FRAMES_PER_S, Frame


class Tone:
    """A sum of sines that goes on from frame to frame without a step in phase.

    `frequencies_hz` each below half of `rate_hz`; `level_dbfs` is the peak of each sine over full scale 1.0.
    """

    def __init__(self, *frequencies_hz: float, rate_hz: int = 8000, level_dbfs: float = -10.0) -> None:
        if not frequencies_hz or not all(0 < frequency < rate_hz / 2 for frequency in frequencies_hz):
            raise ValueError(f"frequencies {frequencies_hz} do not fit between 0 and {rate_hz / 2} Hz")
        self._size = rate_hz // FRAMES_PER_S
        self._amplitude = 10 ** (level_dbfs / 20)
        self._steps = np.array(frequencies_hz)[:, None] * (2 * math.pi / rate_hz)
        self._ramp = np.arange(self._size)[None, :] * self._steps
        self.reset()

    def reset(self) -> None:
        """Start again at phase zero."""
        self._phases = np.zeros_like(self._steps)

    def next_frame(self) -> Frame:
        """The next 10 ms, shape (rate_hz // 100,), float32."""
        sines = np.sin(self._phases + self._ramp)
        self._phases = (self._phases + self._size * self._steps) % (2 * math.pi)
        return np.asarray(sines.sum(axis=0) * self._amplitude, dtype=np.float32)
