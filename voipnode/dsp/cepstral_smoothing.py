"""What is left of a power spectrum when noise is taken away, without the chirping of single bins.

Voice is smooth along frequency but for the comb of its pitch: in the cepstrum it lives in the lowest quefrencies and
one peak. Those follow at once; the others, where only chance lives, follow slowly (Breithaupt, Gerkmann and Martin, "A
novel a priori SNR estimation approach based on selective cepstro-temporal smoothing", ICASSP 2008).
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.spectral_frames import Bins, bin_count

_LOUDNESS_QUEFRENCIES = 3  # level and tilt: from here on the shape
_SHAPE_S = 0.00125  # the vocal tract's
_PITCH_HZ = (70, 400)
_VOICED = np.float32(0.2)  # a peak of the cepstrum higher than this is a pitch
_PITCH_WIDTH = 2
# How much of a new cepstrum is taken over in a frame.
_LOUDNESS_STEP, _SHAPE_STEP, _PITCH_STEP, _OTHER_STEP = 0.8, 0.4, 0.65, 0.1
_PITCH_LEAVING = np.float32(0.15)  # how fast a quefrency that was the pitch becomes slow again
_BIAS = 0.35  # the mean of a logarithm is less than the logarithm of a mean, here partly made up for

_Blocks: TypeAlias = NDArray[np.float32]


class CepstralSmoother:
    """Smooths power spectra from frame to frame as above; 8 or 16 kHz, frames of 10 ms."""

    def __init__(self, rate_hz: int) -> None:
        bins = bin_count(rate_hz)
        self._to_cepstrum, self._to_logarithm = _cosines(bins)
        steps = np.full(bins, _OTHER_STEP, dtype=np.float32)
        steps[: round(_SHAPE_S * rate_hz) + 1] = _SHAPE_STEP
        steps[:_LOUDNESS_QUEFRENCIES] = _LOUDNESS_STEP
        self._resting = steps
        self._pull = steps * _PITCH_LEAVING
        self._pitch = slice(rate_hz // _PITCH_HZ[1], min(rate_hz // _PITCH_HZ[0], bins - 1))
        self._steps = steps.copy()
        self._cepstrum: Bins = np.zeros(bins, dtype=np.float32)
        self._log: Bins = np.zeros(bins, dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the frames before."""
        self._steps[:] = self._resting
        self._fresh = True

    def smooth(self, power: Bins) -> Bins:
        """The smoothed spectrum, a new array; `power` above zero."""
        cepstrum, steps, log = self._cepstrum, self._steps, self._log
        np.log(power, out=log)
        seen = np.matmul(self._to_cepstrum, log).reshape(-1)[: len(log)]
        steps *= 1 - _PITCH_LEAVING
        steps += self._pull
        peak = self._pitch.start + int(seen[self._pitch].argmax())
        if seen[peak] > _VOICED:
            steps[peak - _PITCH_WIDTH : peak + _PITCH_WIDTH + 1] = _PITCH_STEP
        if self._fresh:
            self._fresh = False
            cepstrum[:] = seen
        seen -= cepstrum
        seen *= steps
        cepstrum += seen
        smoothed: Bins = np.matmul(self._to_logarithm, cepstrum).reshape(-1)[: len(log)]
        smoothed += np.float32(_BIAS)
        return np.exp(smoothed, out=smoothed)


@cache
def _cosines(bins: int) -> tuple[_Blocks, _Blocks]:
    """Spectra of real, even sound to cepstra, and back: as matrices quicker than two Fourier transforms."""
    size = 2 * (bins - 1)
    index = np.arange(bins)
    weights = np.where((index == 0) | (index == bins - 1), 1.0, 2.0)
    back = np.cos(2 * np.pi / size * np.outer(index, index)) * weights
    return _blocks(back / size), _blocks(back)


def _blocks(matrix: NDArray[np.float64]) -> _Blocks:
    """The matrix by rows in blocks, shape (blocks, rows, columns), the last filled up with zeros.

    OpenBLAS takes threads for matrices of 9216 numbers or more, and waits for them: milliseconds, where cores are busy.
    """
    count, columns = matrix.shape
    rows = 9215 // columns
    blocks = -(-count // rows)
    filled = np.zeros((blocks * rows, columns), dtype=np.float32)
    filled[:count] = matrix
    shaped = filled.reshape(blocks, rows, columns)
    shaped.setflags(write=False)
    return shaped
