"""How long the loudspeaker's sound takes to the microphone, found in the cross-correlation of both.

Generalised cross-correlation (Knapp and Carter, "The generalized correlation method for estimation of time delay", IEEE
Trans. ASSP 24, 1976): the cross-spectra of each microphone block with every far block that it may come from are summed
up, whitened by both ends' mean powers, and turned back into time once in a while.
"""

from __future__ import annotations

import numpy as np

from voipnode.dsp.echo.far_history import FarHistory
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.spectra import Spectra, to_sound, to_spectra

_LOWEST_HZ, _HIGHEST_HZ = 300, 3000
_BIN_HZ = FRAMES_PER_S / 2
_MEMORY = 0.98  # of the cross-spectra, per block: 0.5 s
_POWER_MEMORY = 0.97
_LOOK_BLOCKS = 6
_SURE = 10.0  # times the mean magnitude of all lags
_LEAST = 1e-20  # keeps a quotient finite
_FILLED = 0.2  # of the largest row's mean
_AUDIBLE = 1e-6  # mean square of the far end: -60 dBFS
_ALIKE_S = 0.001


class DelayFinder:
    """Searches lags from 0 to `longest_blocks`, which the history must hold.

    `lag` is what was found, in samples; None before. A new lag needs two looks that agree, 60 ms apart. What is spoken
    at the near end only hides the peak for a time.
    """

    def __init__(self, far: FarHistory, longest_blocks: int) -> None:
        size = far.size
        self._far = far
        self._rows = longest_blocks
        self._bins = slice(round(_LOWEST_HZ / _BIN_HZ), round(_HIGHEST_HZ / _BIN_HZ) + 1)
        count = self._bins.stop - self._bins.start
        self._window: Frame = np.hanning(count + 2)[1:-1].astype(np.float32)
        self._cross: Spectra = np.zeros((self._rows, count), dtype=np.complex64)
        self._work: Spectra = np.zeros((self._rows, count), dtype=np.complex64)
        self._whole: Spectra = np.zeros((self._rows, size + 1), dtype=np.complex64)
        self._lags: Frame = np.zeros((self._rows, 2 * size), dtype=np.float32)
        self._near: Frame = np.zeros(2 * size, dtype=np.float32)
        # Whitening brings out a block's edges, which are alike in both ends: so one end has none.
        self._taper: Frame = np.hanning(size + 2)[1:-1].astype(np.float32)
        self._near_spectrum: Spectra = np.zeros(size + 1, dtype=np.complex64)
        self._far_power: Frame = np.zeros(count, dtype=np.float32)
        self._near_power: Frame = np.zeros(count, dtype=np.float32)
        self._mean: Frame = np.full(count, 1 / count, dtype=np.float32)
        self._alike = round(_ALIKE_S * size * FRAMES_PER_S)
        self._audible = _AUDIBLE * size * size * 4
        self.reset()

    def reset(self) -> None:
        """Forget the delay."""
        self._cross[:] = 0
        self._far_power[:] = self._near_power[:] = 0
        self.lag: int | None = None
        self.certainty = 0.0
        self._before: int | None = None
        self._blocks = self._turn = 0

    def slip(self, blocks: int) -> None:
        """The history's newest block is now so many blocks newer than it would have been."""
        self._cross[:] = np.roll(self._cross, blocks, axis=0)
        if self.lag is not None:
            self.lag = max(self.lag + blocks * self._far.size, 0)
        self._before = None

    def listen(self, near: Frame, every: int = 1) -> bool:
        """Take the microphone's block, or but one of `every` so many: that will do where the delay is known.

        True when a look has been taken, so that `lag` may be new.
        """
        self._turn += 1
        if self._turn < every:
            return False
        memory = _MEMORY**self._turn
        self._turn = 0
        size, bins = self._far.size, self._bins
        powers = self._far.powers(1)[0]
        np.multiply(near, self._taper, out=self._near[size:])
        spectrum = to_spectra(self._near, self._near_spectrum)[bins]
        heard = np.square(spectrum.real)
        heard += np.square(spectrum.imag)
        self._far_power *= _POWER_MEMORY
        self._far_power += powers[bins] * (1 - _POWER_MEMORY)
        self._near_power *= _POWER_MEMORY
        self._near_power += heard * (1 - _POWER_MEMORY)
        if self._far_power.dot(self._mean) < self._audible:
            return False
        work = np.conjugate(self._far.spectra(self._rows)[:, bins], out=self._work)
        whole = self._far_power * self._near_power
        whole += _LEAST
        work *= spectrum * np.reciprocal(np.sqrt(whole, out=whole), out=whole)
        self._cross *= memory
        self._cross += work
        self._blocks += 1
        if self._blocks % (_LOOK_BLOCKS // every):
            return False
        self._look()
        return True

    def _look(self) -> None:
        size = self._far.size
        np.multiply(self._cross, self._window, out=self._whole[:, self._bins])
        lags = np.abs(to_sound(self._whole, self._lags)[:, :size])
        peak = int(np.argmax(lags))
        means = lags.mean(axis=1)
        # Rows of blocks from before there was sound tell nothing of chance.
        mean = float(means[means >= _FILLED * means.max()].mean())
        self.certainty = float(lags.reshape(-1)[peak]) / mean if mean > 0 else 0.0
        before, self._before = self._before, peak
        if self.certainty > _SURE and before is not None and abs(peak - before) <= self._alike:
            self.lag = peak
