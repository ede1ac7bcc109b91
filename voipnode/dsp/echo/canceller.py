"""The acoustic echo canceller: what the loudspeaker plays is taken out of what the microphone hears.

The far end's samples are brought to the microphone's clock (`far_clock`, by what `drift` sees), bent by the curve of
the loudspeaker (`loudspeaker`) and kept as spectra (`far_history`); the delay is found in their correlation with the
microphone (`delay_finder`); a Kalman filter follows the room's response from there on (`kalman`), and a shadow of it
follows when the path changes (`shadow`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voipnode.dsp.echo.delay_finder import DelayFinder
from voipnode.dsp.echo.drift import DriftMeter
from voipnode.dsp.echo.far_clock import FarClock
from voipnode.dsp.echo.far_history import FarHistory
from voipnode.dsp.echo.kalman import KalmanFilter
from voipnode.dsp.echo.loudspeaker import Loudspeaker
from voipnode.dsp.echo.shadow import Shadow
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.recent import Recent

_RATES_HZ = (8000, 16000)
_LOUDEST = np.float32(1.0)  # full scale: what is above is no sound
_LONGEST_BLOCKS = 44  # of delay
_RECENT_BLOCKS = 20  # that a filter rehearses with a delay that was found
_SOFTEST = 1e-7  # mean square of the far end: what is below for longer than any echo lasts, -70 dBFS, leaves none
_STAY = 0.9998
_LEAST_DRIFT_PPM = 3.0  # less is not worth the interpolation
_FOLLOWS = 0.25  # of the microphone's power: a filter that leaves more tells nothing of the clocks
_KNOWN = 0.15  # the same for the loudspeaker's curve
_ANOTHER_S = 0.005  # delays that differ by less are one
_MEMORY = 0.95  # of the powers that `erle_db` compares, per block
_GUARD_MEMORY = 0.9  # of the energies that the guard compares, per block: 100 ms


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

    `rate_hz` is 8000 or 16000, `tail_ms` the length of the room's response that is modelled; delays up to 440 ms are
    found. Over any 100 ms `error` is no louder than `near` (a single frame may be: two sounds in one can be softer than
    either), and it is finite whatever comes in. Raises ValueError for other rates and tails out of 20..500 ms.
    """

    latency_samples = 0

    def __init__(self, rate_hz: int, *, tail_ms: float = 200.0) -> None:
        if rate_hz not in _RATES_HZ:
            raise ValueError(f"rate_hz is {rate_hz}: 8000 and 16000 are right")
        if not 20 <= tail_ms <= 500:
            raise ValueError(f"tail_ms is {tail_ms}: 20 to 500 are right")
        self.rate_hz = rate_hz
        self._size = size = rate_hz // FRAMES_PER_S
        partitions = round(tail_ms * FRAMES_PER_S / 1000)
        self._clock = FarClock(size)
        self._loudspeaker = Loudspeaker(size, _LONGEST_BLOCKS + 2)
        self._history = FarHistory(size, _LONGEST_BLOCKS + partitions + _RECENT_BLOCKS)
        self._finder = DelayFinder(self._history, _LONGEST_BLOCKS)
        self._filter = KalmanFilter(self._history, partitions, stay=_STAY)
        self._softest = _SOFTEST * size
        self._another = round(_ANOTHER_S * rate_hz)
        self._shadow = Shadow(self._history, self._filter, partitions, self._another)
        self._drift = DriftMeter(size)
        self._recent = Recent(_RECENT_BLOCKS * size)
        self._out = Cancelled(*(np.zeros(size, dtype=np.float32) for _ in range(4)))
        self.reset()

    def reset(self) -> None:
        """Forget the room, the delay and the clocks."""
        self._clock.reset()
        self._history.reset()
        self._loudspeaker.reset()
        self._finder.reset()
        self._filter.reset()
        self._shadow.reset()
        self._drift.reset()
        self._silent = self._since_break = 0
        self._near_sum = self._error_sum = 0.0
        self._near_power = self._error_power = 0.0

    def pause(self) -> None:
        """Forget the sound and keep the room: what comes next does not follow upon what was."""
        self._clock.silence()
        self._history.reset()
        self._loudspeaker.reset()
        self._near_sum = self._error_sum = 0.0
        self._near_power = self._error_power = 0.0

    @property
    def delay_ms(self) -> float | None:
        """From the loudspeaker's frame to its echo; None while it is not known."""
        lag = self._filter.lag
        return None if lag is None else 1000 * (lag + self._clock.behind) / self.rate_hz

    @property
    def drift_ppm(self) -> float:
        """By how much the microphone's clock is faster than the loudspeaker's."""
        return self._drift.drift_ppm

    @property
    def erle_db(self) -> float:
        """How much softer the error is than the microphone, over the last 200 ms."""
        return float(10 * np.log10((self._near_power + 1e-9) / (self._error_power + 1e-9)))

    def process(self, far: Frame, near: Frame) -> Cancelled:
        """The next frames, each of shape (rate_hz // 100,)."""
        out = self._out
        far_energy = _admit(far, out.far)
        near_energy = _admit(near, out.near)
        self._hear_far(out.far)
        self._silent = 0 if far_energy > self._softest else self._silent + 1
        if self._silent > self._history.depth:
            out.echo[:] = 0
            error_energy = self._subtract()
        else:
            error_energy = self._cancel(near_energy)
        self._guard(near_energy, error_energy)
        self._history.sound(self._filter.lag or 0, out.far)
        return out

    def _cancel(self, near_energy: float) -> float:
        """Take the echo out and learn from what is left. Returns its energy."""
        out = self._out
        self._recent.push(out.near)
        self._since_break += 1
        if self._finder.listen(out.near, self._thrift()):
            self._found()
        out.echo[:] = self._filter.echo()
        error_energy = self._subtract()
        self._filter.learn(out.error)
        if self._filter.lag is not None:
            error_energy = self._compete(near_energy, error_energy)
            self._follow_drift()
            self._follow_loudspeaker()
        return error_energy

    def _hear_far(self, far: Frame) -> None:
        blocks = self._clock.turn(far)
        for block in blocks:
            self._history.push(self._loudspeaker.shape(block))
        if len(blocks) == 1:
            return
        slipped = len(blocks) - 1
        self._since_break = 0
        for part in (self._finder, self._filter, self._shadow):
            part.slip(slipped)
        if self._filter.lag is not None and not 0 <= self._filter.lag < _LONGEST_BLOCKS * self._size:
            # The clocks have run so far apart that the echo comes before its sound, or after all that is kept.
            self.reset()

    def _thrift(self) -> int:
        """One block in how many the delay finder needs to hear."""
        if self._filter.lag is None:
            return 1
        return 3 if self._error_power < _FOLLOWS * self._near_power else 2

    def _found(self) -> None:
        lag = self._finder.lag
        if lag is None:
            return
        size, before = self._size, min(self._since_break, _RECENT_BLOCKS) - 1
        recent = self._recent.last(before * size, later=size).reshape(before, size)
        if self._filter.lag is None:
            self._filter.reset(lag)
            self._filter.rehearse(recent)
        elif self._error_power < _FOLLOWS * self._near_power and self._filter.covers(lag):
            self._filter.lag = lag
        else:
            self._shadow.try_lag(lag, recent)

    def _subtract(self) -> float:
        out = self._out
        np.subtract(out.near, out.echo, out=out.error)
        return float(out.error.dot(out.error))

    def _compete(self, near_energy: float, error_energy: float) -> float:
        better = self._shadow.compete(self._out.near, near_energy, error_energy)
        if better is None:
            return error_energy
        self._drift.forget()
        self._out.echo[:] = better
        return self._subtract()

    def _follow_drift(self) -> None:
        lag, found = self._filter.lag, self._finder.lag
        if lag is None or found is None or not self._drift.due():
            return
        if self._error_power > _FOLLOWS * self._near_power or abs(found - lag) > self._another:
            self._drift.forget()
            return
        self._drift.look(self._filter.direct())
        self._clock.drift_ppm = self._drift.drift_ppm
        if lag >= 1.5 * self._size and abs(self._drift.drift_ppm) > _LEAST_DRIFT_PPM:
            self._clock.running = True

    def _follow_loudspeaker(self) -> None:
        lag = self._filter.lag
        if lag is not None and self._error_power < _KNOWN * self._near_power:
            self._loudspeaker.learn(self._filter.direct(), lag // self._size, self._out.error)

    def _guard(self, near_energy: float, error_energy: float) -> None:
        """No louder than the microphone, and nothing but numbers."""
        near_sum = _GUARD_MEMORY * self._near_sum + near_energy
        error_sum = _GUARD_MEMORY * self._error_sum + error_energy
        if not error_sum <= near_sum:
            if not math.isfinite(error_sum):
                self.reset()
                self._out.echo[:] = 0
            error_energy = self._soften(near_energy)
            error_sum = _GUARD_MEMORY * self._error_sum + error_energy
        self._near_sum, self._error_sum = near_sum, error_sum
        self._near_power += (1 - _MEMORY) * (near_energy - self._near_power)
        self._error_power += (1 - _MEMORY) * (error_energy - self._error_power)

    def _soften(self, near_energy: float) -> float:
        """Scale the echo so that the error is least, hence no louder than the microphone. Returns its energy."""
        out = self._out
        power = float(np.dot(out.echo, out.echo))
        out.echo *= max(0.0, float(np.dot(out.echo, out.near)) / power) if power > 0 else 0.0
        return min(near_energy, self._subtract())


def _admit(frame: Frame, into: Frame) -> float:
    """Copy `frame` as sound: finite, and not beyond all measure. Returns its energy."""
    np.minimum(frame, _LOUDEST, out=into)
    np.maximum(into, -_LOUDEST, out=into)
    energy = float(into.dot(into))
    if not math.isfinite(energy):
        np.nan_to_num(into, copy=False, nan=0.0)
        energy = float(into.dot(into))
    return energy
