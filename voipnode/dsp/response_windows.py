"""Pieces of a response, and what they have in each third octave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.alignment import likeness
from voipnode.dsp.third_octaves import ThirdOctaves

Floats = NDArray[np.float64]
Spectra = NDArray[np.complex128]


class ResponseWindows:
    """Cuts windows of up to `longest` samples out of responses, all transformed with the same size."""

    def __init__(self, rate_hz: int, bands: ThirdOctaves, longest: int) -> None:
        self.size = 1 << (longest - 1).bit_length()
        self.hz: Floats = np.arange(self.size // 2 + 1, dtype=np.float64) * (rate_hz / self.size)
        self._step_hz = rate_hz / self.size
        self._bands = bands

    def spectra(self, response: Floats, begins: NDArray[np.int64], window: Floats) -> Spectra:
        """The spectra of the windows that begin there, one a row; what lies outside the response is nothing."""
        rows = np.zeros((len(begins), len(window)))
        for row, begin in zip(rows, begins, strict=True):
            first, end = max(0, begin), min(len(response), begin + len(window))
            row[first - begin : max(first, end) - begin] = response[first:end]
        spectra: Spectra = np.fft.rfft(rows * window, self.size, axis=1)
        return spectra

    def powers(self, response: Floats, begins: NDArray[np.int64], window: Floats) -> Floats:
        """The mean power in each band of the windows that begin there, one a row."""
        return self.means(np.abs(self.spectra(response, begins, window)) ** 2)

    def means(self, power: Floats) -> Floats:
        """The mean of a power spectrum, or of rows of them, in each band."""
        return self._bands.means(power, self._step_hz)

    def likeness(self, one: Spectra, other: Spectra, within_s: float) -> Floats:
        """How much of two windows is the same in each band, put off against each other up to `within_s`: 0 to 1."""
        bands = self._bands.lines(len(self.hz), self._step_hz)
        return np.array([likeness(one[lines], other[lines], self._step_hz, within_s) for lines in bands])


def taper(before: int, after: int, rise: int, fall: int) -> Floats:
    """A window of `before + after` samples that rises and falls as a sine does."""
    window = np.ones(before + after)
    window[:rise] = np.sin(0.5 * np.pi * (np.arange(rise) + 0.5) / rise)
    window[len(window) - fall :] *= np.sin(0.5 * np.pi * (np.arange(fall) + 0.5) / fall)[::-1]
    return window


def energy(window: Floats) -> float:
    """What a window lets through of steady noise."""
    return float(np.sum(window**2))
