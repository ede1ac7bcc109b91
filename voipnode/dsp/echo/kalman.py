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
from voipnode.dsp.frames import Frame
from voipnode.dsp.spectra import Spectra, to_sound, to_spectra

_MEMORY = 0.9  # of the near end's power, per block: 100 ms
_FLOOR = 1e-8  # the softest near end, mean square: -80 dBFS
_ASIDE = np.float32(0.05)  # of a partition's movement: what slides leaves one for the next
_LEAST_VARIANCE = 1e-9
# Products of rows are quicker than sums, but OpenBLAS takes threads, and milliseconds, where there are more numbers.
_MOST_MULTIPLIED = 9215 // 2
_LOOK_BLOCKS = 2  # from one look at the response's own power to the next


_LEAD_BLOCKS = 1  # from the first partition to the direct sound's
# What is expected of a response, as powers: next to nothing before the direct sound, and behind it a room 10 dB softer,
# fading by 1 dB in 10 ms.
_BEFORE, _DIRECT, _ROOM, _FADES = 1e-3, 1.0, 0.1, 0.8
_ANYWHERE = 0.1


class KalmanFilter:
    """Estimates the echo of one block and learns from what is left of the microphone.

    `partitions` blocks long; `stay` is how alike the room is from one block to the next (the state's transition factor,
    its shortfall from 1 drives the process noise). Every gradient is constrained to be causal and one block long.

    `lag` is where in the history the direct sound is expected, in samples before the newest block; None is not known.
    What is expected decides how soon it converges: all else alike, it is 10 dB further after 3 s with the lag than
    without, and 25 dB further than with variances that are all alike and large.
    """

    def __init__(self, far: FarHistory, partitions: int, *, stay: float) -> None:
        size, bins = far.size, far.size + 1
        self._far = far
        self._count = partitions
        self._stays = stay**2
        self._moved = 1 - stay**2
        self.taps: Spectra = np.zeros((partitions, bins), dtype=np.complex64)
        self.variances: Frame = np.zeros((partitions, bins), dtype=np.float32)
        self._moves: Frame = np.zeros((partitions, bins), dtype=np.float32)
        self._ones: Frame = np.ones(partitions, dtype=np.float32)
        self._near: Frame = np.zeros(bins, dtype=np.float32)  # twice its power
        self._floor = np.float32(2 * (1 - _MEMORY) * _FLOOR * size)
        self._gradient: Spectra = np.zeros((partitions, bins), dtype=np.complex64)
        self._responses: Frame = np.zeros((partitions, 2 * size), dtype=np.float32)
        self._work: Frame = np.zeros((partitions, bins), dtype=np.float32)
        self._sum: Spectra = np.zeros(bins, dtype=np.complex64)
        self._block: Frame = np.zeros(2 * size, dtype=np.float32)
        self._error: Frame = np.zeros(2 * size, dtype=np.float32)
        self._spectrum: Spectra = np.zeros(bins, dtype=np.complex64)
        self.reset()

    def reset(self, lag: int | None = None) -> None:
        """Know nothing but where the direct sound is."""
        self.lag = lag
        self.age = max(lag // self._far.size - _LEAD_BLOCKS, 0) if lag is not None else 0  # of the first partition
        self.taps[:] = 0
        self._is_deaf = True
        self.doubt()

    def doubt(self, share: float = 1.0) -> None:
        """Expect the taps to be wrong by that share of the powers that a response has."""
        self._turn = 0
        if self.lag is None:
            self.variances[:] = _ANYWHERE * share
            return
        behind = np.arange(self._count) + self.age - self.lag / self._far.size
        room = np.where(behind < 0.1, _DIRECT, _ROOM * _FADES**behind)
        self.variances[:] = share * np.where(behind < -1, _BEFORE, room)[:, None]
        self.variances += self._movement()

    def follow(self, other: KalmanFilter) -> None:
        """Take over lag and taps, as far as both go."""
        self.lag, self.age = other.lag, other.age
        shared = min(self._count, other._count)
        self.taps[:shared] = other.taps[:shared]
        self.taps[shared:] = 0
        self._turn = 0

    def slip(self, blocks: int) -> None:
        """The newest block is so many blocks newer than it would have been: read that much further back."""
        if self.lag is not None:
            self.lag += blocks * self._far.size
        self.age += blocks
        if self.age < 0:
            for rows in (self.taps, self.variances):
                rows[: self.age] = rows[-self.age :].copy()
            self.taps[self.age :] = 0
            self.age = self._turn = 0

    def covers(self, lag: int) -> bool:
        """Whether a direct sound at `lag` lies where a filter has the room behind it, too."""
        return 0 <= lag - self.age * self._far.size < self._count * self._far.size // 4

    def direct(self) -> Spectra:
        """The taps of the direct sound, shape (2, bins): a view."""
        assert self.lag is not None
        first = min(max(self.lag // self._far.size - self.age, 0), self._count - 2)
        return self.taps[first : first + 2]

    def echo(self) -> Frame:
        """The echo in the present block, shape (size,). Overwritten by the next call."""
        products = np.multiply(self._far.spectra(self._count, self.age), self.taps, out=self._gradient)
        return to_sound(self._summed(products), self._block)[self._far.size :]

    def _summed(self, rows: Spectra) -> Spectra:
        if rows.size > _MOST_MULTIPLIED:
            return np.add.reduce(rows, axis=0, out=self._sum)
        self._ones.dot(rows.view(np.float32), out=self._sum.view(np.float32))
        return self._sum

    def learn(self, error: Frame) -> None:
        """Take in `error`, the microphone's block less `echo()`."""
        far, variances, size = self._far, self.variances, self._far.size
        self._error[size:] = error
        spectrum = to_spectra(self._error, self._spectrum)
        shares = np.multiply(variances, far.powers(self._count, self.age), out=self._work)
        weight = self._expected(spectrum, self._ones.dot(shares))
        np.reciprocal(weight, out=weight)
        spectrum *= weight

        gradient = np.conjugate(far.spectra(self._count, self.age), out=self._gradient)
        gradient *= variances
        gradient *= spectrum
        responses = to_sound(gradient, self._responses)
        self.taps += to_spectra(responses[:, :size], gradient)

        # A block later: less by what was learnt, more by what the room has moved.
        weight *= -0.5 * self._stays
        shares *= weight
        shares += self._stays
        variances *= shares
        variances += self._movement()

    def rehearse(self, near: Frame) -> None:
        """Learn from the microphone's blocks before the present one, shape (blocks, size), the oldest one first."""
        age = self.age
        for block, back in zip(near, range(len(near), 0, -1), strict=True):
            self.age = age + back
            self.learn(block - self.echo())
        self.age = age

    def _expected(self, spectrum: Spectra, unknown: Frame) -> Frame:
        """The power that was expected of two blocks: the echo's that is `unknown`, and the near end's, which is
        smoothed, and risen at once by half of what the unknown echo cannot explain."""
        heard, near = np.square(spectrum.real), self._near
        heard += np.square(spectrum.imag)
        if self._is_deaf:
            self._is_deaf = False
            np.multiply(heard, 2, out=near)
        near *= _MEMORY
        near += self._floor
        near += heard * (2 * (1 - _MEMORY))
        expected: Frame = near + unknown
        unknown *= 0.5  # the error holds one of two blocks
        heard += unknown
        return np.maximum(expected, heard, out=expected)

    def _movement(self) -> Frame:
        """By how much the room moves in a block, in proportion to its response there: looked at now and then."""
        moves = self._moves
        if self._turn % _LOOK_BLOCKS == 0:
            np.square(self.taps.real, out=moves)
            moves += np.square(self.taps.imag, out=self._work)
            moves *= self._moved
            aside = np.multiply(moves, _ASIDE, out=self._work)
            moves[:-1] += aside[1:]
            moves[1:] += aside[:-1]
            moves += _LEAST_VARIANCE
        self._turn += 1
        return moves
