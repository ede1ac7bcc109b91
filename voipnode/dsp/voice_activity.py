"""Whether somebody speaks: what stands out of the noise, and has a pitch."""

from __future__ import annotations

import numpy as np

from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.hygiene import usable
from voipnode.dsp.noise_estimate import NoiseEstimate
from voipnode.dsp.spectral_frames import Bins

_WINDOW_FRAMES = 4
_BIN_HZ = FRAMES_PER_S // _WINDOW_FRAMES
_BINS = 4000 // _BIN_HZ
_LOWEST = 100 // _BIN_HZ
_LAG_HZ = 2 * _BINS * _BIN_HZ  # of the autocorrelation: 8000, whatever the sound's rate
_LAGS = slice(_LAG_HZ // 400, _LAG_HZ // 70)  # a pitch from 70 to 400 Hz
_SILENCE = 1e-10  # mean square: what is softer counts as this loud
_KEEP_XI = np.float32(0.9)
_LEAST_XI = np.float32(10**-2.5)
_MOST_SNR = np.float32(1e3)
_OVER_NOISE = np.float32(2.0)  # what of a bin is taken for noise where its pitch is looked for
_RISE, _FALL = 0.4, 0.06  # per frame: in 20 ms, and out 160 ms after a word
_THRESHOLD = 0.25


class VoiceActivity:
    """Tells speech from noise, 10 ms at a time.

    Two things are measured on the last 40 ms up to 4 kHz: the mean log-likelihood ratio of speech in noise (Sohn, Kim
    and Sung, "A statistical model-based voice activity detection", IEEE Signal Processing Letters 6, 1999), and the
    height of the autocorrelation at a pitch's lag, of what is left without the noise. Neither alone tells a voice from
    a passing lorry; their product, which rises fast and falls slowly, does: at as many false alarms it hears more
    speech than WebRTC's detector (benchmarks/voice_activity.py).

    `rate_hz` is 8000, 16000 or 48000; float32 frames, shape (rate_hz // 100,). A word is heard about 20 ms after it
    begins, and for some 200 ms after it ends. What has a pitch counts as speech: a tone, too, for its first seconds;
    and noise that grows by 20 dB at once, for about three.
    """

    def __init__(self, rate_hz: int) -> None:
        if rate_hz not in (8000, 16000, 48000):
            raise ValueError(f"rate_hz is {rate_hz}: 8000, 16000 or 48000 are right")
        self._hop = rate_hz // FRAMES_PER_S
        count = _WINDOW_FRAMES * self._hop
        self._window: Frame = np.hanning(count + 1)[:-1].astype(np.float32)
        self._heard: Frame = np.zeros(count, np.float32)
        self._windowed = np.zeros_like(self._heard)
        energy = float(np.dot(self._window, self._window))
        self._floor = np.float32(energy * _SILENCE)
        self._noise = NoiseEstimate(_BINS, float(self._floor))
        self._before: Bins = np.zeros(_BINS, np.float32)
        self._voice: Bins = np.zeros(_BINS + 1, np.float32)
        self._unwindowed = _unwindowed()
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._heard.fill(0.0)
        self._noise.reset()
        self._before.fill(0.0)
        self._score = 0.0
        self._missing = _WINDOW_FRAMES  # frames until the window is full

    @property
    def is_speech(self) -> bool:
        """Somebody speaks in the last frame."""
        return self._score > _THRESHOLD

    @property
    def probability(self) -> float:
        """How sure that is, 0 to 1; a half is the threshold."""
        return self._score**2 / (self._score**2 + _THRESHOLD**2)

    def process(self, frame: Frame) -> bool:
        """Hear the next 10 ms; returns `is_speech`. Never raises."""
        hop = self._hop
        self._heard[:-hop] = self._heard[hop:]
        self._heard[-hop:] = usable(frame, hop)
        spectrum = np.fft.rfft(np.multiply(self._heard, self._window, out=self._windowed))[:_BINS]
        power: Bins = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        power += self._floor
        if self._missing:
            self._missing -= 1
            return False
        self._noise.update(power)
        likely = max(0.0, self._likelihood(power))
        score = np.log1p(likely) * self._pitch(power) if likely else 0.0
        self._score += float(score - self._score) * (_RISE if score > self._score else _FALL)
        return self.is_speech

    def _likelihood(self, power: Bins) -> float:
        """The mean over the bins of gamma xi / (1 + xi) - log(1 + xi), xi being decision-directed."""
        gamma = power / self._noise.power
        xi = self._before
        xi *= _KEEP_XI
        xi += (1 - _KEEP_XI) * np.maximum(gamma - 1, 0)
        np.maximum(xi, _LEAST_XI, out=xi)
        wiener = xi / (xi + 1)
        np.minimum(gamma, _MOST_SNR, out=gamma)
        gamma *= wiener
        self._before = gamma * wiener
        gamma -= np.log1p(xi)
        return float(gamma[_LOWEST:].mean())

    def _pitch(self, power: Bins) -> float:
        """The highest autocorrelation at the lag of a pitch, about 1 for a steady vowel."""
        voice = self._voice
        np.subtract(power, self._noise.power * _OVER_NOISE, out=voice[:_BINS])
        np.maximum(voice, 0, out=voice)
        voice[: _LOWEST - 1] = 0
        correlation = np.fft.irfft(voice)
        whole = float(correlation[0])
        return float((correlation[_LAGS] * self._unwindowed).max()) / whole if whole > 0.0 else 0.0


def _unwindowed() -> Frame:
    """What the window takes from the autocorrelation at each lag, given back."""
    count = _LAG_HZ // _BIN_HZ
    window = np.hanning(count + 1)[:-1]
    correlation = np.fft.irfft(np.abs(np.fft.rfft(window, 2 * count)) ** 2)[_LAGS]
    given_back: Frame = (np.dot(window, window) / correlation).astype(np.float32)
    return given_back
