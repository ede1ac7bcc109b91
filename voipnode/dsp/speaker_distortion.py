"""The distortion of a loudspeaker, out of the response that its sweeps left: before each pass's direct sound.

Two ways of looking, each with its doubt. What a loudspeaker's harmonics have in common from pass to pass is found as
the cross-power of two passes, in which noise and passing bangs come to nothing. What rattles otherwise each time is
found as power that every pass has, beyond that of the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.alignment import lag, put_off
from voipnode.dsp.response_windows import ResponseWindows, energy, taper
from voipnode.dsp.speaker_signal import SpeakerSignal

Floats = NDArray[np.float64]
Spectra = NDArray[np.complex128]

HIGHEST_ORDER = 20
ORDERS = (2, 3, 4, 5)
AFTER_S = 0.05  # distortion ends so long before the direct sound
LEAST_DB = -100.0
_QUIETEST = 0.7  # of the bands are where it is looked for: what rattles has many pitches, most noises are loud at some
_UNSURE = 0.15  # the share of steady noise by which its level may be misjudged,
_UNLIKE = 0.05  # and that may be alike in three passes by chance
_FINE = 4  # parts of a sample to which passes are aligned


@dataclass(frozen=True, slots=True)
class Distortion:
    """All levels over the fundamental, not below -100 dB. `orders_db` are harmonics 2 to 5 apart; `regular_db` all up
    to the 20th that are the same in every pass, `rough_db` whether they are or not; each with what of it may be noise,
    or be hidden by noise. 0 dB throughout where no fundamental is heard."""

    regular_db: float = 0.0
    regular_doubt_db: float = 0.0
    rough_db: float = 0.0
    rough_doubt_db: float = 0.0
    orders_db: tuple[float, ...] = (0.0,) * len(ORDERS)


class DistortionMeter:
    """Finds the distortion in responses to `signal`."""

    def __init__(self, signal: SpeakerSignal, windows: ResponseWindows) -> None:
        self._sweep = signal.sweep
        self._rate_hz = signal.rate_hz
        self._windows = windows
        self._first = self._count(span_s(signal))
        self._window = taper(0, self._first - self._count(AFTER_S), self._count(0.01), self._count(0.01))

    def _count(self, seconds: float) -> int:
        return round(seconds * self._rate_hz)

    def measure(
        self, response: Floats, peaks: NDArray[np.int64], linear: Spectra, level: Floats, noise: Floats, share: float
    ) -> Distortion:
        """`peaks` are the passes' direct sounds, `linear` their spectra. `level` has the bands in which the sweep is
        heard and 0 elsewhere, `noise` a row of bands for each window of noise, which lets `share` of it through."""
        usable = level > 0.0
        if not usable.any() or not len(peaks):
            return Distortion()
        fundamental = float(np.sum(level[usable]))
        quiet = usable & (noise.mean(axis=0) <= np.quantile(noise.mean(axis=0)[usable], _QUIETEST))
        by_noise = energy(self._window) / share * noise[:, quiet].sum(axis=1)
        spectra = self._windows.spectra(response, peaks - self._first, self._window)
        power = self._windows.means(np.abs(spectra) ** 2)[:, quiet].sum(axis=1)
        steady = float(by_noise.mean())
        doubt = max(_UNSURE * steady, float(by_noise.max()) - steady, float(power.std()))
        alike = self._alike(spectra, linear, quiet)
        regular_doubt = max(_UNLIKE * steady, float(alike.std())) if len(alike) > 1 else doubt
        per_order = noise.mean(axis=0)[quiet].sum() / share
        return Distortion(
            _ratio_db(float(alike.mean()) if len(alike) else 0.0, fundamental),
            _ratio_db(regular_doubt, fundamental),
            _ratio_db(float(power.min()) - steady, fundamental),
            _ratio_db(doubt, fundamental),
            tuple(_ratio_db(self._order(response, peaks, order, quiet, per_order), fundamental) for order in ORDERS),
        )

    def _alike(self, spectra: Spectra, linear: Spectra, quiet: NDArray[np.bool_]) -> Floats:
        """The cross-power of each two passes, laid over each other by their linear parts."""
        laid = [put_off(row, lag(own, linear[0], _FINE)) for row, own in zip(spectra, linear, strict=True)]
        return np.array(
            [self._windows.means((one * np.conj(other)).real)[quiet].sum() for one, other in combinations(laid, 2)]
        )

    def _order(
        self, response: Floats, peaks: NDArray[np.int64], order: int, quiet: NDArray[np.bool_], by_noise: float
    ) -> float:
        """The power of one harmonic, the least of all passes; its response has room up to that of the next lower."""
        span = self._count(0.9 * (self._sweep.lead_s(order) - self._sweep.lead_s(order - 1)))
        before = self._count(0.005)
        window = taper(before, span - before, before, span // 4)
        begins = peaks - self._count(self._sweep.lead_s(order)) - before
        power = self._windows.powers(response, begins, window)[:, quiet].sum(axis=1)
        return float(power.min()) - energy(window) * by_noise


def span_s(signal: SpeakerSignal) -> float:
    """How long before the direct sound distortion begins to come out."""
    return signal.sweep.lead_s(HIGHEST_ORDER) + 0.02


def _ratio_db(power: float, reference: float) -> float:
    return 10.0 * math.log10(max(power / reference, 10.0 ** (LEAST_DB / 10.0)))
