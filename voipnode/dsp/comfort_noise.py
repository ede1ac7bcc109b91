"""Noise put in the place of what was taken out, so that the line does not sound dead."""

from __future__ import annotations

from functools import cache

import numpy as np

from voipnode.dsp.spectral_frames import Bins, Spectrum

_ROWS = 256  # frames until it repeats: 2.6 s
_SEED = 1


class ComfortNoise:
    """Spectra of noise at a given level, shape (bins,). The same from run to run."""

    def __init__(self, bins: int) -> None:
        self._rows = _gaussian(bins)
        self.reset()

    def reset(self) -> None:
        """Begin again."""
        self._at = 0

    def next_spectrum(self, power: Bins) -> Spectrum:
        """Noise of that power in each bin, a new array."""
        self._at = (self._at + 1) % _ROWS
        spectrum: Spectrum = self._rows[self._at] * np.sqrt(power)
        return spectrum


@cache
def _gaussian(bins: int) -> Spectrum:
    """Rows of complex normal numbers of power one."""
    parts = np.random.default_rng(_SEED).standard_normal((2, _ROWS, bins)) / np.sqrt(2)
    rows = np.asarray(parts[0] + 1j * parts[1], dtype=np.complex64)
    rows.setflags(write=False)
    return rows
