"""How much of each frequency is let through, from how much of it is speech."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.spectral_frames import Bins

# The table of the exponential integral has an entry for each exponent and so many bits of the fraction.
_LEAST_EXPONENT, _MOST_EXPONENT, _FRACTION_BITS = -24, 6, 6
_SHIFT = 23 - _FRACTION_BITS
_FIRST, _BEHIND = ((127 + exponent) << _FRACTION_BITS for exponent in (_LEAST_EXPONENT, _MOST_EXPONENT + 1))
_LEAST_V, _MOST_V = np.float32(2.0**_LEAST_EXPONENT), np.float32(2.0**_MOST_EXPONENT)
_MOST_SNR = np.float32(1e3)
_LEAST_XI = np.float32(10**-1.8)

# A-priori SNR, averaged in time and frequency: below the first there is no speech, above the second there is.
_ABSENT_DB, _PRESENT_DB = -10.0, -5.0
_ABSENT, _PRESENT = 10 ** (_ABSENT_DB / 10), 10 ** (_PRESENT_DB / 10)
_SLOPE = 10 / math.log(10) / (_PRESENT_DB - _ABSENT_DB)  # of the natural logarithm, the fastest one
_OFFSET = _ABSENT_DB / (_PRESENT_DB - _ABSENT_DB)
_STEP = np.float32(0.3)
_NEAR, _FAR = 1, 8  # bins to either side that are averaged
_LEAST_PRESENCE = np.float32(0.05)


class SpectralGain:
    """Optimally modified log-spectral amplitude gain: that of Ephraim and Malah (IEEE Trans. ASSP 33, 1985) where there
    is speech, the floor where there is none, and in between their mean in decibels, weighted by the probability of
    speech (Cohen and Berdugo, "Speech enhancement for non-stationary noise environments", Signal Processing 81, 2001).

    `presence` is that probability of the last frame, shape (bins,).
    """

    def __init__(self, bins: int) -> None:
        self.presence: Bins = np.zeros(bins, dtype=np.float32)
        self._smooth_xi: Bins = np.zeros(bins, dtype=np.float32)
        self._sums = np.zeros(bins + 2 * _FAR + 2, dtype=np.float32)
        self._averages = np.zeros((2, bins), dtype=np.float32)
        # Of the sums of so many bins: between these logarithms lies what speaks for speech.
        counts = np.array([[2 * _NEAR + 1], [2 * _FAR + 1]])
        self._absent, self._present, self._offsets = (
            part.astype(np.float32) for part in (_ABSENT * counts, _PRESENT * counts, _SLOPE * np.log(_ABSENT * counts))
        )
        self._table = _half_exponential_integral()
        self.reset()

    def reset(self) -> None:
        """Forget the frames before."""
        self.presence[:] = 0
        self._smooth_xi[:] = 0

    def gain(self, xi: Bins, gamma: Bins, floor: Bins | np.float32) -> Bins:
        """The gain of each bin, a new array, from `floor` to 1; `xi` and `gamma` are a-priori and a-posteriori SNR as
        powers. `floor` above zero."""
        xi = np.minimum(xi, _MOST_SNR)
        np.maximum(xi, _LEAST_XI, out=xi)
        above = xi + 1
        wiener = xi / above
        v = gamma * wiener
        np.maximum(v, _LEAST_V, out=v)
        np.minimum(v, _MOST_V, out=v)
        log_floor = np.log(floor)
        log_gain = np.log(wiener, out=wiener)
        log_gain += self._table.take(v.view(np.int32) >> _SHIFT)
        np.minimum(log_gain, 0, out=log_gain)
        log_gain -= log_floor
        log_gain *= self._speech(xi, above, v)
        np.maximum(log_gain, 0, out=log_gain)
        log_gain += log_floor
        gains: Bins = np.exp(log_gain, out=log_gain)
        return gains

    def _speech(self, xi: Bins, above: Bins, v: Bins) -> Bins:
        """The probability of speech in each bin. All are used up; `above` is xi + 1."""
        smooth = self._smooth_xi
        xi -= smooth
        xi *= _STEP
        smooth += xi
        likely = np.maximum(self._among_neighbours(), _LEAST_PRESENCE, out=self.presence)
        # p exp(v) / (p exp(v) + (1 - p) (1 + xi))
        np.exp(v, out=v)
        v *= likely
        above *= 1 - likely
        above += v
        return np.divide(v, above, out=likely)

    def _among_neighbours(self) -> Bins:
        """How far the averages of the a-priori SNR around each bin speak for speech, from 0 to 1."""
        smooth, sums, averages = self._smooth_xi, self._sums, self._averages
        bins = len(smooth)
        sums[1 : _FAR + 1] = smooth[0]
        sums[_FAR + 1 : -_FAR - 1] = smooth
        sums[-_FAR - 1 :] = smooth[-1]
        np.add.accumulate(sums, out=sums)
        near, end = _FAR - _NEAR, _FAR + _NEAR + 1
        np.subtract(sums[end : end + bins], sums[near : near + bins], out=averages[0])
        np.subtract(sums[2 * _FAR + 1 : 2 * _FAR + 1 + bins], sums[:bins], out=averages[1])
        np.maximum(averages, self._absent, out=averages)
        np.minimum(averages, self._present, out=averages)
        np.log(averages, out=averages)
        averages *= _SLOPE
        averages -= self._offsets
        everywhere = min(max((sums.item(_FAR + bins) - sums.item(_FAR)) / bins, _ABSENT), _PRESENT)
        near_likely, likely = averages
        likely *= near_likely
        likely *= math.log(everywhere) * _SLOPE - _OFFSET
        return likely


@cache
def _half_exponential_integral() -> NDArray[np.float32]:
    """E1(v) / 2 for the v whose leading bits are the index.

    By its series up to v = 2 and its continued fraction from there on (Abramowitz and Stegun 1964, 5.1.11 and 5.1.22).
    """
    leading = np.arange(_FIRST, _BEHIND, dtype=np.int32)
    bits = (leading << _SHIFT) + (1 << (_SHIFT - 1))
    v = bits.view(np.float32).astype(np.float64)
    series = -np.euler_gamma - np.log(v)
    term = np.ones_like(v)
    small = np.minimum(v, 2.0)
    for n in range(1, 40):
        term *= -small / n
        series -= term / n
    fraction = np.zeros_like(v)
    for n in range(60, 0, -1):
        fraction = n / (1 + n / (v + fraction))
    continued = np.exp(-v) / (v + fraction)
    table = np.zeros(_BEHIND, dtype=np.float32)
    table[_FIRST:] = np.where(v < 2, series, continued) / 2
    table.setflags(write=False)
    return table
