"""A loudspeaker and a microphone at a door, with a fault or without: plain numpy, nothing of the node's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]


class SpeakerDoor:
    """Direct sound after `delay_ms`, a few reflections and a tail, `level_db` below what is played; noise around."""

    def __init__(
        self, rate_hz: int, seed: int = 1, *, noise_seed: int = 0, delay_ms: float = 20.0, level_db: float = -14.0
    ) -> None:
        self.rate_hz = rate_hz
        self._seed = seed
        self._delay = round(delay_ms * rate_hz / 1000)
        self._level = 10 ** (level_db / 20)
        self._dice = np.random.default_rng((seed, noise_seed))  # another noise each time, from the same beginning

    def response(self, *, moved: bool = False) -> NDArray[np.float64]:
        """From loudspeaker to microphone."""
        dice = np.random.default_rng((self._seed, moved))
        tail = np.arange(self.rate_hz // 5) / self.rate_hz
        late = dice.standard_normal(len(tail)) * 10 ** (-3 * tail / 0.2) * 0.02
        late[dice.integers(self.rate_hz // 1000, self.rate_hz // 100, 3)] += dice.uniform(-0.3, 0.3, 3)
        if moved:
            late[self.rate_hz // 2000] += 0.6  # a wall near by
        late[0] = 1.0
        return np.concatenate([np.zeros(self._delay), late * self._level])

    def record(self, played: Sound, fault: str = "none", noise_dbfs: float = -65.0) -> Sound:
        """What the microphone gives; `fault` as `[audio.room]` has them."""
        sound = np.tanh(played.astype(np.float64))
        if fault == "rattling":
            sound += self._rattle(sound)
        response = self.response(moved=fault == "moved")
        if fault == "muffled":
            response = _low_passed(response, 1200 / self.rate_hz)
        if fault == "weak":
            response = response * 0.2
        size = len(sound) + len(response)
        heard = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[: len(sound)]
        if fault in ("dead_loudspeaker", "dead_microphone"):
            heard[:] = 0
        if fault == "dead_microphone":
            noise_dbfs = -90.0
        if fault == "noisy":
            noise_dbfs = -8.0
        noise = self._dice.standard_normal(len(heard)) * 10 ** (noise_dbfs / 20) / np.sqrt(2)
        return np.clip(heard + noise, -1, 1).astype(np.float32)

    def _rattle(self, sound: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the membrane has beyond a threshold strikes something loose."""
        deep = _low_passed(sound, 500 / self.rate_hz)
        struck = np.maximum(deep - 0.3 * np.abs(deep).max(), 0)
        return np.diff(struck, n=2, prepend=[0, 0]) * 12


def drifted(sound: Sound, ppm: float) -> Sound:
    """As a clock that goes faster by `ppm` samples it; four times as many samples, then straight lines."""
    spectrum = np.fft.rfft(sound, len(sound))
    fine = np.fft.irfft(spectrum, 8 * len(sound)) * 8
    at = np.arange(len(sound)) * (8 / (1 + ppm * 1e-6))
    return np.interp(at, np.arange(len(fine)), fine).astype(np.float32)


def _low_passed(sound: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Second order, from `share` of the rate on."""
    size = 2 * len(sound)
    hz = np.fft.rfftfreq(size)
    return np.fft.irfft(np.fft.rfft(sound, size) / (1 + 1.4j * hz / share - (hz / share) ** 2), size)[: len(sound)]
