"""What is played to measure a loudspeaker: silence, the sweep a few times, silence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.sweep import ExponentialSweep
from voipnode.dsp.third_octaves import ThirdOctaves

LOW_HZ = 89.0  # the lower edge of the third octave of 100 Hz
HIGH_HZ = {8000: 3400.0, 16000: 7000.0, 48000: 18_000.0}  # up to where the device's own filters let sound through
SWEEP_S = 2.0
LEAD_S = 1.7  # a sound card takes its time to open; and the first pass's distortion comes out so much before it
GAP_S = 0.5  # after each pass: the room falls silent
TAIL_S = 1.0
MIN_PASSES, MAX_PASSES = 2, 10


class SpeakerSignal:
    """The signal of a measurement at `rate_hz` with so many `passes` at `level_dbfs`, and where each begins."""

    def __init__(self, rate_hz: int, *, passes: int = 3, level_dbfs: float = -12.0) -> None:
        if not MIN_PASSES <= passes <= MAX_PASSES:
            raise ValueError(f"{passes} passes: {MIN_PASSES} to {MAX_PASSES} are right")
        self.rate_hz = rate_hz
        self.passes = passes
        self.amplitude = 10.0 ** (level_dbfs / 20.0)
        high_hz = HIGH_HZ.get(rate_hz, 0.4 * rate_hz)
        self.sweep = ExponentialSweep(rate_hz, LOW_HZ, high_hz, SWEEP_S)
        self.bands = ThirdOctaves.within(LOW_HZ, high_hz)
        self.period = len(self.sweep.samples) + round(GAP_S * rate_hz)
        self.starts = tuple(round(LEAD_S * rate_hz) + number * self.period for number in range(passes))

    @property
    def samples(self) -> NDArray[np.float32]:
        """What the loudspeaker is given, full scale 1.0."""
        sound = np.zeros(self.starts[-1] + self.period + round(TAIL_S * self.rate_hz), np.float32)
        for start in self.starts:
            sound[start : start + len(self.sweep.samples)] = self.amplitude * self.sweep.samples
        return sound
