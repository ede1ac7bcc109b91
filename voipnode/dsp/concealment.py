"""Packet loss concealment by pitch waveform replication, after ITU-T G.711 Appendix I (1999).

A gap is filled with the last pitch period of what was heard, from its second 10 ms on with the last two, then three
periods (less buzz), and fades by a fifth every 10 ms from the second on, so that it is silent after 60 ms. When sound
returns, the synthetic signal runs on under it and is cross-faded out.

Other than the Appendix, the sound is not held back by 3.75 ms to smooth the entry: the seam is closed by letting the
step between the real and the replicated signal decay over a quarter of the period, which costs no delay.
"""

from __future__ import annotations

import numpy as np

from voipnode.dsp.frames import Frame

_PITCH_MIN_S = 0.005  # 200 Hz: shorter pitches are found as a multiple
_PITCH_MAX_S = 0.015  # 66 Hz
_MATCH_S = 0.020
_STEP_S = 0.010
_FADE_PER_STEP = 0.2
_STEPS = 6
_MAX_PERIODS = 3


class Concealer:
    """Remembers what was played and carries it on over gaps; samples in and out are float32, any length at a time.

    `rate_hz` from 8000. `latency_samples` is 0. Every sample played must pass through `good` or `conceal`, in order.
    """

    latency_samples = 0

    def __init__(self, rate_hz: int) -> None:
        if rate_hz < 8000:
            raise ValueError(f"rate_hz is {rate_hz}, at least 8000 is needed")
        self._shortest = int(rate_hz * _PITCH_MIN_S)
        self._longest = int(rate_hz * _PITCH_MAX_S)
        self._match = int(rate_hz * _MATCH_S)
        self._step = int(rate_hz * _STEP_S)
        # A multiple of the frame, so that whole frames never wrap.
        needed = self._longest * (_MAX_PERIODS + 1) + self._match
        self._ring: Frame = np.zeros(-(-needed // self._step) * self._step, dtype=np.float32)
        self._steps = np.arange(self._step)
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        self._ring[:] = 0
        self._at = 0
        self._gap = (
            self._step * _STEPS
        )  # samples concealed so far in this gap; as after a long one: the first sound fades in
        self._history: Frame = self._ring[:0]
        self._cycle: Frame = self._ring[:0]
        self._shorter: Frame = self._ring[:0]
        self._pitch = 1
        self._phase = 0
        self._seam = 0.0
        self._quarter = 1

    @property
    def exhausted(self) -> bool:
        """True when the gap has lasted so long that only silence is left."""
        return self._gap >= self._step * _STEPS

    def good(self, samples: Frame) -> Frame:
        """Pass on what really came; just after a gap a new array, else the same one."""
        if self._gap:
            samples = self._merge(samples)
            self._gap = 0
        self._remember(samples)
        return samples

    def conceal(self, count: int) -> Frame:
        """`count` samples in place of what did not come; a new array."""
        if self.exhausted:
            filled = np.zeros(count, dtype=np.float32)
        else:
            filled = np.concatenate([self._piece(size) for size in self._split(count)])
        self._remember(filled)
        return filled

    def _split(self, count: int) -> list[int]:
        """Cut into pieces that do not cross a 10 ms step of the gap, where period count and slope change."""
        sizes = []
        at = self._gap
        while count:
            size = min(count, self._step - at % self._step)
            sizes.append(size)
            at += size
            count -= size
        return sizes

    def _piece(self, size: int) -> Frame:
        if self._gap == 0:
            self._begin()
        step, position = divmod(self._gap, self._step)
        if position == 0 and 0 < step < _MAX_PERIODS:
            self._lengthen(step + 1)
        piece = self._replicate(size)
        if position < self._quarter and step < _MAX_PERIODS:
            self._smooth(piece, step, position)
        piece *= self._gain(size)
        self._phase += size
        self._gap += size
        return piece

    def _smooth(self, piece: Frame, step: int, position: int) -> None:
        """Over the first quarter period of a step, go over from what was heard before it."""
        fall = np.maximum(1 - (position + 1 + self._steps[: len(piece)]) / (self._quarter + 1), 0).astype(np.float32)
        if step == 0:
            piece += np.float32(self._seam) * fall
            return
        before = self._shorter.take(self._phase + self._steps[: len(piece)], mode="wrap")
        piece += (before - piece) * fall

    def _gain(self, size: int) -> Frame:
        position = (self._gap + self._steps[:size]) / self._step - 1
        return np.clip(1 - _FADE_PER_STEP * position, 0, 1).astype(np.float32)

    def _begin(self) -> None:
        """Find the pitch (normalised cross-correlation of the last 20 ms, as the Appendix does) and its last period."""
        self._history = np.concatenate((self._ring[self._at :], self._ring[: self._at]))
        self._pitch = self._find_pitch(self._history)
        self._quarter = max(self._pitch // 4, 1)
        self._phase = 0
        self._cycle = self._periods(1)
        self._seam = float(self._history[-1] - self._history[-1 - self._pitch])

    def _find_pitch(self, history: Frame) -> int:
        recent = history[-self._match :]
        search = history[-self._match - self._longest : -self._shortest]
        products = np.correlate(search, recent, "valid")
        squares = np.cumsum(np.concatenate((np.zeros(1), np.square(search, dtype=np.float64))))
        energies = squares[self._match :] - squares[: -self._match]
        likeness = products / np.sqrt(energies + 1e-9)
        return self._longest - int(np.argmax(likeness))

    def _periods(self, count: int) -> Frame:
        """The last `count` periods, their end bent towards what preceded them so that they repeat without a step."""
        length = self._pitch * count
        cycle = self._history[-length:].copy()
        quarter = self._quarter
        rise = (np.arange(1, quarter + 1) / (quarter + 1)).astype(np.float32)
        before = self._history[-length - quarter : -length]
        cycle[-quarter:] += (before - cycle[-quarter:]) * rise
        return cycle

    def _replicate(self, size: int) -> Frame:
        return self._cycle.take(self._phase + self._steps[:size], mode="wrap")

    def _lengthen(self, periods: int) -> None:
        """Go over to more periods, at the same place within the period."""
        self._phase %= len(self._cycle)
        # Both cycles end where the gap began, so a whole number of periods lies between their beginnings.
        self._shorter = self._cycle
        self._cycle = self._periods(periods)

    def _merge(self, samples: Frame) -> Frame:
        """Cross-fade back: a quarter period and 4 ms for each 10 ms lost, at most 10 ms."""
        if self.exhausted:
            fade = min(len(samples), self._step // 2)
            merged = samples.copy()
            merged[:fade] *= (np.arange(1, fade + 1) / (fade + 1)).astype(np.float32)
            return merged
        lost_steps = self._gap // self._step
        fade = min(self._quarter + (self._step * 4 // 10) * max(lost_steps - 1, 0), self._step, len(samples))
        under = self._replicate(fade) * self._gain(fade)
        merged = samples.copy()
        rise = (np.arange(1, fade + 1) / (fade + 1)).astype(np.float32)
        merged[:fade] = under + (samples[:fade] - under) * rise
        return merged

    def _remember(self, samples: Frame) -> None:
        size = len(samples)
        end = self._at + size
        if end <= len(self._ring):
            self._ring[self._at : end] = samples
            self._at = end % len(self._ring)
            return
        samples = samples[-len(self._ring) :]
        first = min(len(self._ring) - self._at, len(samples))
        self._ring[self._at : self._at + first] = samples[:first]
        self._ring[: len(samples) - first] = samples[first:]
        self._at = (self._at + len(samples)) % len(self._ring)
