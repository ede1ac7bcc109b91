"""The last two seconds of sound, asked whether two sines were in it: whether a tone that comes back was ours before."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.frames import FRAMES_PER_S, Frame

WINDOW_FRAMES = 3
STANDS_OUT = 0.2  # of the sound in 30 ms: 6 dB under everything else at the same time, wherever that is in the band
BALANCE_DB = 20.0  # a loudspeaker and a room may weaken one of two tones by so much
AUDIBLE = 1e-7  # mean square, -70 dBFS
_TURN_GUARD = 1e-12  # so that silence may be divided by


class SoundMemory:
    """A ring of frames of 10 ms, shape (rate_hz // 100,); cheap to fill, looked through only when asked."""

    def __init__(self, rate_hz: int, seconds: float = 2.0) -> None:
        self.rate_hz = rate_hz
        self._frames: NDArray[np.float32] = np.zeros((int(seconds * FRAMES_PER_S), rate_hz // FRAMES_PER_S), np.float32)
        self._count = 0

    def remember(self, frame: Frame) -> None:
        """Take the next 10 ms; the oldest ones are forgotten."""
        self._frames[self._count % len(self._frames)] = frame
        self._count += 1

    def carried(self, low_hz: float, high_hz: float) -> NDArray[np.bool_]:
        """For each remembered 10 ms, newest first: did both sines stand out in the 30 ms that began with them?

        They must in two windows after each other, as a tone of 40 ms does; a voice rarely does at a given moment.
        """
        newest = self._count % len(self._frames)
        sound = np.concatenate((self._frames[newest:], self._frames[:newest])).reshape(-1).astype(np.float64)
        size = self._frames.shape[1]
        span = WINDOW_FRAMES * size
        at = np.arange(span) + 0.5
        hann = 0.5 - 0.5 * np.cos(2 * math.pi * at / span)
        steps = np.array((low_hz, high_hz))[:, None] * (2 * math.pi / self.rate_hz)
        rows = hann * np.exp(-1j * steps * at) * (2 / hann.sum())
        windows = np.lib.stride_tricks.sliding_window_view(sound, span)[::size]
        low, high = (np.abs(windows @ rows.T) ** 2 / 2).T
        power = np.einsum("ij,ij->i", windows, windows) / span
        balance = (low + _TURN_GUARD) / (high + _TURN_GUARD)
        limit = 10 ** (BALANCE_DB / 10)
        found = (low + high >= STANDS_OUT * power) & (power > AUDIBLE) & (balance < limit) & (balance > 1 / limit)
        found[1:] &= found[:-1].copy()
        found[0] = False
        newest_first: NDArray[np.bool_] = found[::-1]
        return newest_first
