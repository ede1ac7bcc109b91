"""The exponential sine sweep and its inverse: a room's response comes out of one sound, with its distortion apart.

A. Farina, "Simultaneous measurement of impulse response and distortion with a swept-sine technique", 108th AES
Convention, 2000. The sweep's frequency rises by the same ratio in the same time; its n-th harmonic is the sweep itself
`rate_s * ln(n)` seconds earlier. So the response that the inverse filter makes of a recording has the linear part at
the delay, and that of each order of distortion in a place of its own before it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FADE_IN_S, FADE_OUT_S = 0.020, 0.005
_GUARD = 0.25  # of the power that the sweep has on average at a frequency: the inverse never goes by less


class ExponentialSweep:
    """From `low_hz` to `high_hz` in about `seconds`, at full scale; `rate_s` is the time for a factor of e.

    `rate_s` is rounded so that every harmonic of the sweep has the phase of its fundamental (A. Novak, P. Lotton,
    L. Simon, "Synchronized swept-sine", J. Audio Eng. Soc. 63(10), 2015, eq. 49). Raises ValueError for a range that
    does not fit the rate.
    """

    def __init__(self, rate_hz: int, low_hz: float, high_hz: float, seconds: float) -> None:
        if not 0.0 < low_hz < high_hz < rate_hz / 2 or seconds <= 0.0:
            raise ValueError(f"{low_hz:g} to {high_hz:g} Hz in {seconds:g} s does not fit {rate_hz} samples a second")
        self.rate_hz = rate_hz
        self.low_hz, self.high_hz = low_hz, high_hz
        ratio = math.log(high_hz / low_hz)
        self.rate_s = max(1, round(low_hz * seconds / ratio)) / low_hz
        self.seconds = self.rate_s * ratio
        at = np.arange(round(self.seconds * rate_hz)) / rate_hz
        self.samples: Floats = np.sin(2.0 * np.pi * low_hz * self.rate_s * np.exp(at / self.rate_s))
        fade_in, fade_out = round(FADE_IN_S * rate_hz), round(FADE_OUT_S * rate_hz)
        self.samples[:fade_in] *= _rising(fade_in)
        self.samples[-fade_out:] *= _rising(fade_out)[::-1]
        self._inverse = np.zeros(0, np.complex128)
        self._inverse_size = 0

    def lead_s(self, order: int) -> float:
        """How long before the linear response that of harmonic `order` comes out."""
        return self.rate_s * math.log(order)

    def respond(self, heard: Floats) -> Floats:
        """The response behind `heard`, a recording of this sweep played once or more, as long as the recording.

        Where the sweep began at sample s, its linear response begins there. Beyond the sweep's range it is nothing.
        """
        size = 1 << (len(heard) + len(self.samples) - 1).bit_length()
        if size != self._inverse_size:
            self._inverse, self._inverse_size = self._inverse_of(size), size
        return np.fft.irfft(np.fft.rfft(heard, size) * self._inverse, size)[: len(heard)]

    def _inverse_of(self, size: int) -> NDArray[np.complex128]:
        spectrum = np.fft.rfft(self.samples, size)
        hz = np.arange(len(spectrum), dtype=np.float64) * (self.rate_hz / size)
        least = _GUARD * self._mean_power(np.maximum(hz, self.low_hz))
        inverse: NDArray[np.complex128] = np.conj(spectrum) * self._mask(hz) / np.maximum(np.abs(spectrum) ** 2, least)
        return inverse

    def inverse_power(self, hz: Floats) -> Floats:
        """By how much `respond` multiplies the power of noise at these frequencies."""
        power: Floats = self._mask(hz) ** 2 / self._mean_power(np.maximum(hz, self.low_hz))
        return power

    def _mean_power(self, hz: Floats) -> Floats:
        """|X(f)|^2 of the sweep without its ripple: equal in every octave (Novak 2015, eq. 42)."""
        power: Floats = self.rate_hz**2 * self.rate_s / (4.0 * hz)
        return power

    def _mask(self, hz: Floats) -> Floats:
        """1 in the sweep's range, falling to 0 over a sixth of an octave on either side."""
        width = 2.0 ** (1.0 / 6.0)
        low = np.clip(np.log(np.maximum(hz, 1e-3) / (self.low_hz / width)) / math.log(width), 0.0, 1.0)
        high = np.clip(np.log((self.high_hz * width) / np.maximum(hz, 1e-3)) / math.log(width), 0.0, 1.0)
        mask: Floats = np.sin(0.5 * np.pi * low) ** 2 * np.sin(0.5 * np.pi * high) ** 2
        return mask


def _rising(count: int) -> Floats:
    return 0.5 - 0.5 * np.cos(np.pi * np.arange(count) / count)
