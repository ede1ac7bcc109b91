"""Sound at 48 kHz in two bands: what lies below 8 kHz is treated at 16 kHz, what lies above follows it."""

from __future__ import annotations

import numpy as np

from voipnode.dsp.fader import Fader
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.resampling import LATENCY_S, Resampler

LOW_HZ, HIGH_HZ = 16000, 48000


class BandSplit:
    """Frames of 10 ms: `split` gives the lower band, `join` puts what became of it under the upper one again.

    The upper band is what the lower one lacks of the whole, so that both together are the sound itself where nothing
    was done to it: late by `latency_samples` of 48 kHz (3.75 ms), and by what the treatment took, at most a frame.
    """

    latency_samples = 2 * round(LATENCY_S * HIGH_HZ)

    def __init__(self) -> None:
        self._down = Resampler(HIGH_HZ, LOW_HZ)
        self._up = Resampler(LOW_HZ, HIGH_HZ)
        self._whole = _Past(HIGH_HZ, self.latency_samples)
        self._low = _Past(LOW_HZ, 0)
        self._gain = Fader(HIGH_HZ)
        self._low_gain = Fader(LOW_HZ)

    def reset(self) -> None:
        """Forget what was heard."""
        self._down.reset()
        self._up.reset()
        self._whole.reset()
        self._low.reset()
        self._gain.gain = self._low_gain.gain = 1.0

    def split(self, frame: Frame) -> Frame:
        """The lower band of the next 10 ms, 160 samples; good until the next call."""
        self._whole.push(frame)
        low = self._down.frame(frame)
        self._low.push(low)
        return low

    def join(self, low: Frame, gain: float, late: float, latency_samples: int) -> Frame:
        """10 ms of both bands, a new array. `low`: what became of the lower one, late by `latency_samples` of 16 kHz
        where `late` is 1.0; `gain`: the factor for the upper one."""
        rest = low - self._low_gain.process(self._low.at(late, latency_samples), gain)
        whole = self._whole.at(late, latency_samples * HIGH_HZ // LOW_HZ)
        return self._up.frame(rest) + self._gain.process(whole, gain)


class _Past:
    """The last frames of a sound, to be had late; a change of the delay is faded over."""

    def __init__(self, rate_hz: int, least: int) -> None:
        self._size = rate_hz // FRAMES_PER_S
        self._least = least
        self._kept: Frame = np.zeros(3 * self._size, dtype=np.float32)
        self._late = Fader(rate_hz, 0.0)

    def reset(self) -> None:
        self._kept.fill(0.0)

    def push(self, frame: Frame) -> None:
        size = self._size
        self._kept[:-size] = self._kept[size:]
        self._kept[-size:] = frame

    def at(self, late: float, latency_samples: int) -> Frame:
        return self._late.blend(self._piece(self._least), self._piece(self._least + latency_samples), late)

    def _piece(self, back: int) -> Frame:
        end = len(self._kept) - back
        return self._kept[end - self._size : end]
