"""By how much the loudspeaker's and the microphone's clocks differ, seen in how the room's response slides.

A filter that follows a drifting echo has its response move along the time axis. The slope of phase between two states
of its taps, weighted by their power and by frequency (least squares), is that movement; its quotient with the time
between is what is left of the drift.
"""

from __future__ import annotations

import numpy as np

from voipnode.dsp.spectra import Spectra

_LOOK_BLOCKS = 20
_LEAST_GAIN, _MOST_GAIN = 0.1, 0.7  # of what is seen, where that may be chance and where it is none
_CLEAR_PPM = 40.0
_ALIKE = 0.9  # less is another room, not a drift
_MOST_SEEN_PPM = 200.0  # in one look
MOST_PPM = 500.0


class DriftMeter:
    """Compares the taps around the direct sound every 0.2 s. `drift_ppm` is the sum of what it saw, the estimate.

    Positive: the microphone's clock is the faster one, the echo comes ever later.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._omega = (np.arange(size + 1) * (np.pi / size)).astype(np.float32)
        self._weight = np.square(self._omega)
        self.reset()

    def reset(self) -> None:
        """Forget the drift."""
        self.drift_ppm = 0.0
        self.forget()

    def forget(self) -> None:
        """The taps are others from now on; what was found of the drift stays."""
        self._before: Spectra | None = None
        self._blocks = 0

    def due(self) -> bool:
        """Count a block. True when it is time to look."""
        self._blocks += 1
        return self._blocks >= _LOOK_BLOCKS

    def look(self, taps: Spectra) -> None:
        """Take the taps of the direct sound's partitions."""
        blocks, self._blocks = self._blocks, 0
        before, self._before = self._before, taps.copy()
        if before is None:
            return
        product = (np.conj(before) * taps).sum(axis=0)
        powers = float(np.vdot(before, before).real) * float(np.vdot(taps, taps).real)
        weight = float(np.dot(self._weight, np.abs(product)))
        if powers <= 0 or weight <= 0:
            return
        later = -float(np.dot(self._omega, product.imag)) / weight
        likeness = float(np.dot(np.exp(1j * later * self._omega), product).real)
        if likeness < _ALIKE * powers**0.5:
            return
        seen = later * 1e6 / (blocks * self._size)
        gain = min(_LEAST_GAIN + abs(seen) / _CLEAR_PPM, _MOST_GAIN)
        self.drift_ppm += gain * min(max(seen, -_MOST_SEEN_PPM), _MOST_SEEN_PPM)
        self.drift_ppm = min(max(self.drift_ppm, -MOST_PPM), MOST_PPM)
