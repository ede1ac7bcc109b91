"""Linear prediction of sound: what comes next, and what came before, from what is known beside it.

Coefficients are those that predict the known sound best in both directions of time, by least squares: the modified
covariance method (Marple, "A new autoregressive spectrum analysis algorithm", IEEE Trans. ASSP 28, 1980). It needs no
window, so that 30 ms are enough to tell the pitch of a voice. The order reaches over a pitch period, so that one model
carries on both the formants and the pitch.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from voipnode.dsp.frames import Frame

Products: TypeAlias = NDArray[np.float64]

_REGULARISATION = 3e-3  # of the mean energy: keeps what is hardly in the sound from being predicted loudly
_GROWTH = 2.0  # of the response's energy from its first quarter to its last. Least squares promises no stability
_WILD = 1e6  # what no voice does in so few samples
_DRAWN_IN = 0.99
_SHORTEST = 40  # samples of response in which growth can be seen
_SILENT = 1e-9


class Model(NamedTuple):
    """`taps`: 1, -c1, -c2, ... of the prediction-error filter; `error`: energy of what it leaves."""

    taps: NDArray[np.float64]
    error: float

    def extend(self, sound: Frame, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`count` samples that follow `sound`, and how uncertain each is (variance, in units of `error`)."""
        order = len(self.taps) - 1
        # What the known samples alone contribute to each of the next ones; the response to it is the extension.
        known = -np.convolve(sound[-order:], self.taps)[order : order + min(order, count)]
        response = self._stable(count)
        return np.convolve(known, response)[:count], np.cumsum(np.square(response))

    def _stable(self, count: int) -> NDArray[np.float64]:
        """The first `count` samples of the impulse response, with the poles drawn in until it does not grow."""
        taps = self.taps
        # First over a short time, in which even the wildest response cannot grow out of bounds.
        short = 2 * len(taps) + _SHORTEST
        for size, growth in ((_SHORTEST, _WILD), (short, _GROWTH), (max(count, short), _GROWTH)):
            quarter = size // 4
            response = _response(taps, size)
            while np.square(response[-quarter:]).sum() > growth * np.square(response[:quarter]).sum():
                taps = taps * _DRAWN_IN ** np.arange(len(taps))
                response = _response(taps, size)
        return response[:count]


def products(sound: Frame, order: int) -> Products:
    """What `fit` needs to know of a stretch of sound (longer than `order`); those of several stretches may be added.

    The sums of products of the samples i and j places after t, over all t. The same for sound turned round in time.
    """
    size, rows = len(sound), len(sound) - order
    known = np.zeros(size + order)
    known[:size] = sound
    # Of two samples `lag` apart, summed up to each t; differences of these are the sums over any stretch. Matrix
    # multiplication would be shorter, and would wake OpenBLAS's threads, which cost a hundred times more than the work.
    sums = np.zeros((order + 1, size + 1))
    np.cumsum(sliding_window_view(known, size) * known[:size], axis=1, out=sums[:, 1:])
    by_lag = sums[:, rows : rows + order + 1] - sums[:, : order + 1]
    lags, firsts = _places(order)
    forward = by_lag[lags, firsts]
    both: Products = forward + forward[::-1, ::-1]
    return both


@cache
def _places(order: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each pair of samples, how far they are apart and which is the first."""
    places = np.arange(order + 1)
    return np.abs(places[:, None] - places), np.minimum(places[:, None], places)


def fit(of: Products, radius: float = 1.0) -> Model:
    """The model with the smallest squared error of prediction, forward and backward together; its poles then drawn in
    by `radius`, so that what it extends dies away."""
    order = len(of) - 1
    known, wanted = of[:order, :order].copy(), of[:order, order]
    known.flat[:: order + 1] += _REGULARISATION * np.trace(known) / order + _SILENT
    weights = np.linalg.solve(known, wanted)
    taps = np.concatenate(((1.0,), -weights[::-1]))
    return Model(taps * radius ** np.arange(order + 1), max(float(of[order, order] - weights @ wanted), _SILENT))


def _response(taps: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The first `count` samples of the impulse response of 1/taps: Newton's iteration for the reciprocal of a power
    series, which doubles the number of right ones at each step."""
    found = np.ones(1)
    while len(found) < count:
        size = min(2 * len(found), count)
        rest = -np.convolve(found, taps[:size])[:size]
        if len(rest) < size:
            rest = np.concatenate((rest, np.zeros(size - len(rest))))
        rest[0] += 2
        found = np.convolve(found, rest)[:size]
    return found
