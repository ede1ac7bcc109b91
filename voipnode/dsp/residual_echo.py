"""How loud what is left of the echo is at each frequency, behind the echo canceller.

Four things are left: echo that the filter has not found yet, in proportion to what it has found, now and of the frames
just before; the room's late part, from beyond the filter's tail; and what the loudspeaker's distortion spreads over
other frequencies. Each has a shape in time and frequency that is known, and a coefficient for each band that is not.
Those are learned from the error while the far end speaks: a coefficient rises by little where the error is louder than
the model, and falls by more where it is softer, so that the model becomes the 40 % quantile of the error. A quantile
does not care how loud the near end is, only how often it speaks.

Where the room itself has changed, all bands are louder than the model, as with the near end speaking; but the error
then still rises and falls with the echo, and regression of one's power on the other's tells (Valin, "On adjusting the
learning rate in frequency domain echo cancellation with double-talk", IEEE Trans. Audio, Speech and Language Processing
15, 2007), and keeps the coefficients from rising where both ends have spoken from the beginning. Before anything is
known, the loudspeaker is taken to be twice as loud at the microphone as it is played; that fades in a second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.spectral_frames import Bins, bin_count, window_energy

_FIRST_BAND_BINS, _BAND_GROWTH = 2.0, 1.18
_LATE_FRAMES = 20  # where the canceller's tail ends
_RINGING = np.float32(0.7)  # of the echo's power, from frame to frame: what it was just before
_REVERBERATION = np.float32(0.9)  # the same, of a room whose sound fades by 60 dB in 1.3 s
_HELD = np.float32(0.85)  # of the far end's power, while nothing is known of the delay
_PEAK_KEPT = 0.999
_SILENT_FRAMES = 100
_NOTHING = 1e-9  # -90 dBFS
_AUDIBLE = 1e-7  # -70 dBFS: a far end softer than that teaches nothing

_BEGIN = ((0.1,), (0.1,), (0.001,), (0.001,))
_LEAST = np.array(((3e-5,), (3e-5,), (3e-6,), (1e-6,)), dtype=np.float32)
_MOST = np.array(((1.0,), (1.0,), (0.003,), (0.03,)), dtype=np.float32)
_RISE, _FALL = 0.4, -0.6  # where the error is louder than the model, and where it is softer
_RATE, _FIRST_RATE, _FIRST_FRAMES = 0.12, 0.36, 100  # in every second frame
_LEAST_SHARE = np.float32(0.02)
_QUANTILE_TO_MEAN = np.float32(3.0)

# A near end: so many of the bands louder than the model by so much. Then little is learned.
_NEAR_EXCESS, _NEAR_SHARE, _NEAR_RATE = np.float32(20.0), 0.4, 0.15
_NEAR_COMES, _NEAR_GOES = 0.5, 0.2

# In the frames between them.
_MEAN_STEP, _REGRESSION_STEP, _LEAST_REGRESSION_STEP = np.float32(0.2), 0.02, 2e-4
_REGRESSION_TRUST = np.float32(0.15)
_REGRESSION_BOUND = np.float32(1.0)

_COUPLING = 2.0  # of the loudspeaker to the microphone, as a power, before anything is known
_COUPLING_ABOVE = np.float32(4.0)
_COUPLING_FADES, _COUPLING_LINGERS = np.float32(0.06), np.float32(0.01)
_FOUND = np.float32(0.1)  # of what is heard: the canceller's echo, where it knows one
_COUPLING_STEP, _COUPLING_MEMORY = np.float32(0.1), np.float32(0.3)


class ResidualEcho:
    """Estimates the power of the residual echo, shape (bins,), from the powers of the canceller's signals; 8 or 16 kHz,
    frames of 10 ms."""

    def __init__(self, rate_hz: int) -> None:
        bins = bin_count(rate_hz)
        edges = _band_edges(bins)
        self._widths = np.diff(edges).astype(np.float32)
        count = len(self._widths)
        self._band_of_bin = np.repeat(np.arange(count), np.diff(edges))
        self._to_bands = np.zeros((bins, count), dtype=np.float32)
        self._to_bands[np.arange(bins), self._band_of_bin] = 1
        self._spread = self._widths / np.float32(bins)
        self._audible = self._widths * np.float32(window_energy(rate_hz) * _AUDIBLE)
        self._nothing = bins * window_energy(rate_hz) * _NOTHING
        # Error, noise, echo, echo ringing on, late far end, far end held.
        self._powers = np.zeros((6, bins), dtype=np.float32)
        # Weights of all that is added up: a product of rows takes a third of the time of a sum.
        self._every_bin = np.ones(bins, dtype=np.float32)
        self._every_band = np.ones(count, dtype=np.float32)
        self._every_part = np.ones(4, dtype=np.float32)
        self._weights = np.full(4, _QUANTILE_TO_MEAN, dtype=np.float32)
        self._past_far = np.zeros((_LATE_FRAMES, bins), dtype=np.float32)
        self._shapes = np.zeros((4, count), dtype=np.float32)
        # Four coefficients of the model, regression, coupling.
        self._coefficients = np.zeros((6, count), dtype=np.float32)
        self._means = np.zeros((2, count), dtype=np.float32)
        self._products = np.zeros((2, count), dtype=np.float32)
        self._levels = np.zeros((2, count), dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        for state in (self._powers, self._past_far, self._means, self._levels):
            state[:] = 0
        self._coefficients[:4] = _BEGIN
        self._coefficients[4] = 0
        self._coefficients[5] = _COUPLING
        self._products[:] = 1e-12
        self._frames = 0
        self._silent = 0
        self._near = 0.0
        self._peak = 0.0

    def update(self, error: Bins, echo: Bins, far: Bins, noise: Bins) -> Bins | None:
        """The residual echo's power in this frame, a new array; None where the far end has been silent for so long that
        nothing can be left. All are powers, shape (bins,)."""
        is_heard = far.dot(self._every_bin) > self._nothing or echo.dot(self._every_bin) > self._nothing
        self._silent = 0 if is_heard else self._silent + 1
        if self._silent >= _SILENT_FRAMES:
            if self._silent == _SILENT_FRAMES:
                self._powers[:] = self._past_far[:] = 0
            return None
        bands = self._follow(error, echo, far, noise)
        shapes = self._shapes
        shapes[:3] = bands[2:5]
        distortion = self._distortion(float(bands[3].dot(self._every_band)))
        np.multiply(self._spread, distortion, out=shapes[3])
        parts = self._coefficients[:4] * shapes
        expected = self._every_part.dot(parts)
        played = bands[5] > self._audible
        if np.count_nonzero(played):
            heard = bands[0] - bands[1]
            np.maximum(heard, 0, out=heard)
            if self._frames % 2:
                active = expected * (2 * _QUANTILE_TO_MEAN) > bands[1]
                active &= played
                if np.count_nonzero(active):
                    self._learn(heard, parts, expected, active, bands[3])
            else:
                self._regress(bands)
                self._couple(bands, heard, played)
        return self._residual(distortion)

    def _follow(self, error: Bins, echo: Bins, far: Bins, noise: Bins) -> NDArray[np.float32]:
        """Take in a frame; returns the powers' sums over bands, shape (6, bands)."""
        powers, past = self._powers, self._past_far[self._frames % _LATE_FRAMES]
        ringing, late, held = powers[3:]
        powers[0], powers[1], powers[2] = error, noise, echo
        ringing *= _RINGING
        ringing += echo
        late *= _REVERBERATION
        late += past
        past[:] = far
        held *= _HELD
        np.maximum(held, far, out=held)
        self._frames += 1
        bands: NDArray[np.float32] = powers.dot(self._to_bands)
        return bands

    def _learn(
        self,
        heard: NDArray[np.float32],
        parts: NDArray[np.float32],
        expected: NDArray[np.float32],
        active: NDArray[np.bool_],
        ringing: NDArray[np.float32],
    ) -> None:
        """Move the model's coefficients towards what was heard, each by its share in what was expected."""
        far_above = np.count_nonzero((heard > expected * _NEAR_EXCESS) & active) / np.count_nonzero(active)
        self._near += (_NEAR_COMES if far_above > self._near else _NEAR_GOES) * (far_above - self._near)
        rise = _RISE * (_NEAR_RATE if self._near > _NEAR_SHARE else 1.0)
        rate = _RATE if self._frames > _FIRST_FRAMES else _FIRST_RATE
        move = np.where(heard > expected, np.float32(rise * rate), np.float32(_FALL * rate))
        move *= active
        regressed = self._coefficients[4] * (_REGRESSION_BOUND / _REGRESSION_TRUST)
        too_much = parts[0] + parts[1] > regressed * ringing
        model = self._coefficients[:4]
        parts /= expected + np.float32(1e-20)
        np.maximum(parts, _LEAST_SHARE, out=parts)
        parts *= move
        np.minimum(parts[:2], np.where(too_much, np.float32(_FALL * rate), np.float32(np.inf)), out=parts[:2])
        model *= np.exp(parts, out=parts)
        np.maximum(model, _LEAST, out=model)
        np.minimum(model, _MOST, out=model)

    def _regress(self, bands: NDArray[np.float32]) -> None:
        """The error's power on the echo's, both without their means."""
        pair = bands[0:4:3]
        self._means += _MEAN_STEP * (pair - self._means)
        apart = pair - self._means
        error_power, echo_power = pair.dot(self._every_band).tolist()
        loudness = echo_power / (error_power + 1e-12)
        step = np.float32(max(_REGRESSION_STEP * min(1.0, loudness), _LEAST_REGRESSION_STEP))
        products = self._products
        apart *= apart[1].copy()
        apart -= products
        apart *= step
        products += apart
        leakage = products[0] / products[1]
        leakage *= _REGRESSION_TRUST
        np.minimum(np.maximum(leakage, 0, out=leakage), _REGRESSION_TRUST, out=self._coefficients[4])

    def _couple(self, bands: NDArray[np.float32], heard: NDArray[np.float32], played: NDArray[np.bool_]) -> None:
        """Where less is heard than the loudspeaker was thought to give, it gives less; what the canceller has begun to
        find need not be guessed."""
        levels, coupling = self._levels, self._coefficients[5]
        levels[0] += _COUPLING_MEMORY * (heard - levels[0])
        levels[1] += _COUPLING_MEMORY * (bands[5] - levels[1])
        change = _COUPLING_ABOVE * levels[0] / (levels[1] + np.float32(1e-12)) - coupling
        change *= played
        coupling += _COUPLING_STEP * np.minimum(change, 0, out=change)
        fading = np.where(bands[3] > heard * _FOUND, _COUPLING_FADES, _COUPLING_LINGERS)
        fading *= played
        coupling -= coupling * fading

    def _distortion(self, ringing: float) -> float:
        """Of the loudspeaker, which grows faster than its level."""
        self._peak = max(self._peak * _PEAK_KEPT, ringing, 1e-9)
        return ringing * ringing / self._peak

    def _residual(self, distortion: float) -> Bins:
        """The model, bin by bin: never less than what regression says, and what the loudspeaker must be giving."""
        each, powers = self._coefficients.take(self._band_of_bin, axis=1), self._powers
        parts, least = each[:4], each[4:]
        parts[:3] *= powers[2:5]
        self._weights[3] = float(_QUANTILE_TO_MEAN) * distortion / len(self._every_bin)
        residual: Bins = self._weights.dot(parts)
        least *= powers[3::2]
        np.maximum(residual, least[0], out=residual)
        np.maximum(residual, least[1], out=residual)
        return residual


def _band_edges(bins: int) -> list[int]:
    """Bands of 100 Hz at first, and ever wider, about as the ear's are."""
    edges, width = [0], _FIRST_BAND_BINS
    while edges[-1] < bins:
        edges.append(min(bins, edges[-1] + round(width)))
        width *= _BAND_GROWTH
    if edges[-1] - edges[-2] < 3:
        edges.pop(-2)
    return edges
