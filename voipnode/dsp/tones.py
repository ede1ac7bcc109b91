"""Sine tones in frames: steady ones, cadences, keys."""

from __future__ import annotations

import math

import numpy as np

from voipnode.dsp.dtmf_frequencies import amplitude, pair
from voipnode.dsp.frames import FRAMES_PER_S, Frame

KEY_LOW_DBM0, KEY_HIGH_DBM0 = -9.0, -7.0  # ETSI ES 201 235-2 §4.2.3: -11 and -9 dBV, the high group 2 dB louder
_RISE_S = 0.003  # §4.2.5: there within 7 ms, and without a click
FRAME_MS = 1000 // FRAMES_PER_S


class Tone:
    """A sum of sines that goes on from frame to frame without a step in phase.

    `frequencies_hz` each below half of `rate_hz`; `level_dbfs` is the peak of each sine over full scale 1.0.
    """

    def __init__(self, *frequencies_hz: float, rate_hz: int = 8000, level_dbfs: float = -10.0) -> None:
        if not frequencies_hz or not all(0 < frequency < rate_hz / 2 for frequency in frequencies_hz):
            raise ValueError(f"frequencies {frequencies_hz} do not fit between 0 and {rate_hz / 2} Hz")
        self._size = rate_hz // FRAMES_PER_S
        self._amplitude = 10 ** (level_dbfs / 20)
        self._steps = np.array(frequencies_hz)[:, None] * (2 * math.pi / rate_hz)
        self._ramp = np.arange(self._size)[None, :] * self._steps
        self.reset()

    def reset(self) -> None:
        """Start again at phase zero."""
        self._phases = np.zeros_like(self._steps)

    def next_frame(self) -> Frame:
        """The next 10 ms, shape (rate_hz // 100,), float32."""
        sines = np.sin(self._phases + self._ramp)
        self._phases = (self._phases + self._size * self._steps) % (2 * math.pi)
        return np.asarray(sines.sum(axis=0) * self._amplitude, dtype=np.float32)


class Cadence:
    """A tone that comes and goes: `on_ms` of it, `off_ms` of silence, over and over; both in steps of 10 ms.

    Supervisory tones are described so (ITU-T E.180; ETSI TR 101 041 for Europe: 425 Hz, ringing 1 s on, 4 s off).
    """

    def __init__(self, tone: Tone, on_ms: int, off_ms: int) -> None:
        if on_ms < FRAME_MS or off_ms < 0:
            raise ValueError(f"a cadence of {on_ms} ms on, {off_ms} ms off cannot be heard")
        self._tone = tone
        self._on = on_ms // FRAME_MS
        self._all = self._on + off_ms // FRAME_MS
        self._silence = np.zeros_like(tone.next_frame())
        self.reset()

    def reset(self) -> None:
        """Start again, with the tone on."""
        self._at = 0
        self._tone.reset()

    def next_frame(self) -> Frame:
        """The next 10 ms; silence is one frame that nobody may change."""
        sounds = self._at < self._on
        self._at = (self._at + 1) % self._all
        return self._tone.next_frame() if sounds else self._silence


def key_tone(digit: str, duration_ms: int, rate_hz: int) -> Frame:
    """The sound of a key, shape (duration_ms * rate_hz // 1000,); raises ValueError for what is none of 0-9 A-D # *."""
    count = duration_ms * rate_hz // 1000
    at = np.arange(count)
    peaks = amplitude(KEY_LOW_DBM0), amplitude(KEY_HIGH_DBM0)
    waves = [peak * np.sin(2 * math.pi * hz / rate_hz * at) for peak, hz in zip(peaks, pair(digit), strict=True)]
    rise = np.minimum(1.0, np.minimum(at, at[::-1]) / (_RISE_S * rate_hz))
    return np.asarray(sum(waves) * rise, dtype=np.float32)
