"""The far end's samples at the microphone's clock.

A loudspeaker and a microphone on two clocks drift apart: at 100 ppm by 1.6 samples of 16 kHz in each second, faster
than an adaptive filter follows. So the far end is read at the speed that `drift` found, by a windowed sinc (Kaiser),
whose delay changes along each block.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from voipnode.dsp.frames import Frame

_HALF = 16  # taps to each side
_STEPS = 512  # rows of the table to a sample
_BETA = 8.0
_MARGIN = 2  # samples


class FarClock:
    """Takes blocks of `size` samples at one clock and gives them at another, `drift_ppm` faster.

    `drift_ppm` is at most 500 either way. Until it is `running`, samples pass as they are and at once. The start costs
    a block: a turn without any. From then on the clocks' difference adds up until a turn has none or two. `behind` is
    how many samples it has in hand.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._buffer: Frame = np.zeros(4 * size + 2 * _HALF, dtype=np.float32)
        self._windows = np.lib.stride_tricks.sliding_window_view(self._buffer, 2 * _HALF)
        self._rise: Frame = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
        self._kernels: Frame = np.zeros((2 * _HALF, 2), dtype=np.float32)
        self._dense: Frame = np.zeros((size, 2 * _HALF), dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Back to one clock, and nothing heard."""
        self.silence()
        self.drift_ppm = 0.0
        self.running = False
        self.behind = 0.0

    def silence(self) -> None:
        """Forget the samples, and nothing of the clocks."""
        self._buffer[:] = 0

    def turn(self, frame: Frame) -> list[Frame]:
        """Take a block; the blocks that are due, mostly one."""
        size, buffer = self._size, self._buffer
        buffer[:-size] = buffer[size:]
        buffer[-size:] = frame
        if not self.running:
            return [frame]
        self.behind += size
        step = 1 - self.drift_ppm * 1e-6
        blocks = []
        for least in (_HALF + _MARGIN, size + _HALF + _MARGIN):
            if self.behind - size * step >= least:
                blocks.append(self._read(step))
                self.behind -= size * step
        return blocks

    def _read(self, step: float) -> Frame:
        size = self._size
        position = len(self._buffer) - self.behind
        whole = int(position)
        fraction = position - whole
        _kernel(fraction, self._kernels[:, 0])
        _kernel(fraction + size * (step - 1), self._kernels[:, 1])
        np.copyto(self._dense, self._windows[whole - _HALF + 1 : whole - _HALF + 1 + size])
        both = np.dot(self._dense, self._kernels)
        block: Frame = both[:, 0] + self._rise * (both[:, 1] - both[:, 0])
        return block


def _kernel(fraction: float, into: Frame) -> None:
    """What reads `fraction` of a sample behind the middle of the taps; from -0.1 to 1.1."""
    at = (fraction + 0.125) * _STEPS
    row = int(at)
    table = _table()
    np.multiply(table[row], row + 1 - at, out=into)
    into += table[row + 1] * np.float32(at - row)


@cache
def _table() -> Frame:
    fraction = np.arange(_STEPS * 5 // 4 + 2)[:, None] / _STEPS - 0.125
    distance = np.arange(-_HALF + 1, _HALF + 1)[None, :] - fraction
    inside = np.sqrt(np.clip(1 - (distance / _HALF) ** 2, 0, 1))
    taps = np.sinc(distance) * np.i0(_BETA * inside) / np.i0(_BETA)
    table: Frame = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
    table.setflags(write=False)
    return table
