"""The far end's recent spectra, one row per block of 10 ms, the newest first."""

from __future__ import annotations

import numpy as np

from voipnode.dsp.frames import Frame
from voipnode.dsp.recent import Recent
from voipnode.dsp.spectra import Spectra, to_spectra


class FarHistory:
    """Spectra of two blocks each (overlap-save), and their powers, over the last `depth` blocks of `size` samples.

    Each row is kept twice, `depth` apart, so that any run of blocks is one slice.
    """

    def __init__(self, size: int, depth: int) -> None:
        self.size = size
        self.depth = depth
        self._sound = Recent(size * (depth + 1))
        self._spectra: Spectra = np.zeros((2 * depth, size + 1), dtype=np.complex64)
        self._powers: Frame = np.zeros((2 * depth, size + 1), dtype=np.float32)
        self._newest = 0

    def reset(self) -> None:
        """Forget what was played."""
        self._sound.reset()
        self._spectra[:] = 0
        self._powers[:] = 0

    def push(self, frame: Frame) -> None:
        """Take the next block, shape (size,)."""
        self._sound.push(frame)
        self._newest = at = (self._newest - 1) % self.depth
        spectrum = to_spectra(self._sound.last(2 * self.size), self._spectra[at])
        self._spectra[at + self.depth] = spectrum
        power = np.square(spectrum.real, out=self._powers[at])
        power += np.square(spectrum.imag)
        self._powers[at + self.depth] = power

    def sound(self, lag: int, into: Frame) -> None:
        """The block that ends `lag` samples before the newest one's end."""
        into[:] = self._sound.last(self.size, later=lag)

    def spectra(self, count: int, age: int = 0) -> Spectra:
        """`count` rows from the one that is `age` blocks old, shape (count, size + 1). A view: read, not kept."""
        begin = self._newest + age
        return self._spectra[begin : begin + count]

    def powers(self, count: int, age: int = 0) -> Frame:
        """The squared magnitudes of the same rows."""
        begin = self._newest + age
        return self._powers[begin : begin + count]
