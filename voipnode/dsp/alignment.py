"""Two responses laid over each other, to parts of a sample."""

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
