"""A room with a loudspeaker near a microphone, for the echo canceller's tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.echo.canceller import EchoCanceller

Sound = NDArray[np.float32]


def response(rate_hz: int, *, delay_ms: float, rt60_s: float = 0.3, seed: int = 0) -> NDArray[np.float64]:
    """The way there in the open, and behind it 18 dB softer a room that fades."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(rt60_s * rate_hz)) / rate_hz
    room = rng.standard_normal(len(time)) * 10 ** (-3 * time / rt60_s)
    room *= 10 ** (-18 / 20) / np.sqrt(np.sum(room**2))
    room[:2] += 0.9, -0.2 * (-1) ** seed
    return np.concatenate((np.zeros(int(delay_ms * rate_hz / 1000)), room))


def through(sound: Sound, room: NDArray[np.float64]) -> Sound:
    """What of `sound` arrives at the microphone, of the same length."""
    size = len(sound) + len(room)
    echo = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)
    return echo[: len(sound)].astype(np.float32)


def drifted(sound: Sound, ppm: float) -> Sound:
    """As a microphone hears it whose clock is faster by that much: ever later."""
    at = np.arange(len(sound)) / (1 + ppm * 1e-6)
    # Twelve times as many samples by zeros in the spectrum, so that a straight line between two will do.
    fine = np.fft.irfft(np.fft.rfft(sound), 12 * len(sound)) * 12
    return np.interp(at * 12, np.arange(len(fine)), fine).astype(np.float32)


def noise(samples: int, level_dbfs: float, seed: int = 99) -> Sound:
    hiss = np.random.default_rng(seed).standard_normal(samples).astype(np.float32)
    return hiss * np.float32(10 ** (level_dbfs / 20))


@dataclass
class Heard:
    """What a canceller made of a scene."""

    error: Sound
    microphone: Sound
    rate_hz: int

    def erle_db(self, echo: Sound, near: Sound | None, begin_s: float, end_s: float) -> float:
        """How much of the echo is gone between two times; what the near end said is not counted."""
        part = slice(int(begin_s * self.rate_hz), int(end_s * self.rate_hz))
        rest = self.error[part] - (near[part] if near is not None else 0)
        return float(10 * np.log10(np.sum(echo[part] ** 2) / (np.sum(rest**2) + 1e-12)))


def hear(canceller: EchoCanceller, far: Sound, microphone: Sound) -> Heard:
    size = canceller.rate_hz // 100
    count = len(far) // size * size
    pairs = zip(far[:count].reshape(-1, size), microphone[:count].reshape(-1, size), strict=True)
    error = np.concatenate([canceller.process(*pair).error.copy() for pair in pairs])
    return Heard(error, microphone, canceller.rate_hz)
