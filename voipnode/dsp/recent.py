"""The last moments of a sound, always in one piece."""

from __future__ import annotations

import numpy as np

from voipnode.dsp.frames import Frame


class Recent:
    """The last `length` samples, silence before the first.

    They wander through a buffer twice as long and are taken back to its beginning only when they have come to its end.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._buffer: Frame = np.zeros(2 * length, dtype=np.float32)
        self._end = length

    def reset(self) -> None:
        """Forget them."""
        self._buffer[:] = 0

    def push(self, samples: Frame) -> None:
        """The next samples, at most `length`."""
        begin, end = self._end, self._end + len(samples)
        if end > len(self._buffer):
            kept = self._length - len(samples)
            self._buffer[:kept] = self._buffer[begin - kept : begin]
            begin, end = kept, self._length
        self._buffer[begin:end] = samples
        self._end = end

    def last(self, count: int, later: int = 0) -> Frame:
        """`count` samples, with `later` ones behind them, together at most `length`: a view, good until `push`."""
        end = self._end - later
        return self._buffer[end - count : end]
