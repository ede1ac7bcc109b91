"""Two clocks that are not one: a microphone that samples a little faster or slower than the loudspeaker plays."""

from __future__ import annotations

import numpy as np

from voipnode.calls.hooks import Frame
from voipnode.modules.audio.resampler import Resampler

TARGET_MS = 10.0  # of sound lies between the clocks, after each slip
SLIP_MS = 10.0  # how far that may go astray: then silence comes in or sound is lost, as between real converters


class DriftingClock:
    """Takes and gives frames of 10 ms; the delay between grows by `drift_ppm` microseconds a second.

    Where the buffer between has run empty or over, it slips back to where it began: at 100 ppm every 100 s.
    `delay_ms` is what it takes at first.
    """

    def __init__(self, rate_hz: int, drift_ppm: float) -> None:
        self._size = rate_hz // 100
        self._step = 1.0 / (1.0 + drift_ppm * 1e-6)
        self._target = round(TARGET_MS * rate_hz / 1000.0)
        self._slip = round(SLIP_MS * rate_hz / 1000.0)
        self._resampler = Resampler(rate_hz, rate_hz)
        self.delay_ms = 1000.0 * (self._target + self._resampler.latency_samples) / rate_hz
        self.slips = 0
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._resampler.reset()
        self._resampler.push(np.zeros(self._target, np.float32))

    def process(self, frame: Frame) -> Frame:
        """The microphone's next 10 ms."""
        self._resampler.push(frame)
        waiting = self._resampler.available(self._step) - self._size
        if waiting < 0 or waiting > self._target + self._slip:
            self.slips += 1
            self._slip_back(waiting)
        return self._resampler.pull(self._size, self._step)

    def _slip_back(self, waiting: int) -> None:
        missing = self._target - waiting
        if missing > 0:
            self._resampler.push(np.zeros(missing, np.float32))
        else:
            self._resampler.pull(-missing, self._step)
