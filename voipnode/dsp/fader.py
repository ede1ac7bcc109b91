"""Gain that changes without a click."""

from __future__ import annotations

from functools import cache

import numpy as np

from voipnode.dsp.frames import FRAMES_PER_S, Frame


class Fader:
    """Multiplies frames of 10 ms by a gain; a new gain is reached over one frame, in a straight line.

    Costs nothing while the gain is 1. `gain`: what the last frame ended with.
    """

    def __init__(self, rate_hz: int, gain: float = 1.0) -> None:
        self._ramp = rise(rate_hz // FRAMES_PER_S)
        self._curve: Frame = np.zeros_like(self._ramp)
        self.gain = gain

    def process(self, frame: Frame, gain: float) -> Frame:
        """The frame at `gain` (a factor): the same array, or a new one."""
        before, self.gain = self.gain, gain
        if before == gain:
            return frame if gain == 1.0 else frame * np.float32(gain)
        np.multiply(self._ramp, np.float32(gain - before), out=self._curve)
        self._curve += np.float32(before)
        return frame * self._curve

    def blend(self, frame: Frame, other: Frame, share: float) -> Frame:
        """`share` of `other` and the rest of `frame`, with `share` for a gain: from 0 to 1 it fades over to `other`."""
        if self.gain == share:
            return frame if share == 0.0 else other if share == 1.0 else frame + np.float32(share) * (other - frame)
        return frame + self.process(other - frame, share)


@cache
def rise(size: int) -> Frame:
    """From just above 0 to 1, `size` steps."""
    ramp: Frame = (np.arange(1, size + 1) / size).astype(np.float32)
    ramp.setflags(write=False)
    return ramp


def factor(gain_db: float) -> float:
    """The factor of a gain in dB."""
    return float(10.0 ** (gain_db / 20.0))
