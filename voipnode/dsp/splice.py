"""Leaving out or repeating a piece of sound without a click: a cross-fade between two places that look alike.

The idea of WSOLA (Verhelst and Roelands, 1993) for one single splice: of all allowed lags the one is taken at which the
normalised cross-correlation is highest, so that a voice loses or gains whole pitch periods and a tone keeps its phase.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from voipnode.dsp.frames import Frame

_QUIET = 1e-5  # mean square under which (-50 dBFS) any place is as good as another


class Splice(NamedTuple):
    """`frame`: cross-faded sound; `lag`: samples between the two places; `likeness`: 1.0 = the same, 0 = unrelated."""

    frame: Frame
    lag: int
    likeness: float


class Splicer:
    """Finds and makes splices of one frame's length.

    `size` is the frame's length in samples, lags are from `shortest` to `longest`.
    """

    def __init__(self, size: int, shortest: int, longest: int) -> None:
        if not 0 < shortest <= longest:
            raise ValueError(f"lags from {shortest} to {longest} make no range")
        self.size = size
        self.shortest = shortest
        self.longest = longest
        self._rise = _rise(size)

    def forward(self, sound: Frame) -> Splice:
        """Begin with the first `size` samples of `sound` and end `lag` later: shortens.

        `sound` has size + longest samples; go on with the sample after size + lag.
        """
        here = sound[: self.size]
        lag, likeness = self._best(here, sound[self.shortest :])
        lag += self.shortest
        return Splice(self._fade(here, sound[lag : lag + self.size]), lag, likeness)

    def backward(self, sound: Frame) -> Splice:
        """Begin with the last `size` samples of `sound` and end `lag` earlier: lengthens.

        `sound` has longest + size samples; go on with the sample `lag` before its end.
        """
        here = sound[self.longest :]
        start, likeness = self._best(here, sound[: self.longest - self.shortest + self.size])
        lag = self.longest - start
        return Splice(self._fade(here, sound[start : start + self.size]), lag, likeness)

    def _fade(self, first: Frame, second: Frame) -> Frame:
        return first + (second - first) * self._rise

    def _best(self, here: Frame, search: Frame) -> tuple[int, float]:
        """Where in `search` the sound is most like `here`."""
        products = np.correlate(search, here, "valid")
        squares = np.cumsum(np.concatenate((np.zeros(1), np.square(search, dtype=np.float64))))
        energies = squares[self.size :] - squares[: -self.size]
        own = float(np.dot(here, here))
        if own < _QUIET * self.size and float(energies.max()) < _QUIET * self.size:
            return len(products) // 2, 1.0
        likeness = products / np.sqrt(energies * own + 1e-12)
        best = int(np.argmax(likeness))
        return best, float(likeness[best])


@cache
def _rise(size: int) -> Frame:
    """The rising half of a raised cosine; one for all, since nobody writes to it."""
    rise: Frame = (0.5 - 0.5 * np.cos(np.pi * (np.arange(size) + 0.5) / size)).astype(np.float32)
    rise.setflags(write=False)
    return rise
