"""Sampling rates of one clock turned into each other, frame by frame: 8, 16, 48 kHz and what lies in simple ratios.

Between two clocks that are not one, the ratio moves: that is `modules.audio.resampler`, which costs more.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from voipnode.dsp.frames import FRAMES_PER_S, Frame

LATENCY_S = 0.001875
_STOP_BAND_DB = 65.0
_SHARE = 0.97  # of the lower rate's half: where the filter is 6 dB down
_BLOCK_S = 0.0025


class Resampler:
    """Windowed-sinc polyphase filter for a fixed rational ratio (Crochiere and Rabiner, "Multirate Digital Signal
    Processing", 1983, ch. 4; window and length after Kaiser, 1974).

    Frames of 10 ms in, frames of 10 ms out, both float32. Linear phase; delays by `LATENCY_S`. Seen from the lower of
    both rates, r: flat within 0.1 dB to 0.425 r, 60 dB down from 0.575 r (3.4 and 4.6 kHz for 8 kHz). Each block of
    2.5 ms is one row times one matrix, so that a frame costs two calls. `in_hz`, `out_hz`: multiples of 400.
    Raises ValueError for others.
    """

    def __init__(self, in_hz: int, out_hz: int) -> None:
        if in_hz <= 0 or out_hz <= 0 or in_hz % 400 or out_hz % 400:
            raise ValueError(f"rates {in_hz} and {out_hz} Hz: multiples of 400 are right")
        self.in_hz = in_hz
        self.out_hz = out_hz
        self._matrix = _matrix(in_hz, out_hz)
        span = len(self._matrix)
        block = round(in_hz * _BLOCK_S)
        self._history = span - block
        self._buffer: Frame = np.zeros(self._history + in_hz // FRAMES_PER_S, dtype=np.float32)
        rows = in_hz // FRAMES_PER_S // block
        windows = np.lib.stride_tricks.sliding_window_view(self._buffer, span)
        self._windows = windows[::block]
        self._dense: Frame = np.zeros((rows, span), dtype=np.float32)

    def reset(self) -> None:
        """Forget what was heard."""
        self._buffer[:] = 0

    def frame(self, frame: Frame) -> Frame:
        """The next 10 ms, shape (out_hz // 100,), a new array; `frame` has shape (in_hz // 100,)."""
        buffer, history = self._buffer, self._history
        buffer[:history] = buffer[-history:]
        buffer[history:] = frame
        # Overlapping rows are nothing that a matrix library takes.
        np.copyto(self._dense, self._windows)
        output: Frame = np.dot(self._dense, self._matrix).reshape(-1)
        return output


@cache
def _matrix(in_hz: int, out_hz: int) -> Frame:
    """What each input of a block and of the history before it gives to each output of the block."""
    lower = min(in_hz, out_hz)
    half = round(in_hz * LATENCY_S)
    block, outputs = round(in_hz * _BLOCK_S), round(out_hz * _BLOCK_S)
    # The centre of output m lies at m * in/out after the block's begin, less the delay of `half`.
    centres = np.arange(outputs) * (in_hz / out_hz) - half
    distance = np.arange(-2 * half, block)[:, None] - centres[None, :]
    inside = np.abs(distance) <= half
    beta = 0.1102 * (_STOP_BAND_DB - 8.7)
    window = np.i0(beta * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, 1))) / np.i0(beta) * inside
    cutoff = _SHARE * lower / in_hz
    taps = cutoff * np.sinc(cutoff * distance) * window
    matrix: Frame = (taps / taps.sum(axis=0, keepdims=True)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix
