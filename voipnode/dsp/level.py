"""Level meters. 0 dBFS is a sine wave of full scale (AES17): its peak is 1.0, its RMS 0.707."""

from __future__ import annotations

import math

from voipnode.dsp.frames import Frame
from voipnode.dsp.hygiene import peak_of

SILENCE_DBFS = -120.0
SINE_DB = 10.0 * math.log10(2.0)  # by which a level in dBFS is above its mean square over full scale
_FAST_S = 0.125  # IEC 61672-1 §5.8.1, "fast"
_KEEP = math.exp(-0.010 / _FAST_S)
_PEAK_KEEP = 10 ** (-20.0 / 100 / 20)  # peaks fall back by 20 dB a second


def dbfs(power: float) -> float:
    """The level of a sound of this mean square; -120 for silence."""
    return max(SILENCE_DBFS, 10.0 * math.log10(2.0 * power)) if power > 0.0 else SILENCE_DBFS


def mean_square(frame: Frame) -> float:
    """The power of a frame; a sine of full scale has 0.5, an empty frame 0."""
    return float(frame.dot(frame)) / len(frame) if len(frame) else 0.0


class LevelMeter:
    """Follows the level of sound in frames of 10 ms: RMS with the time constant of a sound level meter ("fast"), and
    peaks that fall back by 20 dB a second, unless nobody wants to know them (`peaks` False: silence)."""

    def __init__(self, *, peaks: bool = True) -> None:
        self._peaks = peaks
        self.reset()

    def reset(self) -> None:
        """As after long silence."""
        self._power = 0.0
        self._peak = 0.0

    def process(self, frame: Frame) -> None:
        """Hear the next 10 ms, float32; what is no number is passed over."""
        power = mean_square(frame)
        if not power < math.inf:
            return
        self._power = power + (self._power - power) * _KEEP
        if self._peaks:
            self._peak = max(peak_of(frame), self._peak * _PEAK_KEEP)

    @property
    def rms_dbfs(self) -> float:
        """-120 for silence."""
        return dbfs(self._power)

    @property
    def peak_dbfs(self) -> float:
        """Of the highest sample: 0 where it is at full scale; -120 for silence."""
        return max(SILENCE_DBFS, 20.0 * math.log10(self._peak)) if self._peak > 0.0 else SILENCE_DBFS
