"""What the echo canceller left and the noise of the street, taken out of the near voice in one pass."""

from __future__ import annotations

import math

import numpy as np

from voipnode.dsp.cepstral_smoothing import CepstralSmoother
from voipnode.dsp.comfort_noise import ComfortNoise
from voipnode.dsp.echo.canceller import Cancelled
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.hygiene import gathered
from voipnode.dsp.noise_estimate import NoiseEstimate
from voipnode.dsp.residual_echo import ResidualEcho
from voipnode.dsp.spectral_frames import BIN_HZ, LATENCY_S, Analysis, Bins, Synthesis, bin_count, window_energy
from voipnode.dsp.spectral_gain import SpectralGain

RATES_HZ = (8000, 16000)
NOISE_FLOOR_DB = -22.0
_SILENCE = 1e-10  # -100 dBFS: what is softer counts as this loud
_INAUDIBLE = 10**-7.2  # -72 dBFS: no noise is made softer than that
_ECHO_FLOOR = np.float32(1e-5)  # what is left of echo, as a power
_LEAST_SPEECH_DB = -22.0  # of the disturbance: where less than that is heard
_LEAST_SPEECH = np.float32(10 ** (_LEAST_SPEECH_DB / 10))

# Where the voice is so far above the noise that nobody minds the noise, the voice is what must not suffer: in decibels,
# from where on less is done, over how many it becomes least, and what is done then.
_CALM_DB, _CALMING_DB = 32.0, 6.0
_CALM_FLOOR_DB, _CALM_LEAST_SPEECH_DB = -8.0, -6.0
_ECHO_ABOVE_NOISE = np.float32(5.0)  # no noise is learned where there is so much more echo


