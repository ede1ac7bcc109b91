"""By how much a voice stands out of what sounds all the time."""

from __future__ import annotations

import math

_SPANS, _SPAN_FRAMES = 8, 125  # ten seconds, forgotten by parts
_STEP = 0.2
_LEAST_TO_MEAN = 1.5  # of steady noise, smoothed so
_LEVEL_KEPT = 0.9989  # half a decibel a second


class VoiceClearance:
    """Level of the loudest moment of late over that of the softest in ten seconds; frames of 10 ms.

    `decibels` is that, 0 before the first frame.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.decibels = 0.0
        self._loudest = self._smooth = 0.0
        self._span = self._least = math.inf
        self._spans = [math.inf] * _SPANS
        self._frames = 0

    def update(self, power: float) -> None:
        """Take in a frame's power, above zero."""
        self._smooth = self._smooth + _STEP * (power - self._smooth) if self._frames else power
        self._loudest = max(self._loudest * _LEVEL_KEPT, self._smooth)
        self._span = min(self._span, self._smooth)
        self._least = min(self._least, self._smooth)
        self._frames += 1
        if self._frames % _SPAN_FRAMES == 0:
            self._spans[self._frames // _SPAN_FRAMES % _SPANS] = self._span
            self._span, self._least = self._smooth, min(self._spans)
        self.decibels = 10 * math.log10(self._loudest / (_LEAST_TO_MEAN * self._least))
