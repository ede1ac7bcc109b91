"""Two responses laid over each other, to parts of a sample, and what they have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Spectra = NDArray[np.complex128]


def lag(spectrum: Spectra, reference: Spectra, fine: int) -> float:
    """By how many samples what has `spectrum` must be put off to meet `reference` best, in steps of 1 / `fine`.

    Both are transforms (rfft) of the same even size; polarity does not matter.
    """
    size = 2 * (len(reference) - 1) * fine
    across = np.fft.irfft(np.conj(spectrum) * reference, size)
    best = int(np.argmax(np.abs(across)))
    return (best if best < size // 2 else best - size) / fine


def put_off(spectrum: Spectra, samples: float) -> Spectra:
    """The transform of the same, so many samples later (round the corner)."""
    turned: Spectra = spectrum * np.exp(-1j * np.pi * np.arange(len(spectrum)) * samples / (len(spectrum) - 1))
    return turned


def likeness(one: Spectra, other: Spectra, step_hz: float, within_s: float) -> float:
    """How much of the power of two spectra, from the same lines `step_hz` apart, is the same: 0 to 1.

    The magnitude of their coherence at the best delay up to `within_s` either way: two clocks that differ put the bands
    of a sweep off by different times.
    """
    band_hz = len(one) * step_hz
    delays = np.arange(-within_s, within_s + 1e-9, min(within_s, 0.25 / band_hz))
    turns = np.exp(2j * np.pi * step_hz * np.outer(delays, np.arange(len(one))))
    power = np.sum(np.abs(one) ** 2) * np.sum(np.abs(other) ** 2)
    return float(np.max(np.abs(turns @ (one * np.conj(other)))) / np.sqrt(power + 1e-60))