class Suppressor:
    """Suppression of residual echo and noise by log-MMSE gains on spectra of 20 ms.

    `rate_hz` is 8000 or 16000; frames are 10 ms of float32, shape (rate_hz // 100,), full scale 1.0, and come out
    `latency_samples` late. Noise is lowered by `noise_floor_db` at most, and left as it is without `noise`; echo is
    replaced by noise of the level that is left. Both settings may change at any frame. Whatever comes in, what goes out
    is finite. Raises ValueError for other rates and for a floor that is above 0 dB.
    """

    def __init__(
        self, rate_hz: int, *, noise: bool = True, echo: bool = True, noise_floor_db: float = NOISE_FLOOR_DB
    ) -> None:
        if rate_hz not in RATES_HZ:
            raise ValueError(f"rate_hz is {rate_hz}: 8000 or 16000 are right")
        self.latency_samples = round(rate_hz * LATENCY_S)
        self._size = rate_hz // FRAMES_PER_S
        bins = bin_count(rate_hz)
        self._energy = window_energy(rate_hz)
        self._silence = np.float32(self._energy * _SILENCE)
        self._inaudible = np.float32(self._energy * _INAUDIBLE)
        self.noise = noise
        self.noise_floor_db = noise_floor_db
        self._echo = ResidualEcho(rate_hz) if echo else None
        self._mean: Bins = np.full(bins, 1 / bins, dtype=np.float32)
        self._nothing: Frame = np.zeros(self._size, dtype=np.float32)
        self._frames: Frame = np.zeros((3 if echo else 1, self._size), dtype=np.float32)
        self._analysis = Analysis(rate_hz, len(self._frames))
        self._synthesis = Synthesis(rate_hz)
        self._noise = NoiseEstimate(bins, float(self._silence))
        self._smoother = CepstralSmoother(rate_hz)
        self._gain = SpectralGain(bins)
        self._comfort = ComfortNoise(bins)
        voice = slice(300 // BIN_HZ, 3400 // BIN_HZ)
        self._voice: Bins = np.zeros(bins, dtype=np.float32)
        self._voice[voice] = 1 / (voice.stop - voice.start)
        self.reset()

    def reset(self) -> None:
        """Forget everything that was heard."""
        for part in (self._analysis, self._synthesis, self._noise, self._smoother, self._gain, self._comfort):
            part.reset()
        if self._echo is not None:
            self._echo.reset()
        self.gain = 1.0

    @property
    def noise_floor_db(self) -> float:
        """By how much noise is lowered at most, as a gain: -100 to 0."""
        return self._noise_floor_db

    @noise_floor_db.setter
    def noise_floor_db(self, gain_db: float) -> None:
        if not -100 <= gain_db <= 0:
            raise ValueError(f"noise_floor_db is {gain_db}: from -100 to 0 is right")
        self._noise_floor_db = gain_db

    @property
    def noise_dbfs(self) -> float:
        """The level of the noise as a mean square, in decibels over full scale."""
        return 10 * math.log10(float(self._noise.power.mean()) / self._energy)

    @property
    def speech_probability(self) -> float:
        """That somebody spoke in the last frame, from 0 to 1: the mean over the telephone band."""
        return min(float(self._gain.presence.dot(self._voice)), 1.0)

    def process_plain(self, frame: Frame) -> Frame:
        """The next 10 ms, a new array; for a microphone without an echo canceller."""
        return self._process(frame, self._nothing, self._nothing)

    def process(self, cancelled: Cancelled) -> Frame:
        """The next 10 ms behind an echo canceller, a new array."""
        return self._process(cancelled.error, cancelled.echo, cancelled.far)

    def _process(self, error: Frame, echo: Frame, far: Frame) -> Frame:
        frames = (error, echo, far) if self._echo is not None else (error,)
        spectra = self._analysis.next_spectra(*gathered(frames, self._frames))
        powers: Bins = np.square(spectra.real)
        powers += np.square(spectra.imag)
        spectrum, heard = spectra[0], powers[0]
        heard += self._silence
        noise = self._noise.power
        residual = self._echo.update(heard, powers[1], powers[2], noise) if self._echo is not None else None
        self._noise.update(heard, None if residual is None else residual > noise * _ECHO_ABOVE_NOISE)
        calm = min(max((self._noise.clearance.decibels - _CALM_DB) / _CALMING_DB, 0.0), 1.0)
        left = self._left(noise, calm)
        disturbance = noise if residual is None else noise + residual
        gains = self._gains(heard, noise, residual, disturbance, left, calm)
        self.gain = float(gains.dot(self._mean))
        spectrum *= gains
        if residual is not None:
            spectrum += self._comfort.next_spectrum(self._missing(heard, residual / disturbance, left, gains))
        return self._synthesis.next_frame(spectrum)

    def _left(self, noise: Bins, calm: float) -> Bins:
        """The power of the noise that is to be left, a new array."""
        if not self.noise:
            return noise.copy()
        floor_db = self._noise_floor_db + calm * max(0.0, _CALM_FLOOR_DB - self._noise_floor_db)
        left: Bins = noise * np.float32(10 ** (floor_db / 10))
        np.maximum(left, np.minimum(noise, self._inaudible), out=left)
        return left

    def _gains(
        self, heard: Bins, noise: Bins, residual: Bins | None, disturbance: Bins, left: Bins, calm: float
    ) -> Bins:
        """What each bin is multiplied by, a new array; `disturbance` is noise and residual echo together."""
        least_db = _LEAST_SPEECH_DB + calm * (_CALM_LEAST_SPEECH_DB - _LEAST_SPEECH_DB)
        least = noise * np.float32(10 ** (least_db / 10))
        floor = left
        if residual is not None:
            least += residual * _LEAST_SPEECH
            floor = residual * _ECHO_FLOOR
            floor += left
        speech = heard - disturbance
        np.maximum(speech, least, out=speech)
        xi = self._smoother.smooth(speech)
        xi /= disturbance
        floor = floor / disturbance
        return self._gain.gain(xi, heard / disturbance, np.sqrt(floor, out=floor))

    def _missing(self, heard: Bins, share: Bins, left: Bins, gains: Bins) -> Bins:
        """The power of the noise that is to take the place of echo which went below the noise that is left; `share` is
        the echo's in what disturbs."""
        missing = gains * gains
        missing *= heard
        np.subtract(left, missing, out=missing)
        np.maximum(missing, 0, out=missing)
        missing *= share
        return missing
