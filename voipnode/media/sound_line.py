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

    __slots__ = ("_past", "_sound", "_turn", "at", "end", "shifted")

    def __init__(self, past: int, room: int) -> None:
        self._past = past
        # Shifted each time that as much as is kept was played: rarely, and yet so soon that the little memory which is
        # really used stays in the processor's caches, with a hundred lines beside it.
        self._turn = 2 * past
        self._sound: Frame = np.zeros(self._turn + room, dtype=np.float32)
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
        if self.at > self._turn:
            self._shift()
        end = self.end
        self.end = after = min(end + len(samples), len(self._sound))
        self._sound[end:after] = samples if after - end == len(samples) else samples[: after - end]

    def _shift(self) -> None:
        begin = self.at - self._past
        self._sound[: self.end - begin] = self._sound[begin : self.end]
        self.at -= begin
        self.end -= begin
        self.shifted += begin

    def window(self, start: int, count: int) -> Frame:
        """A view of `count` samples from `start` places after `at` (below zero: before it)."""
        first = self.at + start
        return self._sound[first : first + count]

    def tail(self, count: int) -> Frame:
        """A view of the last `count` samples that there are."""
        return self._sound[self.end - count : self.end]
