"""Decoded sound in a row: what was played lately, and what is played next."""

from __future__ import annotations

import numpy as np

from voipnode.dsp.frames import Frame


class SoundLine:
    """A bounded stretch of one source's sound.

    `at` is the playing place, `end` where the sound ends. `past` samples before `at` can always be looked at (silence
    at first); `room` more may be ahead of it. Places change when the line is shifted: `shifted` sums up by how much, so
    that `place + shifted` stays the same.
    """

    __slots__ = ("_past", "_sound", "at", "end", "shifted")

    def __init__(self, past: int, room: int) -> None:
        self._past = past
        # As much again, so that shifting is rare.
        self._sound: Frame = np.zeros(2 * (past + room), dtype=np.float32)
        self.at = self.end = past
        self.shifted = 0

    @property
    def left(self) -> int:
        """How much is ahead."""
        return self.end - self.at

    def take(self, count: int) -> Frame:
        """Play `count` samples, which must be there; a new array."""
        at = self.at
        self.at = after = at + count
        return self._sound[at:after].copy()

    def skip(self, count: int) -> None:
        """Go ahead by what is there, or back by at most `past` (below zero)."""
        self.at += count

    def drop_ahead(self) -> None:
        """What would be played next is not."""
        self.end = self.at

    def append(self, samples: Frame) -> None:
        """Sound that is played after all there is; what is too much for one line is left out."""
        size = len(samples)
        end = self.end
        if end + size > len(self._sound):
            end = self._shift()
            samples = samples[: len(self._sound) - end]
            size = len(samples)
        self._sound[end : end + size] = samples
        self.end = end + size

    def _shift(self) -> int:
        begin = self.at - self._past
        kept = self._sound[begin : self.end].copy()
        self._sound[: len(kept)] = kept
        self.at -= begin
        self.end -= begin
        self.shifted += begin
        return self.end

    def window(self, start: int, count: int) -> Frame:
        """A view of `count` samples from `start` places after `at` (below zero: before it)."""
        first = self.at + start
        return self._sound[first : first + count]

    def tail(self, count: int) -> Frame:
        """A view of the last `count` samples that there are."""
        return self._sound[self.end - count : self.end]
