"""A room's response, followed by a Kalman filter in partitions of one block and in the frequency domain.

Enzner and Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free telephones", Signal
Processing 86, 2006; partitioned after Kuech, Mabande and Enzner, "State-space architecture of the partitioned-block-
based acoustic echo controller", ICASSP 2014. Each coefficient carries the variance of its own error, so the step is as
large as that variance beside the near end's sound: the filter converges at once, and stands still while the near end
talks.
"""

from __future__ import annotations

import numpy as np

from voipnode.dsp.echo.far_history import FarHistory
from voipnode.dsp.echo.spectra import Spectra, to_sound, to_spectra
from voipnode.dsp.frames import Frame

_MEMORY = 0.9  # of the near end's power, per block: 100 ms
_FLOOR = 1e-8  # the softest near end, mean square: -80 dBFS
_LEAST_VARIANCE = 1e-9


class KalmanFilter:
    """Estimates the echo of one block and learns from what is left of the microphone.

    `partitions` blocks long; `stay` is how alike the room is from one block to the next (the state's transition factor,
    its shortfall from 1 drives the process noise). Every gradient is constrained to be causal and one block long.
    """

    def __init__(self, far: FarHistory, partitions: int, *, stay: float = 0.9998) -> None:
        size, bins = far.size, far.size + 1
        self._far = far
        self._count = partitions
        self._moved = 1 - stay**2
        self.taps: Spectra = np.zeros((partitions, bins), dtype=np.complex64)
        self.variances: Frame = np.zeros((partitions, bins), dtype=np.float32)
        self._near: Frame = np.zeros(bins, dtype=np.float32)
        self._floor = np.float32(_FLOOR * size)
        self._gradient: Spectra = np.zeros((partitions, bins), dtype=np.complex64)
        self._responses: Frame = np.zeros((partitions, 2 * size), dtype=np.float32)
        self._work: Frame = np.zeros((partitions, bins), dtype=np.float32)
        self._work_2: Frame = np.zeros((partitions, bins), dtype=np.float32)
        self._block: Frame = np.zeros(2 * size, dtype=np.float32)
        self._error: Frame = np.zeros(2 * size, dtype=np.float32)

    def reset(self, expected: Frame) -> None:
        """Know nothing but the power `expected` of each partition, shape (partitions,)."""
        self.taps[:] = 0
        self.variances[:] = expected[:, None]
        self._near[:] = 0

    def echo(self) -> Frame:
        """The echo in the present block, shape (size,). Overwritten by the next call."""
        products = np.multiply(self._far.spectra(self._count), self.taps, out=self._gradient)
        return to_sound(np.add.reduce(products, axis=0), self._block)[self._far.size :]

    def learn(self, error: Frame) -> None:
        """Take in `error`, the microphone's block less `echo()`."""
        size = self._far.size
        self._error[size:] = error
        spectrum = np.fft.rfft(self._error)
        heard = np.square(spectrum.real)
        heard += np.square(spectrum.imag)

        variances = self._predict()
        shares = np.multiply(variances, self._far.powers(self._count), out=self._work)
        unknown = np.add.reduce(shares, axis=0)  # of two blocks, of which the error holds one
        total = unknown + 2 * self._near_power(heard, 0.5 * unknown)

        gradient = np.conjugate(self._far.spectra(self._count), out=self._gradient)
        gradient *= variances
        gradient *= spectrum / total
        responses = to_sound(gradient, self._responses)
        responses[:, size:] = 0
        self.taps += to_spectra(responses, gradient)

        shares *= -0.5 / total
        shares += 1
        variances *= shares
        variances += _LEAST_VARIANCE

    def _predict(self) -> Frame:
        """The variances one block later: the room has moved a little, in proportion to its response."""
        moved = np.square(self.taps.real, out=self._work)
        moved += np.square(self.taps.imag, out=self._work_2)
        moved *= self._moved
        self.variances *= 1 - self._moved
        self.variances += moved
        return self.variances

    def _near_power(self, heard: Frame, unknown: Frame) -> Frame:
        """The near end's power: smoothed, and risen at once by half of what the echo's error cannot explain."""
        near = self._near
        if not near.any():
            near[:] = heard
        near *= _MEMORY
        near += (1 - _MEMORY) * heard
        near += (1 - _MEMORY) * self._floor
        sudden = heard - unknown
        sudden *= 0.5
        np.maximum(near, sudden, out=sudden)
        return sudden
