"""The noise of the street, taken out of the near voice."""

from __future__ import annotations

import math

import numpy as np

from voipnode.dsp.cepstral_smoothing import CepstralSmoother
from voipnode.dsp.echo.canceller import Cancelled
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.hygiene import usable
from voipnode.dsp.noise_estimate import NoiseEstimate
from voipnode.dsp.spectral_frames import BIN_HZ, LATENCY_S, Analysis, Bins, Synthesis, bin_count, window_energy
from voipnode.dsp.spectral_gain import SpectralGain

RATES_HZ = (8000, 16000)
NOISE_FLOOR_DB = -22.0
_SILENCE = 1e-10  # -100 dBFS: what is softer counts as this loud
_LEAST_SPEECH = np.float32(10**-2.2)  # of the noise: where less than the noise is heard


class Suppressor:
    """Noise suppression by log-MMSE gains on spectra of 20 ms.

    `rate_hz` is 8000 or 16000; frames are 10 ms of float32, shape (rate_hz // 100,), full scale 1.0, and come out
    `latency_samples` late. Noise is lowered by `noise_floor_db` at most, and not at all where `noise` is False; both
    may be set between any two frames. Whatever comes in, what goes out is finite.
    Raises ValueError for other rates and for a floor that is not below 0 dB.
    """

    def __init__(self, rate_hz: int, *, noise: bool = True, noise_floor_db: float = NOISE_FLOOR_DB) -> None:
        if rate_hz not in RATES_HZ:
            raise ValueError(f"rate_hz is {rate_hz}: 8000 or 16000 are right")
        self.latency_samples = round(rate_hz * LATENCY_S)
        self._size = rate_hz // FRAMES_PER_S
        bins = bin_count(rate_hz)
        self._energy = window_energy(rate_hz)
        self.noise = noise
        self.noise_floor_db = noise_floor_db
        self._analysis = Analysis(rate_hz)
        self._synthesis = Synthesis(rate_hz)
        self._noise = NoiseEstimate(bins, self._energy * _SILENCE)
        self._smoother = CepstralSmoother(rate_hz)
        self._gain = SpectralGain(bins)
        self._voice = slice(300 // BIN_HZ, 3400 // BIN_HZ)
        self.reset()

    def reset(self) -> None:
        """Forget everything that was heard."""
        for part in (self._analysis, self._synthesis, self._noise, self._smoother, self._gain):
            part.reset()
        self.gain = 1.0

    @property
    def noise_floor_db(self) -> float:
        """By how much noise is lowered at most; may be set between any two frames."""
        return self._floor_db

    @noise_floor_db.setter
    def noise_floor_db(self, floor_db: float) -> None:
        if not -100 <= floor_db < 0:
            raise ValueError(f"noise_floor_db is {floor_db}: from -100 to below 0 is right")
        self._floor_db = floor_db
        self._floor = np.float32(10 ** (floor_db / 20))

    @property
    def noise_dbfs(self) -> float:
        """The level of the noise as a mean square, in decibels over full scale."""
        return 10 * math.log10(float(self._noise.power.mean()) / self._energy)

    @property
    def speech_probability(self) -> float:
        """That somebody spoke in the last frame, from 0 to 1: the mean over the telephone band."""
        return float(self._gain.presence[self._voice].mean())

    def process(self, cancelled: Cancelled) -> Frame:
        """The next 10 ms behind an echo canceller, a new array."""
        return self.process_plain(cancelled.error)

    def process_plain(self, frame: Frame) -> Frame:
        """The next 10 ms, a new array; for a microphone without an echo canceller."""
        spectrum = self._analysis.next_spectra(usable(frame, self._size))[0]
        heard: Bins = np.square(spectrum.real)
        heard += np.square(spectrum.imag)
        heard += np.float32(self._energy * _SILENCE)
        self._noise.update(heard)
        noise = self._noise.power
        gamma = heard / noise
        speech = np.subtract(gamma, 1)
        np.maximum(speech, _LEAST_SPEECH, out=speech)
        speech *= noise
        xi = self._smoother.smooth(speech)
        xi /= noise
        gains = self._gain.gain(xi, gamma, self._floor)
        if not self.noise:
            gains[:] = 1
        self.gain = float(gains.mean())
        spectrum *= gains
        return self._synthesis.next_frame(spectrum)
