"""Packet loss concealment: a gap is predicted from the sound before it and, where there is some, from that after it.

A jitter buffer that holds a packet time in hand knows the sound behind a single lost packet when the gap begins. So the
gap is extended from both sides by linear prediction (`dsp.prediction`) and the two are faded into each other, each
weighted by how certain it still is at that place: the variance of a prediction's error grows with the energy of the
model's response. Each side's model leans a little on the other's sound, which steadies it. Extrapolation from both
sides: Etter, "Restoration of a discrete-time signal segment by interpolation based on the left-sided and right-sided
autoregressive parameters", IEEE Trans. Signal Processing 44, 1996.

While nothing is known behind the gap, the sound before it is carried on: at first as predicted, and within 20 ms ever
more by repeating its last pitch periods, since a prediction loses what is noise in a voice, and then its formants. What
is repeated is 10 ms or more, to which ITU-T G.711 Appendix I (1999) comes step by step: less sounds like a tone. From
80 ms on it becomes softer, and after 200 ms it is silent. Sound that returns unforeseen is faded into what was being
carried on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.frames import Frame
from voipnode.dsp.prediction import Model, fit, products
from voipnode.dsp.splice import Splicer

_WINDOW_S = 0.025
_PERIOD_S = (0.0025, 0.015)  # the shortest and the longest: voices have 2.5 to 15 ms
_REPEATED_S = 0.010  # at least so much is repeated
_SEAM_S = 0.0025
_ORDER_S = 0.010  # a pitch of 100 Hz; lower ones are carried on by their harmonics
_MAX_ORDER = 96  # from 100 on, OpenBLAS solves with threads
_CHUNK_S = 0.020  # sound is carried on by so much at a time, the first of it by prediction: few gaps are longer
_HOLD_S = 0.080
_SILENT_S = 0.200
_MERGE_S = 0.005
_RADIUS = 0.998  # at 8 kHz; what is predicted falls by half in 43 ms: a voice does not stay the same
_LEAN = 0.2  # weight of the other side's sound in a side's model
_STALE_S = 0.007  # what was carried on for so long is twice as uncertain as sound that came
_CERTAIN = 1e-12  # no prediction is better


class _Track(NamedTuple):
    """Predicted sound, and the variance of its error."""

    sound: NDArray[np.float64]
    doubt: NDArray[np.float64]


class Concealer:
    """Fills gaps in one source's sound; samples in and out are float32, any length at a time.

    `rate_hz` from 8000. `window` is how many samples before and behind a gap it looks at. It remembers only the gap
    that is being filled: what was played is given to it.
    """

    def __init__(self, rate_hz: int) -> None:
        if rate_hz < 8000:
            raise ValueError(f"rate_hz is {rate_hz}, at least 8000 is needed")
        self.window = int(rate_hz * _WINDOW_S)
        self._order = min(int(rate_hz * _ORDER_S), _MAX_ORDER)
        self._silent = int(rate_hz * _SILENT_S)
        self._fade = int(rate_hz * _MERGE_S)
        self._radius = _RADIUS ** (8000 / rate_hz)
        self._stale = rate_hz * _STALE_S
        self._chunk = int(rate_hz * _CHUNK_S)
        shortest, longest = (int(rate_hz * length_s) for length_s in _PERIOD_S)
        self._splicer = Splicer(self.window - longest, shortest, longest)
        self._repeated = int(rate_hz * _REPEATED_S)
        self._seam = _rising(int(rate_hz * _SEAM_S))
        self._rise = _rising(self._chunk)
        hold = int(rate_hz * _HOLD_S)
        self._gain = np.clip((self._silent - np.arange(self._silent)) / (self._silent - hold), 0, 1)
        self.reset()

    def reset(self) -> None:
        """Forget everything: as after a long gap, so that the first sound fades in."""
        self._gone = self._silent  # samples of this gap filled so far
        self._onward: Frame = np.zeros(0, dtype=np.float32)  # this gap's sound as it goes on, not yet softened
        self._loop = self._onward  # what it goes on with in the end

    @property
    def exhausted(self) -> bool:
        """True when the gap has lasted so long that only silence is left."""
        return self._gone >= self._silent

    @property
    def filling(self) -> bool:
        """True in a gap that `carry_on` fills: the next sound must pass through `merge`, or be given to `bridge`."""
        return self._gone > 0

    def carry_on(self, past: Frame, count: int) -> Frame:
        """The next `count` samples of a gap whose end is not in sight. `past`: what was played last, `window` samples;
        looked at when the gap begins."""
        if self._gone == 0:
            predicted = _extend(fit(products(past, self._order), self._radius), past, self._chunk)
            self._loop = self._periods(past)
            looped = np.resize(self._loop, self._chunk)
            self._onward = (predicted.sound + (looped - predicted.sound) * self._rise).astype(np.float32)
        filled = self._carried(count)
        self._gone += count
        return filled

    def bridge(self, past: Frame, future: Frame, count: int) -> Frame:
        """The `count` samples that are (still) missing between `past` and `future`. Ends the gap.

        `past` is what was played last, `window` samples; `future` up to as many, at least a tenth of them.
        """
        order = self._order if len(future) >= 2 * self._order else len(future) // 2
        before, behind = products(past, order), products(future, order)
        onward = _extend(fit(before + _LEAN * behind, self._radius), past, count)
        backward = _extend(fit(behind + _LEAN * before, self._radius), future[::-1], count)
        doubt = onward.doubt * (1 + self._gone / self._stale)
        self._gone = 0
        share = doubt / (doubt + backward.doubt[::-1])
        bridged: Frame = (onward.sound + (backward.sound[::-1] - onward.sound) * share).astype(np.float32)
        return bridged

    def merge(self, sound: Frame) -> Frame:
        """The sound that ends a gap, a new array: faded into what was carried on. Ends the gap."""
        merged = sound.copy()
        fade = min(len(sound), self._fade)
        under = self._carried(fade)
        self._gone = 0
        merged[:fade] = under + (merged[:fade] - under) * _rising(fade)
        return merged

    def _carried(self, count: int) -> Frame:
        carried = np.zeros(count, dtype=np.float32)
        first, last = self._gone, min(self._gone + count, self._silent)
        if first >= last or not len(self._loop):
            return carried
        if len(self._onward) < last:
            # One lap after the other from the begin of the gap on, so that it does not matter how often is asked.
            self._onward = np.concatenate((self._onward, np.resize(self._loop, self._silent)[len(self._onward) :]))
        carried[: last - first] = self._onward[first:last] * self._gain[first:last]
        return carried

    def _periods(self, past: Frame) -> Frame:
        """The last whole periods of `past`, 10 ms or more of them, the end faded into what comes before their begin."""
        period = self._splicer.backward(past).lag
        size = period * -(-self._repeated // period)
        loop, seam = past[-size:].copy(), len(self._seam)
        loop[-seam:] += (past[-size - seam : -size] - loop[-seam:]) * self._seam
        return loop


def _rising(size: int) -> Frame:
    rising: Frame = (np.arange(1, size + 1, dtype=np.float32)) / np.float32(size + 1)
    return rising


def _extend(model: Model, sound: Frame, count: int) -> _Track:
    """`sound` carried on, never louder than it was, with the variance of its error."""
    peak = float(np.abs(sound).max())
    onward, doubt = model.extend(sound, count)
    return _Track(np.clip(onward, -peak, peak), doubt * model.error + _CERTAIN)
