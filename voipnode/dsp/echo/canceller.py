"""The acoustic echo canceller: what the loudspeaker plays is taken out of what the microphone hears."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voipnode.dsp.echo.far_history import FarHistory
from voipnode.dsp.echo.kalman import KalmanFilter
from voipnode.dsp.frames import FRAMES_PER_S, Frame

_RATES_HZ = (8000, 16000)
_LOUDEST = np.float32(8.0)  # of full scale: what is above is no sound
_EXPECTED = 0.1  # power of the first block of a response, before anything is known
_MEMORY = 0.95  # of the powers that `erle_db` compares, per block


@dataclass(slots=True)
class Cancelled:
    """One frame's parts. Its arrays are used again for the next one.

    `error` is `near` less `echo`; `far` is the frame that the echo came from, by the delay that was found.
    """

    error: Frame
    echo: Frame
    far: Frame
    near: Frame


class EchoCanceller:
    """Takes frames of 10 ms of both ends; adds no delay.

    `rate_hz` is 8000 or 16000, `tail_ms` the length of the room's response that is modelled. `error` is never louder
    than `near`, and finite whatever comes in. Raises ValueError for other rates and tails out of 20..500 ms.
    """

    latency_samples = 0

    def __init__(self, rate_hz: int, *, tail_ms: float = 200.0) -> None:
        if rate_hz not in _RATES_HZ:
            raise ValueError(f"rate_hz is {rate_hz}: 8000 and 16000 are right")
        if not 20 <= tail_ms <= 500:
            raise ValueError(f"tail_ms is {tail_ms}: 20 to 500 are right")
        self.rate_hz = rate_hz
        size = rate_hz // FRAMES_PER_S
        partitions = round(tail_ms * FRAMES_PER_S / 1000)
        self._history = FarHistory(size, partitions)
        self._filter = KalmanFilter(self._history, partitions)
        self._expected: Frame = np.full(partitions, _EXPECTED, dtype=np.float32)
        self._out = Cancelled(*(np.zeros(size, dtype=np.float32) for _ in range(4)))
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        self._history.reset()
        self._filter.reset(self._expected)
        self._near_power = self._error_power = 0.0

    @property
    def delay_ms(self) -> float | None:
        """From the loudspeaker's frame to its echo; None while it is not known."""
        return None

    @property
    def drift_ppm(self) -> float:
        """By how much the microphone's clock is faster than the loudspeaker's."""
        return 0.0

    @property
    def erle_db(self) -> float:
        """How much softer the error is than the microphone, over the last 200 ms."""
        return float(10 * np.log10((self._near_power + 1e-9) / (self._error_power + 1e-9)))

    def process(self, far: Frame, near: Frame) -> Cancelled:
        """The next frames, each of shape (rate_hz // 100,)."""
        out = self._out
        _admit(far, out.far)
        near_energy = _admit(near, out.near)
        self._history.push(out.far)
        np.copyto(out.echo, self._filter.echo())
        np.subtract(out.near, out.echo, out=out.error)
        self._filter.learn(out.error)
        error_energy = float(np.dot(out.error, out.error))
        if not error_energy <= near_energy:
            error_energy = self._soften(near_energy, error_energy)
        self._near_power += (1 - _MEMORY) * (near_energy - self._near_power)
        self._error_power += (1 - _MEMORY) * (error_energy - self._error_power)
        return out

    def _soften(self, near_energy: float, error_energy: float) -> float:
        """Scale the echo so that the error is least, hence no louder than the microphone. Returns its energy."""
        out = self._out
        if not math.isfinite(error_energy):
            self._filter.reset(self._expected)
            out.echo[:] = 0
        power = float(np.dot(out.echo, out.echo))
        out.echo *= max(0.0, float(np.dot(out.echo, out.near)) / power) if power > 0 else 0.0
        np.subtract(out.near, out.echo, out=out.error)
        return min(near_energy, float(np.dot(out.error, out.error)))


def _admit(frame: Frame, into: Frame) -> float:
    """Copy `frame` as sound: finite, and not beyond all measure. Returns its energy."""
    np.minimum(frame, _LOUDEST, out=into)
    np.maximum(into, -_LOUDEST, out=into)
    energy = float(np.dot(into, into))
    if not math.isfinite(energy):
        np.nan_to_num(into, copy=False, nan=0.0)
        energy = float(np.dot(into, into))
    return energy
