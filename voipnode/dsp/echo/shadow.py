"""A second, short and restless filter beside the first: the one that follows when the echo's path changes.

The first filter holds still, so that the near end's talk does not lead it astray; hence it would learn a new path
slowly. The shadow learns at once and is thrown off as soon. Whichever leaves less of the microphone over some 50 ms is
right (two-path scheme: Ochiai, Araseki and Ogihara, "Echo canceler with two echo path models", IEEE Trans.
Communications 25, 1977). It also tries delays that were found anew, before the first filter is given to them.
"""

from __future__ import annotations

from voipnode.dsp.echo.far_history import FarHistory
from voipnode.dsp.echo.kalman import KalmanFilter
from voipnode.dsp.frames import Frame

_PARTITIONS = 8  # at most
_STAY = 0.99
_MEMORY = 0.8  # of the energies that are compared, per block: 50 ms
_BETTER = 0.5  # of the first filter's error: 3 dB less
_FAILS = 0.01  # of the microphone: while it leaves less, the first filter keeps its lead
_AUDIBLE = 1e-6  # mean square of the microphone: -60 dBFS
_SETTLES_BLOCKS = 5  # after a change, before it is judged
_PATIENCE_BLOCKS = 50  # that it may be worse before it starts again from the first filter
_TRIAL_BLOCKS = 150  # the same where it tries another delay
_DOUBT_MAIN, _DOUBT_SHADOW = 0.3, 0.1  # of the first filter's taps when it has followed, of the shadow's when it has


class Shadow:
    """Competes with `main` block by block, while that one fails or another delay is tried. `takes` counts its wins.

    `another`: delays that differ by less samples are one.
    """

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
        self._awake = self._trial = False
        self._blocks = 0

    def try_lag(self, lag: int, recent: Frame) -> None:
        """Look for the echo at a delay that was found, in samples, unless that is being done; `recent` has the blocks
        in which it was found, the last one the newest."""
        known = self._filter.lag if self._trial else self._main.lag
        if known is None or abs(lag - known) < self._another:
            return
        self._awake = self._trial = True
        self._filter.reset(lag)
        self._filter.rehearse(recent)
        self._even()

    def slip(self, blocks: int) -> None:
        """See `KalmanFilter.slip`."""
        self._filter.slip(blocks)

    def compete(self, near: Frame, near_energy: float, error_energy: float) -> Frame | None:
        """Try the block: `near` and `main`'s error had those energies. Gives the better echo where the lead changes."""
        self._near_energy = _MEMORY * self._near_energy + near_energy
        self._main_energy = _MEMORY * self._main_energy + error_energy
        fails = self._main_energy > _FAILS * self._near_energy and self._near_energy > self._audible
        if not (fails or self._trial):
            self._awake = False
            return None
        if not self._awake:
            self._retreat()
        shadow = self._filter
        echo = shadow.echo()
        error = near - echo
        shadow.learn(error)
        self._energy = _MEMORY * self._energy + float(error.dot(error))
        self._blocks += 1
        if self._energy < _BETTER * self._main_energy:
            if fails and self._blocks > _SETTLES_BLOCKS:
                self._lead()
                return echo
        elif self._energy > self._main_energy and self._blocks > (_TRIAL_BLOCKS if self._trial else _PATIENCE_BLOCKS):
            self._retreat()
        return None

    def _lead(self) -> None:
        self._main.follow(self._filter)
        self._main.doubt(_DOUBT_MAIN)
        self._trial = False
        self.takes += 1
        self._even()

    def _retreat(self) -> None:
        """Start again from the first filter."""
        self._filter.follow(self._main)
        self._filter.doubt(_DOUBT_SHADOW)
        self._awake, self._trial = True, False
        self._even()

    def _even(self) -> None:
        self._energy = self._main_energy
        self._blocks = 0
