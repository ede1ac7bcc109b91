"""What a loudspeaker makes of loud sound, learnt from what the linear canceller leaves.

A memoryless curve before a linear room (Hammerstein model; Stenger and Kellermann, "Adaptation of a memoryless
preprocessor for nonlinear acoustic echo cancelling", Signal Processing 80, 2000). The curve is made of straight
pieces: a line of slope 1 through silence, and for either sign four knees from which on it may be steeper or flatter.
How much is found by least squares from the error, through the room's direct part as the filter knows it, so that no
filter of its own is needed. Soft and hard clipping and an asymmetry between push and pull are such curves; what depends
on the past, as a rattle or a resonance does, is none.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.frames import Frame
from voipnode.dsp.hygiene import peak_of
from voipnode.dsp.recent import Recent
from voipnode.dsp.spectra import Spectra, to_sound, to_spectra

_KNEES = np.array((0.15, 0.28, 0.45, 0.7))  # of the peak's octave
_BENDS = 2 * len(_KNEES)
_LEARN_BLOCKS = 4  # one in so many is learnt from
_SOLVE_TURNS = 3
_MEMORY = 0.995  # of the equations, per turn: 6 s
_RIDGE = 1e-3  # of the equations' trace
_LEAST = 1e-9
_WAITS_BLOCKS = 60  # of audible sound, until the filter knows the room a little
_ERROR_MEMORY = 0.7
_FADES = 0.99995  # of the peak, per block: 6 dB in two minutes
_QUIETEST = 2.0**-10  # the softest peak that is looked at
_AUDIBLE = 1e-7  # mean square of what was played: -70 dBFS
_MOST = 2.0  # of a bend
_SLIGHT = 0.03  # bends below are none


class Loudspeaker:
    """`shape` gives what is played as it leaves the loudspeaker; `learn` finds the curve.

    `depth` is the longest delay in blocks. `bends`: how much flatter the curve is from each knee on, shape (8,), first
    the knees above silence, the lowest first, then those below.
    """

    def __init__(self, size: int, depth: int) -> None:
        self._size = size
        self._audible = _AUDIBLE * 3 * size
        self._sound = Recent(size * (depth + 3))
        self._beyond: Frame = np.zeros((_BENDS, size), dtype=np.float32)
        self._beyond_long: Frame = np.zeros((_BENDS, 3 * size), dtype=np.float32)
        self._windows: Frame = np.zeros((_BENDS, 2, 2 * size), dtype=np.float32)
        self._spectra: Spectra = np.zeros((_BENDS, 2, size + 1), dtype=np.complex64)
        self._arrived: Frame = np.zeros((_BENDS, 2 * size), dtype=np.float32)
        self.bends: Frame = np.zeros(_BENDS, dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """A straight line, and nothing heard."""
        self._sound.reset()
        self.bends[:] = 0
        self._bent = False
        self._peak = _QUIETEST
        self._aim(_QUIETEST)
        self._error_power = 0.0
        self._blocks = self._heard_blocks = 0

    def _aim(self, scale: float) -> None:
        """Knees for a peak between half of `scale` and all of it."""
        self._scale = scale
        knees = (scale * _KNEES).astype(np.float32)
        everything = np.full(len(knees), np.inf, dtype=np.float32)
        self._lowest = np.concatenate((-everything, -knees))[:, None]
        self._highest = np.concatenate((knees, everything))[:, None]
        self._products: NDArray[np.float64] = np.zeros((_BENDS, _BENDS))
        self._targets: NDArray[np.float64] = np.zeros(_BENDS)
        self._turns = 0

    def shape(self, block: Frame) -> Frame:
        """The next block as it is heard, shape (size,); the block itself while the curve is a line."""
        self._sound.push(block)
        peak = peak_of(block)
        self._peak = max(self._peak * _FADES, peak, _QUIETEST)
        if not self._scale / 4 < self._peak <= self._scale:
            self._rescale(2.0 ** math.ceil(math.log2(self._peak)))
        if not self._bent or peak <= self._scale * _KNEES[0]:
            return block
        bent: Frame = self.bends.dot(self._take(block, self._beyond))
        bent += block
        return bent

    def _take(self, sound: Frame, into: Frame) -> Frame:
        """What of `sound` is beyond each knee, to be taken away, shape (bends, samples)."""
        np.minimum(sound, self._highest, out=into)
        np.maximum(into, self._lowest, out=into)
        into -= sound
        return into

    def _rescale(self, scale: float) -> None:
        """Other knees for the same curve."""
        old, new = self._scale * _KNEES, scale * _KNEES
        pieces = np.append(new, 2 * new[-1])
        for bends in np.split(self.bends, 2):
            curve = pieces - bends @ np.maximum(pieces - old[:, None], 0)
            slopes = np.diff(curve) / np.diff(pieces)
            bends[:] = -np.diff(slopes, prepend=1.0)
        self._aim(scale)

    def learn(self, direct: Spectra, delay: int, error: Frame) -> None:
        """Take the error of a block: `direct` are the taps of two partitions, the first one `delay` blocks late."""
        self._blocks += 1
        power = float(error.dot(error))
        self._error_power = max(_ERROR_MEMORY * self._error_power + (1 - _ERROR_MEMORY) * power, power)
        size = self._size
        sound = self._sound.last(3 * size, later=delay * size)
        if self._blocks % _LEARN_BLOCKS or self._error_power <= 0 or float(sound.dot(sound)) < self._audible:
            return
        self._heard_blocks += _LEARN_BLOCKS
        if self._heard_blocks < _WAITS_BLOCKS:
            return
        heard = self._heard(sound, direct)
        self._products *= _MEMORY
        self._products += np.dot(heard, heard.T) / self._error_power
        self._targets += np.dot(heard, np.diff(error)) / self._error_power
        self._turns += 1
        if self._turns % _SOLVE_TURNS == 0:
            self._solve()

    def _heard(self, sound: Frame, direct: Spectra) -> Frame:
        """What is beyond each knee, as it arrives at the microphone, as differences from sample to sample.

        In those the echo's own error, mostly a low one, weighs less.
        """
        size = self._size
        taken = self._take(sound, self._beyond_long)
        self._windows[:, 0] = taken[:, size:]
        self._windows[:, 1] = taken[:, : 2 * size]
        spectra = to_spectra(self._windows, self._spectra)
        spectra *= direct
        heard: Frame = np.diff(to_sound(spectra.sum(axis=1), self._arrived)[:, size:], axis=1)
        return heard

    def _solve(self) -> None:
        """Bend the curve to where the error would have been least."""
        ridge = _RIDGE * np.trace(self._products) + _LEAST
        self.bends += np.linalg.solve(self._products + ridge * np.eye(_BENDS), self._targets)
        np.clip(self.bends, -_MOST, _MOST, out=self.bends)
        self._targets[:] = 0
        self._bent = float(np.max(np.abs(self.bends))) > _SLIGHT
