"""A second, short and restless filter beside the first: the one that follows when the echo's path changes.

The first filter holds still, so that the near end's talk does not lead it astray; hence it would learn a new path
slowly. The shadow learns at once and is thrown off as soon. Whichever leaves less of the microphone over some 50 ms is
right (two-path scheme: Ochiai, Araseki and Ogihara, "Echo canceler with two echo path models", IEEE Trans.
Communications 25, 1977). It also tries delays that were found anew, before the first filter is given to them.
"""

from __future__ import annotations

import numpy as np

from voipnode.dsp.echo.far_history import FarHistory
from voipnode.dsp.echo.kalman import KalmanFilter
from voipnode.dsp.frames import Frame

_PARTITIONS = 8  # at most
_STAY = 0.99
_MEMORY = 0.8  # of the energies that are compared, per block: 50 ms
_BETTER = 0.5  # of the first filter's error: 3 dB less
_FAILS = 0.03  # of the microphone: while it leaves less, the first filter keeps its lead
_AUDIBLE = 1e-6  # mean square of the microphone: -60 dBFS
_SETTLES_BLOCKS = 5  # after a change, before it is judged
_PATIENCE_BLOCKS = 50  # that it may be worse before it starts again from the first filter
_TRIAL_BLOCKS = 150  # the same where it tries another delay
_DOUBT_MAIN, _DOUBT_SHADOW = 0.3, 0.1  # of the first filter's taps when it has followed, of the shadow's when it has


class Shadow:
    """Competes with `main` block by block. `takes` counts how often it won."""

    def __init__(self, far: FarHistory, main: KalmanFilter, partitions: int, another: int) -> None:
        self._main = main
        self._filter = KalmanFilter(far, min(partitions, _PARTITIONS), stay=_STAY)
        self._another = another
        self._audible = _AUDIBLE * far.size / (1 - _MEMORY)
        self.takes = 0
        self.reset()

    def reset(self) -> None:
        """Know nothing."""
        self._filter.reset()
        self._near_energy = self._main_energy = self._energy = 0.0
        self._blocks = 0

    def try_lag(self, lag: int) -> None:
        """Look for the echo at a delay that was found, in samples, unless that is being done."""
        shadow, main = self._filter.lag, self._main.lag
        if shadow is not None and (
            abs(lag - shadow) < self._another or main is None or abs(lag - main) < self._another
        ):
            return
        self._filter.reset(lag)
        self._even()

    def slip(self, blocks: int) -> None:
        """See `KalmanFilter.slip`."""
        self._filter.slip(blocks)

    def compete(self, near: Frame, near_energy: float, error_energy: float) -> Frame | None:
        """Try the block: `near` and `main`'s error had those energies. Gives the better echo where the lead changes."""
        shadow = self._filter
        echo = shadow.echo()
        error = near - echo
        shadow.learn(error)
        self._near_energy = _MEMORY * self._near_energy + near_energy
        self._main_energy = _MEMORY * self._main_energy + error_energy
        self._energy = _MEMORY * self._energy + float(np.dot(error, error))
        self._blocks += 1
        if self._energy < _BETTER * self._main_energy:
            fails = self._main_energy > _FAILS * self._near_energy and self._near_energy > self._audible
            if fails and self._blocks > _SETTLES_BLOCKS:
                self._lead()
                return echo
        elif self._energy > self._main_energy and self._blocks > self._patience():
            self._retreat()
        return None

    def _patience(self) -> int:
        return _PATIENCE_BLOCKS if self._filter.age == self._main.age else _TRIAL_BLOCKS

    def _lead(self) -> None:
        self._main.follow(self._filter)
        self._main.doubt(_DOUBT_MAIN)
        self.takes += 1
        self._even()

    def _retreat(self) -> None:
        self._filter.follow(self._main)
        self._filter.doubt(_DOUBT_SHADOW)
        self._even()

    def _even(self) -> None:
        self._energy = self._main_energy
        self._blocks = 0
