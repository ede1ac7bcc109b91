"""Who speaks into a microphone that is not real: nobody, a tone, or a clip."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voipnode.calls.hooks import Frame


class Source(Protocol):
    """Sound in frames of 10 ms, float32, shape (rate_hz // 100,); each frame is the caller's to keep."""

    description: str

    def read(self) -> Frame: ...

    def rewind(self) -> None:
        """Begin anew."""
        ...


def amplitude(level_dbfs: float) -> float:
    """The amplitude of a sine wave of that level (AES17: full scale is 0 dBFS)."""
    return float(10.0 ** (level_dbfs / 20.0))


class Silence:
    """Digital silence."""

    description = "silence"

    def __init__(self, rate_hz: int) -> None:
        self._size = rate_hz // 100

    def read(self) -> Frame:
        return np.zeros(self._size, np.float32)

    def rewind(self) -> None:
        return


class Tone:
    """A sine wave without a break between frames; the phase begins at zero.

    Raises ValueError when `frequency_hz` is not below half the rate.
    """

    def __init__(self, rate_hz: int, frequency_hz: float, level_dbfs: float) -> None:
        if not 0.0 < frequency_hz < rate_hz / 2:
            raise ValueError(f"a tone of {frequency_hz:g} Hz does not fit a rate of {rate_hz} Hz")
        self.description = f"a tone of {frequency_hz:g} Hz at {level_dbfs:g} dBFS"
        self._amplitude = amplitude(level_dbfs)
        self._step = 2.0 * math.pi * frequency_hz / rate_hz
        self._ramp = self._step * np.arange(rate_hz // 100, dtype=np.float64)
        self._phase = 0.0

    def read(self) -> Frame:
        frame = (self._amplitude * np.sin(self._ramp + self._phase)).astype(np.float32)
        self._phase = (self._phase + self._step * len(self._ramp)) % (2.0 * math.pi)
        return frame

    def rewind(self) -> None:
        self._phase = 0.0


class Clip:
    """Recorded samples, mono int16 at the right rate; played once and then silence, or in a loop.

    Raises ValueError when there are none.
    """

    def __init__(self, samples: NDArray[np.int16], rate_hz: int, *, loop: bool, description: str) -> None:
        if not len(samples):
            raise ValueError("the clip is empty")
        self.description = description
        self._samples = samples
        self._size = rate_hz // 100
        self._loop = loop
        self._at = 0

    def read(self) -> Frame:
        piece = self._samples[self._at : self._at + self._size]
        self._at += self._size
        if len(piece) < self._size:
            piece = self._past_the_end(piece)
        return piece * np.float32(1.0 / 32768.0)

    def _past_the_end(self, piece: NDArray[np.int16]) -> NDArray[np.int16]:
        missing = self._size - len(piece)
        if not self._loop:
            self._at = len(self._samples)
            return np.concatenate([piece, np.zeros(missing, np.int16)])
        # np.resize repeats a clip that is shorter than what is missing.
        self._at = missing % len(self._samples)
        return np.concatenate([piece, np.resize(self._samples, missing)])

    def rewind(self) -> None:
        self._at = 0
