"""What is to be heard in a simulated room when nobody speaks: white noise, a street, a recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voipnode.calls.errors import CallError
from voipnode.calls.hooks import Frame
from voipnode.modules.audio.files import load_audio
from voipnode.modules.audio.settings import RoomSettings
from voipnode.modules.audio.sources import Source

Curve = NDArray[np.floating[Any]]

STREET_S = 40.0  # then it begins again, without a seam
VEHICLES = 7  # in that time
PASSES_S = (0.6, 2.5)  # half the time that a vehicle is within 3 dB of its loudest: a van near by, a lorry farther off
LOUDER_DB = (6.0, 16.0)  # than the rumble, when it passes
# EN 1793-3, table 1, less the A-weighting (IEC 61672-1): levels of third octaves.
TRAFFIC_HZ = (50.0, 100.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 5000.0, 20_000.0)
TRAFFIC_DB = (-1.0, -0.9, -3.9, -6.4, -8.8, -8.0, -12.2, -17.0, -18.5, -30.0)
SINE_RMS = 1.0 / np.sqrt(2.0)


class WhiteNoise:
    """Gaussian noise that has as much power as a sine of full scale; the same after every making."""

    description = "white noise"

    def __init__(self, rate_hz: int, seed: int) -> None:
        self._size = rate_hz // 100
        self._random = np.random.default_rng(seed)

    def read(self) -> Frame:
        return np.float32(SINE_RMS) * self._random.standard_normal(self._size, np.float32)

    def rewind(self) -> None:
        return  # noise does not begin


class NoiseLoop:
    """Recorded noise in a loop, brought to as much power as a sine of full scale has. Raises ValueError for silence."""

    def __init__(self, samples: NDArray[np.generic], rate_hz: int, description: str) -> None:
        rms = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
        if not rms > 0.0:
            raise ValueError("there is nothing to be heard in it")
        self.description = description
        self._size = rate_hz // 100
        whole = np.resize(samples, max(len(samples), self._size)) * (SINE_RMS / rms)
        # The begin once more after the end: every frame is one slice.
        self._samples = np.concatenate([whole, whole[: self._size]]).astype(np.float32)
        self._at = 0

    def read(self) -> Frame:
        frame = self._samples[self._at : self._at + self._size].copy()
        self._at = (self._at + self._size) % (len(self._samples) - self._size)
        return frame

    def rewind(self) -> None:
        return


def make_noise(room: RoomSettings, rate_hz: int) -> Source:
    """The noise that `room.noise` names, at the power of a sine of full scale.

    Reads a file whole. Raises CallError, naming field and value, for one that cannot be used.
    """
    if room.noise == "white":
        return WhiteNoise(rate_hz, room.seed)
    if room.noise == "street":
        return NoiseLoop(street(rate_hz, room.seed), rate_hz, "a street")
    try:
        path = Path(room.noise).expanduser()
        return NoiseLoop(load_audio(path, rate_hz), rate_hz, f"the file {path}")
    except (OSError, ValueError) as error:
        raise CallError(f'audio.room.noise = "{room.noise}": {error}') from error


def street(rate_hz: int, seed: int) -> NDArray[np.float32]:
    """Forty seconds beside a road, whose end fits its begin.

    Far traffic is rumble that falls by 6 dB an octave above 60 Hz. Near by, vehicles pass, with the spectrum of traffic
    noise (EN 1793-3, its A-weighting taken off): at speed v and distance d their power goes with 1 / (1 + (v t / d)^2).
    """
    random = np.random.default_rng((seed, 4))
    count = round(STREET_S * rate_hz)
    seconds = np.arange(count) / rate_hz
    sound = _shaped(random, count, rate_hz, _rumble)
    vehicle = _shaped(random, count, rate_hz, _vehicle)
    for _ in range(VEHICLES):
        louder = 10.0 ** (random.uniform(*LOUDER_DB) / 20.0)
        half_s = random.uniform(*PASSES_S)
        from_it = (seconds - random.uniform(0.0, STREET_S) + STREET_S / 2) % STREET_S - STREET_S / 2
        noise = np.roll(vehicle, random.integers(count))
        sound += louder / np.sqrt(1.0 + (from_it / half_s) ** 2) * noise
    result: NDArray[np.float32] = sound.astype(np.float32)
    return result


def _rumble(hz: Curve) -> Curve:
    falling: Curve = (hz / 30.0) / (1.0 + (hz / 30.0)) / (1.0 + hz / 60.0)
    return falling


def _vehicle(hz: Curve) -> Curve:
    """Magnitude: the levels are of third octaves, whose width grows with frequency."""
    level_db = np.interp(np.log2(np.maximum(hz, 1.0)), np.log2(TRAFFIC_HZ), TRAFFIC_DB)
    magnitude: Curve = 10.0 ** (level_db / 20.0) / np.sqrt(np.maximum(hz, TRAFFIC_HZ[0]))
    return magnitude


def _shaped(random: np.random.Generator, count: int, rate_hz: int, shape: Callable[[Curve], Curve]) -> Curve:
    """Gaussian noise of RMS 1 with that magnitude over frequency; periodic, because it was made from a spectrum."""
    hz = np.fft.rfftfreq(count, 1.0 / rate_hz)
    spectrum = random.standard_normal(2 * len(hz)).view(np.complex128) * shape(hz)
    spectrum[0] = 0.0
    noise: Curve = np.fft.irfft(spectrum, count)
    noise /= np.sqrt(np.mean(noise**2))
    return noise
