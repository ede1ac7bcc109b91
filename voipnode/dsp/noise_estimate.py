"""How loud the noise is at each frequency, also while somebody speaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.least_power import LeastPower
from voipnode.dsp.spectral_frames import Bins
from voipnode.dsp.voice_clearance import VoiceClearance

_SPEECH_XI = 10**1.5  # the SNR that speech has where there is speech
_SLOPE = np.float32(_SPEECH_XI / (1 + _SPEECH_XI))
_ODDS = np.float32(1 + _SPEECH_XI)
# Of the estimate, and of the mean probability, from frame to frame: 95 ms; the paper's 0.8 is for frames of 16 ms.
_KEEP = np.float32(0.9)
_TAKE = 1 - _KEEP
_STUCK = np.float32(0.99)
_SETTLING_FRAMES = 8
_CERTAIN = np.float32(80)

# A voice in a room that rings on between its words is no noise. Where it is so far above the least power of late, noise
# is at most a multiple of that; for each decibel that it is closer, the bound is as many wider.
_QUIET_DB, _WIDENING = 38.0, 2.0
_LEAST_TO_MEAN = 3.0
_ALIVE = (
    10.0  # times the floor: softer is no microphone in a call; one that is muted, or not yet there, teaches nothing
)


class NoiseEstimate:
    """Noise power from the probability of speech, bin by bin (Gerkmann and Hendriks, "Unbiased MMSE-based noise power
    estimation with low complexity and low tracking delay", IEEE Trans. Audio, Speech and Language Processing 20, 2012).

    `power` is the estimate, shape (bins,), at least `floor`. The first frames are taken for noise. `clearance` tells
    how far the voice stands out of it.
    """

    def __init__(self, bins: int, floor: float) -> None:
        self._floor = np.float32(floor)
        self._alive = bins * floor * _ALIVE
        self.power: Bins = np.zeros(bins, dtype=np.float32)
        self._mean_presence: Bins = np.zeros(bins, dtype=np.float32)
        self._presence: Bins = np.zeros(bins, dtype=np.float32)
        self._change: Bins = np.zeros(bins, dtype=np.float32)
        self._every_bin: Bins = np.ones(bins, dtype=np.float32)  # what is added up
        self._least = LeastPower(bins)
        self.clearance = VoiceClearance()
        self.reset()

    def reset(self) -> None:
        """Forget the noise."""
        self.power[:] = self._floor
        self._mean_presence[:] = 0.5
        self._frames = 0
        self._least.reset()
        self.clearance.reset()

    def update(self, heard: Bins, held: NDArray[np.bool_] | None = None) -> None:
        """Learn from the power of a frame. `held` is true in bins where something other than noise is known to
        sound."""
        level = float(heard.dot(self._every_bin))
        if level <= self._alive:
            return
        power, presence, mean = self.power, self._presence, self._mean_presence
        self._frames += 1
        if self._frames <= _SETTLING_FRAMES:
            power += (heard - power) / np.float32(self._frames)
            np.maximum(power, self._floor, out=power)
        np.divide(heard, power, out=presence)
        presence *= -_SLOPE
        np.maximum(presence, -_CERTAIN, out=presence)
        np.exp(presence, out=presence)
        presence *= _ODDS
        presence += 1
        np.divide(_TAKE, presence, out=presence)  # the probability of speech, in parts of `_TAKE`
        mean *= _KEEP
        mean += presence
        # Where all has seemed to be speech for long, it is noise that has risen.
        stuck = mean > _STUCK
        if np.count_nonzero(stuck):
            np.multiply(presence, _STUCK, out=presence, where=stuck)
        if held is not None:
            np.putmask(presence, held, _TAKE)
        change = np.subtract(heard, power, out=self._change)
        change *= np.subtract(_TAKE, presence, out=presence)
        power += change
        np.minimum(power, self._bound(heard, level), out=power)
        np.maximum(power, self._floor, out=power)

    def _bound(self, heard: Bins, level: float) -> Bins:
        """What the noise can be at most."""
        self._least.update(heard)
        self.clearance.update(level)
        wider_db = min(max(0.0, (_QUIET_DB - self.clearance.decibels) * _WIDENING), 100.0)
        bound: Bins = self._least.power * np.float32(_LEAST_TO_MEAN * 10 ** (wider_db / 10))
        return bound
