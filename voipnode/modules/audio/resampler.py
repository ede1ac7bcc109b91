"""Resampling by any ratio, which may change a little from frame to frame: between two clocks that are not one."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.float32]

ZERO_CROSSINGS = 24  # of the sinc on either side
PHASES = 1024
PASS_BAND = 0.97  # of the lower rate's half
KAISER_BETA = 8.0  # about 80 dB of stop-band attenuation


class Resampler:
    """Windowed-sinc interpolation at positions `step` input samples apart (Smith, "Digital audio resampling", 1984).

    Each output sample is one row of a table of filters (1024 phases, the nearest one: images below -60 dB) times the
    input around its position. When the output rate is lower, the filters are wider and keep aliases out.
    `latency_samples` is in input samples. Raises ValueError for rates that are not positive.
    """

    def __init__(self, in_hz: float, out_hz: float) -> None:
        if in_hz <= 0 or out_hz <= 0:
            raise ValueError(f"rates {in_hz} and {out_hz} Hz: both must be positive")
        self.nominal_step = in_hz / out_hz
        narrowing = min(1.0, out_hz / in_hz)
        self._half = math.ceil(ZERO_CROSSINGS / narrowing)
        self.latency_samples = self._half
        # A filter that is wider is smoother, so that fewer phases of it do.
        self._phases = max(64, math.ceil(PHASES * narrowing))
        self._table = self._filters(PASS_BAND * narrowing)
        self._buffer = np.zeros(0, np.float32)
        self._position = 0.0
        self.reset()

    def _filters(self, cutoff: float) -> Samples:
        """Row p: the filter for an output p / phases after an input sample, window position 0 being half - 1 before."""
        taps = np.arange(2 * self._half) - (self._half - 1)
        distance = taps[None, :] - np.arange(self._phases)[:, None] / self._phases
        window = np.i0(KAISER_BETA * np.sqrt(np.clip(1.0 - (distance / self._half) ** 2, 0.0, 1.0))) / np.i0(
            KAISER_BETA
        )
        filters = cutoff * np.sinc(cutoff * distance) * window
        table: Samples = (filters / filters.sum(axis=1, keepdims=True)).astype(np.float32)
        return table

    def reset(self) -> None:
        """Forget what was heard."""
        self._buffer = np.zeros(2 * self._half - 1, np.float32)
        self._position = float(self._half - 1)  # of the next output, in samples from the buffer's begin

    def needed(self, count: int, step: float) -> int:
        """How many more input samples `count` outputs need."""
        last = math.floor(self._position + (count - 1) * step)
        return max(0, last + self._half + 1 - len(self._buffer))

    def push(self, samples: Samples) -> None:
        """Append input."""
        self._buffer = np.concatenate([self._buffer, samples])

    def available(self, step: float) -> int:
        """How many outputs the input that was pushed is enough for."""
        room = len(self._buffer) - self._half - self._position  # positions below this have their whole window
        return max(0, math.ceil(room / step))

    def pull(self, count: int, step: float) -> Samples:
        """The next `count` outputs, for which enough must have been pushed (IndexError otherwise)."""
        positions = self._position + step * np.arange(count)
        whole = positions.astype(np.intp)
        phase = ((positions - whole) * self._phases).astype(np.intp)
        windows = sliding_window_view(self._buffer, 2 * self._half)
        output: Samples = np.einsum("ij,ij->i", windows[whole - (self._half - 1)], self._table[phase])
        self._advance(count * step)
        return output

    def _advance(self, by: float) -> None:
        self._position += by
        used = min(math.floor(self._position) - (self._half - 1), len(self._buffer))
        self._buffer = self._buffer[used:]
        self._position -= used


class DriftControl:
    """Steers a resampler's step so that a buffer's fill stays at its target: PI control of the smoothed fill.

    Two crystals differ by up to some 100 ppm; the correction is held within +-`max_correction`,
    less than 2 cents of pitch. A fill above the target gives a positive correction: take more input per output.
    """

    SMOOTHING = 0.01  # per update of 10 ms: a second, because a card takes and gives in lumps
    PROPORTIONAL = 0.05  # per second of error: 1 ms makes 50 ppm
    INTEGRAL = 0.000625  # per second of error and of time: P^2 / 4, critically damped
    PERIOD_S = 0.01

    def __init__(self, target_s: float, *, max_correction: float = 0.001) -> None:
        self._target_s = target_s
        self._limit = max_correction
        self._error_s = 0.0
        self._learnt = 0.0

    def reset(self) -> None:
        """Begin at the target again; what was learnt about the clocks stays."""
        self._error_s = 0.0

    def update(self, fill_s: float) -> float:
        """The correction for the next 10 ms, as a ratio (1e-4 = 100 ppm)."""
        self._error_s += self.SMOOTHING * (fill_s - self._target_s - self._error_s)
        learnt = self._learnt + self.INTEGRAL * self._error_s * self.PERIOD_S
        self._learnt = max(-self._limit, min(self._limit, learnt))
        wanted = self._learnt + self.PROPORTIONAL * self._error_s
        return max(-self._limit, min(self._limit, wanted))
