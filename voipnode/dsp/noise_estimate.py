"""How loud the noise is at each frequency, also while somebody speaks."""

from __future__ import annotations

import numpy as np

from voipnode.dsp.spectral_frames import Bins

_SPEECH_XI = 10**1.5  # the SNR that speech has where there is speech
_SLOPE = np.float32(_SPEECH_XI / (1 + _SPEECH_XI))
_ODDS = np.float32(1 + _SPEECH_XI)
_KEEP = np.float32(0.9)  # of the estimate from frame to frame, 95 ms; the paper's 0.8 is for frames of 16 ms
_MEMORY = np.float32(0.9)
_STUCK = np.float32(0.99)
_SETTLING_FRAMES = 8
_CERTAIN = np.float32(80)


class NoiseEstimate:
    """Noise power from the probability of speech, bin by bin (Gerkmann and Hendriks, "Unbiased MMSE-based noise power
    estimation with low complexity and low tracking delay", IEEE Trans. Audio, Speech and Language Processing 20, 2012).

    `power` is the estimate, shape (bins,), at least `floor`. The first frames are taken for noise.
    """

    def __init__(self, bins: int, floor: float) -> None:
        self._floor = np.float32(floor)
        self.power: Bins = np.zeros(bins, dtype=np.float32)
        self._mean_presence: Bins = np.zeros(bins, dtype=np.float32)
        self._presence: Bins = np.zeros(bins, dtype=np.float32)
        self._change: Bins = np.zeros(bins, dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the noise."""
        self.power[:] = self._floor
        self._mean_presence[:] = 0.5
        self._frames = 0

    def update(self, heard: Bins, held: Bins | None = None) -> None:
        """Learn from the power of a frame. `held` is 1 in bins where something other than noise is known to sound, 0
        where not."""
        power, presence, mean = self.power, self._presence, self._mean_presence
        self._frames += 1
        if self._frames <= _SETTLING_FRAMES:
            power += (heard - power) / np.float32(self._frames)
            np.maximum(power, self._floor, out=power)
        np.divide(heard, power, out=presence)
        presence *= _SLOPE
        np.minimum(presence, _CERTAIN, out=presence)
        np.negative(presence, out=presence)
        np.exp(presence, out=presence)
        presence *= _ODDS
        presence += 1
        np.reciprocal(presence, out=presence)
        mean *= _MEMORY
        mean += presence * (1 - _MEMORY)
        # Where all has seemed to be speech for long, it is noise that has risen.
        np.multiply(presence, _STUCK, out=presence, where=mean > _STUCK)
        if held is not None:
            np.maximum(presence, held, out=presence)
        change = np.subtract(heard, power, out=self._change)
        np.subtract(1, presence, out=presence)
        change *= presence
        change *= 1 - _KEEP
        power += change
        np.maximum(power, self._floor, out=power)
