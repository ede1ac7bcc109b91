"""A limiter: loud sound is turned down before it could be cut."""

from __future__ import annotations

import numpy as np

from voipnode.dsp.fader import rise
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.hygiene import peak_of

_RELEASE_DB_PER_S = 40.0
_BACK = np.float32(10 ** (_RELEASE_DB_PER_S / FRAMES_PER_S / 20))


class Limiter:
    """Keeps frames of 10 ms within `ceiling`, without delay and without cutting off what is louder.

    Where a frame would pass the ceiling, the gain has fallen by its first sample that does to what the loudest one
    needs; it comes back by 40 dB a second. What needs no limiting is not touched and costs only a look. `sounds` that
    are limited at once, each for itself, are the rows of an array.
    """

    latency_samples = 0

    def __init__(self, rate_hz: int, *, ceiling: float = 1.0, sounds: int = 1) -> None:
        size = rate_hz // FRAMES_PER_S
        self._ceiling = np.float32(ceiling)
        self._rise = rise(size)
        self._at = np.arange(size, dtype=np.float32)
        self._gains: Frame = np.ones((sounds, 1), dtype=np.float32)
        self.gain = 1.0  # of the sound that is turned down most

    def reset(self) -> None:
        """Full gain."""
        self._gains.fill(1.0)
        self.gain = 1.0

    def process(self, frames: Frame) -> Frame:
        """Limit `frames`, shape (rate_hz // 100,) or (sounds, rate_hz // 100), in place; returns the same array. What
        is no number becomes silence."""
        peak = peak_of(frames)
        if self.gain == 1.0 and peak <= self._ceiling:
            return frames
        if not peak < np.inf:
            np.nan_to_num(frames, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        self._limit(frames.reshape(len(self._gains), -1))
        return frames

    def _limit(self, rows: Frame) -> None:
        loud = np.abs(rows)
        before = self._gains
        needed = self._ceiling / np.maximum(loud.max(axis=1, keepdims=True), self._ceiling)
        after = np.minimum(np.minimum(np.float32(1.0), before * _BACK), needed)
        first = np.argmax(loud * before > self._ceiling, axis=1).astype(np.float32)[:, None]
        falls = np.minimum((self._at + (first == 0)) / np.maximum(first, 1), 1)  # at once where it is the first one
        rows *= before + (after - before) * np.where(after < before, falls, self._rise)
        np.clip(rows, -self._ceiling, self._ceiling, out=rows)  # the last bit of rounding
        self._gains = after
        self.gain = float(after.min())
