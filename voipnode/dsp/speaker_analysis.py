"""What a recording of the test signal says of loudspeaker, microphone and the way between them.

The recording is turned into the response behind it (`dsp.sweep`), in which each pass has its linear part, then silence
with nothing but noise in it, then, before the next pass, its distortion. Levels are powers per third octave. The two
clocks may differ: each pass is looked for by itself, and over a third octave of one pass 100 ppm are 0.01 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.speaker_signal import SpeakerSignal

Floats = NDArray[np.float64]

MAX_DELAY_S = 0.7
BEFORE_S, AFTER_S = 0.005, 0.345  # of the linear response, around its direct sound
NOISE_AFTER_S = 0.45  # from there on a pass's response is over, and the next one's distortion has not come
DISTORTION_AFTER_S = 0.05  # it ends so long before the direct sound
HIGHEST_ORDER = 20
ORDERS = (2, 3, 4, 5)
HEARD_DB = 10.0  # over the noise: a level that can be trusted to half a decibel
EARLY_HZ = 8000  # the rate of the early response, and its span around the direct sound:
EARLY_BEFORE_S, EARLY_AFTER_S = 0.002, 0.050
_SMOOTH_S = 0.002
_NEAR_S = 0.003  # two passes lie at most so far apart: 1000 ppm
_BLOCK_S = 0.1
_SETTLED_S = 0.3  # after the end of a pass the room is silent
_QUIETEST = 0.7  # of the bands are where distortion is looked for
_WHOLE = 0.5  # of the power of the others: a pass that was played from its begin to its end
_UNSURE = 0.15  # the share of steady noise by which its level may be misjudged
_NOTHING = 1e-20


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerMeasurement:
    """One recording in figures. Arrays are per band of the signal; levels are of the microphone over what was played.

    `noise_db` is what noise amounts to in `level_db`'s window, found beside the sweep; `silence_db` is the same by
    what was heard between the passes: less where something makes a noise only when there is sound. Noise is taken off
    the levels. `distortion_db` is all harmonics up to the 20th over the fundamental, `distortion_doubt_db` what of it
    may be noise, or hidden by noise; `harmonics_db` are orders 2 to 5 apart. `noise_dbfs` is a level after AES17,
    `peak` the largest sample, `early` the response around the direct sound, at 8 kHz.
    """

    level_db: Floats
    noise_db: Floats
    silence_db: Floats
    delay_ms: float
    drift_ppm: float
    distortion_db: float
    distortion_doubt_db: float
    harmonics_db: tuple[float, ...]
    noise_dbfs: float
    peak: float
    early: Floats

    @property
    def snr_db(self) -> Floats:
        return self.level_db - self.noise_db

    @property
    def heard(self) -> NDArray[np.bool_]:
        """The bands in which the sweep stands out of the noise."""
        return self.snr_db >= HEARD_DB


class SpeakerAnalyser:
    """Analyses recordings of `signal`, each begun with its first sample."""

    def __init__(self, signal: SpeakerSignal) -> None:
        self._signal = signal
        self._rate_hz = signal.rate_hz
        self._window = _taper(self._count(BEFORE_S), self._count(AFTER_S), self._count(0.004), self._count(0.1))
        first = signal.sweep.lead_s(HIGHEST_ORDER) + 0.02
        self._distorted = _taper(0, self._count(first - DISTORTION_AFTER_S), self._count(0.01), self._count(0.01))
        self._size = 1 << (len(self._distorted) - 1).bit_length()

    def _count(self, seconds: float) -> int:
        return round(seconds * self._rate_hz)

    def analyse(self, heard: NDArray[np.float32]) -> SpeakerMeasurement:
        """The figures of one recording; never raises for its content, whatever that is."""
        sound = np.clip(np.nan_to_num(np.asarray(heard, np.float64), posinf=1.0, neginf=-1.0), -1.0, 1.0)
        sound = _as_long_as(sound, len(self._signal.samples))
        response = self._signal.sweep.respond(sound) / self._signal.amplitude
        peaks = self._peaks(response)
        delay = int(np.median(peaks - np.array(self._signal.starts)))
        linear = self._spectra(response, peaks - self._count(BEFORE_S), self._window)
        noise = self._spectra(response, peaks + self._count(NOISE_AFTER_S), self._window)
        each, each_noise = self._means(linear), self._means(noise)
        total = np.median(each, axis=0)
        whole = each.sum(axis=1) >= _WHOLE * total.sum()  # a sound card may have opened too late for the first one
        by_noise = each_noise.mean(axis=0) + _NOTHING
        level = np.maximum(total - by_noise, 0.01 * by_noise)  # what is not heard is at least 20 dB below the noise
        silence, noise_dbfs = self._silence(sound, delay)
        distortion = self._distortion(response, peaks[whole], level, each_noise)
        return SpeakerMeasurement(
            level_db=_db(level),
            noise_db=_db(by_noise),
            silence_db=_db(silence),
            delay_ms=1000.0 * delay / self._rate_hz,
            drift_ppm=self._drift_ppm(peaks),
            distortion_db=distortion.all_db,
            distortion_doubt_db=distortion.doubt_db,
            harmonics_db=distortion.orders_db,
            noise_dbfs=noise_dbfs,
            peak=float(np.max(np.abs(sound), initial=0.0)),
            early=self._early(response, peaks),
        )

    def _peaks(self, response: Floats) -> NDArray[np.int64]:
        """Where each pass's direct sound is: at the delay that all passes have in common, and near it for each."""
        span, starts = self._count(MAX_DELAY_S), self._signal.starts
        power = np.sum([response[start : start + span] ** 2 for start in starts], axis=0)
        width = self._count(_SMOOTH_S)
        about = int(np.argmax(np.convolve(power, np.ones(width), "same")))
        near = self._count(_NEAR_S)
        first = max(0, about - near)
        return np.array(
            [start + first + int(np.argmax(np.abs(response[start + first : start + about + near]))) for start in starts]
        )

    def _spectra(self, response: Floats, begins: NDArray[np.int64], window: Floats) -> Floats:
        """The power spectra of the windows that begin there, one a row; what lies outside the recording is nothing."""
        rows = np.zeros((len(begins), len(window)))
        for row, begin in zip(rows, begins, strict=True):
            first, end = max(0, begin), min(len(response), begin + len(window))
            row[first - begin : max(first, end) - begin] = response[first:end]
        return np.abs(np.fft.rfft(rows * window, self._size, axis=1)) ** 2

    def _means(self, power: Floats) -> Floats:
        return self._signal.bands.means(power, self._rate_hz / self._size)

    def _silence(self, sound: Floats, delay: int) -> tuple[Floats, float]:
        """Noise by what is heard after each pass, as it would come out of the response; and its level."""
        block = self._count(_BLOCK_S)
        after = delay + len(self._signal.sweep.samples) + self._count(_SETTLED_S)
        ends = [*(start + delay for start in self._signal.starts[1:]), len(sound)]
        blocks = [
            sound[at : at + block]
            for start, end in zip(self._signal.starts, ends, strict=True)
            for at in range(start + after, end - block + 1, block)
        ]
        if not blocks:  # a delay beyond all bounds
            blocks = [sound[-block:]]
        hann = np.hanning(block)
        density = (np.abs(np.fft.rfft(np.array(blocks) * hann, self._size, axis=1)) ** 2).mean(axis=0)
        hz = np.arange(len(density)) * self._rate_hz / self._size
        scale = np.sum(self._window**2) / np.sum(hann**2) / self._signal.amplitude**2
        power = float(np.mean(np.square(blocks)))
        expected = density * self._signal.sweep.inverse_power(hz) * scale
        return self._means(expected) + _NOTHING, float(_db(np.array(2.0 * power + _NOTHING)))

    def _distortion(self, response: Floats, peaks: NDArray[np.int64], level: Floats, noise: Floats) -> _Distortion:
        """The least distortion of all passes, since what rattles does so every time. `noise` has a row for each pass;
        `peaks` are of those that were heard as the others."""
        mean_noise = noise.mean(axis=0)
        usable = _db(level) - _db(mean_noise) >= HEARD_DB
        if not usable.any():
            return _Distortion(0.0, 0.0, (0.0,) * len(ORDERS))  # nobody can say
        fundamental = float(np.sum(level[usable]))
        # What rattles is heard at many pitches, most noises are loud at some.
        usable &= mean_noise <= np.quantile(mean_noise[usable], _QUIETEST)
        first = self._count(self._signal.sweep.lead_s(HIGHEST_ORDER) + 0.02)
        all_orders = self._means(self._spectra(response, peaks - first, self._distorted))[:, usable].sum(axis=1)
        wider = np.sum(self._distorted**2) / np.sum(self._window**2)
        by_noise = wider * noise[:, usable].sum(axis=1)
        steady, restless = float(np.mean(by_noise)), float(np.max(by_noise))
        doubt = max(_UNSURE * steady, restless - steady, float(np.std(all_orders)))
        return _Distortion(
            _ratio_db(float(np.min(all_orders)) - steady, fundamental),
            _ratio_db(doubt, fundamental),
            tuple(self._harmonic_db(response, peaks, order, fundamental, mean_noise, usable) for order in ORDERS),
        )

    def _harmonic_db(
        self,
        response: Floats,
        peaks: NDArray[np.int64],
        order: int,
        fundamental: float,
        noise: Floats,
        usable: NDArray[np.bool_],
    ) -> float:
        sweep = self._signal.sweep
        span = self._count(0.9 * (sweep.lead_s(order) - sweep.lead_s(order - 1)))
        before = self._count(BEFORE_S)
        window = _taper(before, span - before, before, span // 4)
        begins = peaks - self._count(sweep.lead_s(order)) - before
        power = self._means(self._spectra(response, begins, window))[:, usable].sum(axis=1)
        by_noise = np.sum(window**2) / np.sum(self._window**2) * np.sum(noise[usable])
        return _ratio_db(float(np.min(power) - by_noise), fundamental)

    def _drift_ppm(self, peaks: NDArray[np.int64]) -> float:
        """How much faster the recording's clock goes than the loudspeaker's; to about a sample over all passes."""
        played = self._signal.starts[-1] - self._signal.starts[0]
        return float(1e6 * ((peaks[-1] - peaks[0]) / played - 1.0))

    def _early(self, response: Floats, peaks: NDArray[np.int64]) -> Floats:
        """The mean response around the direct sound, resampled to 8 kHz by its spectrum."""
        before, after = self._count(EARLY_BEFORE_S), self._count(EARLY_AFTER_S)
        begins = [min(max(0, peak - before), len(response) - before - after) for peak in peaks]
        mean = np.mean([response[begin : begin + before + after] for begin in begins], axis=0)
        size = round((EARLY_BEFORE_S + EARLY_AFTER_S) * EARLY_HZ)
        spectrum = np.fft.rfft(mean * _taper(before, after, before, after // 4))[: size // 2 + 1]
        return np.fft.irfft(spectrum, size) * (EARLY_HZ / self._rate_hz)


@dataclass(frozen=True, slots=True)
class _Distortion:
    all_db: float
    doubt_db: float
    orders_db: tuple[float, ...]


def _taper(before: int, after: int, rise: int, fall: int) -> Floats:
    """A window of `before + after` samples that rises and falls as a sine does."""
    window = np.ones(before + after)
    window[:rise] = np.sin(0.5 * np.pi * (np.arange(rise) + 0.5) / rise)
    window[len(window) - fall :] *= np.sin(0.5 * np.pi * (np.arange(fall) + 0.5) / fall)[::-1]
    return window


def _as_long_as(sound: Floats, length: int) -> Floats:
    return np.pad(sound[:length], (0, max(0, length - len(sound))))


def _db(power: Floats) -> Floats:
    return 10.0 * np.log10(power + _NOTHING)


def _ratio_db(power: float, reference: float) -> float:
    """The ratio in dB, not less than -100."""
    return 10.0 * math.log10(max(power / reference, 1e-10))
