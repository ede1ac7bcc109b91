"""What a recording of the test signal says of loudspeaker, microphone and the way between them.

The recording is turned into the response behind it (`dsp.sweep`), in which each pass has its linear part, then silence
with nothing but noise in it, then, before the next pass, its distortion. Levels are powers per third octave. The two
clocks may differ: each pass is looked for by itself, and over a third octave of one pass 100 ppm are 0.01 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.alignment import lag, put_off
from voipnode.dsp.response_windows import ResponseWindows, energy, taper
from voipnode.dsp.speaker_distortion import Distortion, DistortionMeter, span_s
from voipnode.dsp.speaker_signal import SpeakerSignal

Floats = NDArray[np.float64]
Spectra = NDArray[np.complex128]

MAX_DELAY_S = 0.7
BEFORE_S, AFTER_S = 0.005, 0.345  # of the linear response, around its direct sound
NOISE_AFTER_S = 0.45  # from there on a pass's response is over, and the next one's distortion has not come
HEARD_DB = 10.0  # over the noise: a level that can be trusted to half a decibel
UNSTEADY = 0.25  # of the bands
STEADY = 0.8  # likeness of the passes; noise 10 dB down leaves 0.9
EARLY_HZ = 8000  # the rate of the early response, and its span around the direct sound:
EARLY_BEFORE_S, EARLY_AFTER_S = 0.002, 0.050
_SMOOTH_S = 0.002
_NEAR_S = 0.008  # from a delay that the passes have about in common
_FINE = 16  # parts of a sample to which passes are laid over each other
_BLOCK_S = 0.1
_SETTLED_S = 0.3  # after the end of a pass the room is silent
_WHOLE = 0.5  # of the power of the others: a pass that was played from its begin to its end
_NOTHING = 1e-20


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerMeasurement:
    """One recording in figures. Arrays are per band of the signal; levels are of the microphone over what was played.

    `noise_db` is what noise amounts to in `level_db`'s window, found beside the sweep; `silence_db` is the same by
    what was heard between the passes: less where something makes a noise only when there is sound; `restless_db` is by
    how much at least, beside each pass and over the bands. Noise is taken off the levels. `steady` tells the bands in
    which the passes are alike: in others, samples were lost or made on the way. `noise_dbfs` is a level after AES17,
    `peak` the largest sample, `early` the response around the direct sound, at 8 kHz.
    """

    level_db: Floats
    noise_db: Floats
    silence_db: Floats
    delay_ms: float
    drift_ppm: float
    distortion: Distortion
    restless_db: float
    steady: NDArray[np.bool_]
    noise_dbfs: float
    peak: float
    early: Floats

    @property
    def snr_db(self) -> Floats:
        return self.level_db - self.noise_db

    @property
    def is_unsteady(self) -> bool:
        """Whether a good part of what is heard is other in each pass, which is not what noise does."""
        return float(np.mean(self.heard & ~self.steady)) >= UNSTEADY

    @property
    def heard(self) -> NDArray[np.bool_]:
        """The bands in which the sweep stands out of the noise."""
        return self.snr_db >= HEARD_DB


class SpeakerAnalyser:
    """Analyses recordings of `signal`, each begun with its first sample."""

    def __init__(self, signal: SpeakerSignal) -> None:
        self._signal = signal
        self._rate_hz = signal.rate_hz
        self._window = taper(*map(self._count, (BEFORE_S, AFTER_S, 0.004, 0.1)))
        self._windows = ResponseWindows(signal.rate_hz, signal.bands, self._count(span_s(signal)))
        self._distortion = DistortionMeter(signal, self._windows)

    def _count(self, seconds: float) -> int:
        return round(seconds * self._rate_hz)

    def analyse(self, heard: NDArray[np.float32]) -> SpeakerMeasurement:
        """The figures of one recording; never raises for its content, whatever that is."""
        sound = np.clip(np.nan_to_num(np.asarray(heard, np.float64), posinf=1.0, neginf=-1.0), -1.0, 1.0)
        sound = _as_long_as(sound, len(self._signal.samples))
        response = self._signal.sweep.respond(sound) / self._signal.amplitude
        peaks = self._peaks(response)
        delay = int(np.median(peaks - np.array(self._signal.starts)))
        linear = self._windows.spectra(response, peaks - self._count(BEFORE_S), self._window)
        each = self._windows.means(np.abs(linear) ** 2)
        each_noise = self._windows.powers(response, peaks + self._count(NOISE_AFTER_S), self._window)
        total, noise = np.median(each, axis=0), each_noise.mean(axis=0) + _NOTHING
        level = np.maximum(total - noise, 0.01 * noise)  # what is not heard is at least 20 dB below the noise
        heard_level = np.where(_db(level) - _db(noise) >= HEARD_DB, level, 0.0)
        whole = each.sum(axis=1) >= _WHOLE * total.sum()  # a sound card may have opened too late for the first one
        distortion = self._distortion.measure(
            response, peaks[whole], linear[whole], heard_level, each_noise, energy(self._window)
        )
        silence, noise_dbfs = self._silence(sound, delay)
        return SpeakerMeasurement(
            level_db=_db(level),
            noise_db=_db(noise),
            silence_db=_db(silence),
            delay_ms=1000.0 * delay / self._rate_hz,
            drift_ppm=self._drift_ppm(peaks),
            distortion=distortion,
            restless_db=float(np.median(_db(each_noise.min(axis=0)) - _db(silence))),
            steady=self._likeness(linear[whole]) >= STEADY,
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
        density = (np.abs(np.fft.rfft(np.array(blocks) * hann, self._windows.size, axis=1)) ** 2).mean(axis=0)
        scale = energy(self._window) / energy(hann) / self._signal.amplitude**2
        expected = density * self._signal.sweep.inverse_power(self._windows.hz) * scale
        power = float(np.mean(np.square(blocks)))
        return self._windows.means(expected) + _NOTHING, float(_db(np.array(2.0 * power + _NOTHING)))

    def _likeness(self, linear: Spectra) -> Floats:
        """How much of the passes is the same in each band, the median of each two of them."""
        pairs = combinations(linear, 2)
        found = [self._windows.likeness(one, other, BEFORE_S) for one, other in pairs]
        return np.median(found, axis=0) if found else np.zeros(len(self._signal.bands))

    def _drift_ppm(self, peaks: NDArray[np.int64]) -> float:
        """How much faster the recording's clock goes than the loudspeaker's; to about a sample over all passes."""
        played = self._signal.starts[-1] - self._signal.starts[0]
        return float(1e6 * ((peaks[-1] - peaks[0]) / played - 1.0))

    def _early(self, response: Floats, peaks: NDArray[np.int64]) -> Floats:
        """The mean response around the direct sound, resampled to 8 kHz by its spectrum."""
        before, after = self._count(EARLY_BEFORE_S), self._count(EARLY_AFTER_S)
        begins = [min(max(0, peak - before), len(response) - before - after) for peak in peaks]
        window = taper(before, after, before, after // 4)
        size = round((EARLY_BEFORE_S + EARLY_AFTER_S) * EARLY_HZ)
        passes = np.fft.rfft([response[begin : begin + before + after] * window for begin in begins], axis=1)
        passes = passes[:, : size // 2 + 1]
        laid = [put_off(each, lag(each, passes[0], _FINE)) for each in passes]
        return np.fft.irfft(np.mean(laid, axis=0), size) * (EARLY_HZ / self._rate_hz)


def _as_long_as(sound: Floats, length: int) -> Floats:
    return np.pad(sound[:length], (0, max(0, length - len(sound))))


def _db(power: Floats) -> Floats:
    return 10.0 * np.log10(power + _NOTHING)
