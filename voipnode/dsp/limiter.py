"""A limiter: loud sound is turned down before it could be cut."""

from __future__ import annotations

import numpy as np

from voipnode.dsp.fader import rise
from voipnode.dsp.frames import Frame
from voipnode.dsp.hygiene import peak_of

_RELEASE_DB_PER_S = 40.0


class Limiter:
    """Keeps frames of 10 ms within `ceiling`, without delay and without cutting off what is louder.

    Where a frame would pass the ceiling, the gain has fallen by its first sample that does to what the loudest one
    needs; it comes back by 40 dB a second. What needs no limiting is not touched and costs only a look. Several
    sounds at once (an array of rows) get the gain of the loudest.
    """

    latency_samples = 0

    def __init__(self, rate_hz: int, *, ceiling: float = 1.0) -> None:
        size = rate_hz // 100
        self._ceiling = ceiling
        self._rise = rise(size)
        self._back = 10 ** (_RELEASE_DB_PER_S / 100 / 20)
        self._curve: Frame = np.zeros(size, dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Full gain."""
        self.gain = 1.0

    def process(self, frames: Frame) -> Frame:
        """Limit `frames`, shape (..., rate_hz // 100), in place; returns the same array. What is no number becomes
        silence."""
        peak = peak_of(frames)
        if not peak < np.inf:
            np.nan_to_num(frames, copy=False, nan=0.0, posinf=self._ceiling, neginf=-self._ceiling)
            peak = peak_of(frames)
        if self.gain == 1.0 and peak <= self._ceiling:
            return frames
        before = self.gain
        wanted = min(1.0, before * self._back, self._ceiling / peak if peak > self._ceiling else 1.0)
        self.gain = wanted
        if wanted >= before:
            np.multiply(self._rise, np.float32(wanted - before), out=self._curve)
            self._curve += np.float32(before)
        else:
            self._fall(frames, before, wanted)
        frames *= self._curve
        if peak > self._ceiling:  # the last bit of rounding
            np.clip(frames, -self._ceiling, self._ceiling, out=frames)
        return frames

    def _fall(self, frames: Frame, before: float, wanted: float) -> None:
        """From the gain before to the one wanted, reached where the first sample needs it."""
        loudest = np.abs(frames).reshape(-1, frames.shape[-1]).max(axis=0)
        first = int(np.argmax(loudest * np.float32(before) > self._ceiling))
        self._curve[:first] = np.linspace(before, wanted, first, endpoint=False, dtype=np.float32)
        self._curve[first:] = wanted
