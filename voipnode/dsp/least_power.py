"""How low the power at each frequency has been lately: what sounds all the time is at least not louder."""

from __future__ import annotations

import numpy as np

from voipnode.dsp.spectral_frames import Bins

_SPANS, _SPAN_FRAMES = 8, 25  # two seconds, forgotten by quarters
_STEP = np.float32(0.2)


class LeastPower:
    """Minimum of the smoothed power over the last two seconds (Martin, "Noise power spectral density estimation based
    on optimal smoothing and minimum statistics", IEEE Trans. Speech and Audio Processing 9, 2001).

    `power` is that minimum, shape (bins,), infinite before the first frame; steady noise is about three times as loud.
    """

    def __init__(self, bins: int) -> None:
        self.power: Bins = np.zeros(bins, dtype=np.float32)
        self._smooth: Bins = np.zeros(bins, dtype=np.float32)
        self._span: Bins = np.zeros(bins, dtype=np.float32)
        self._spans = np.zeros((_SPANS, bins), dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.power[:] = self._span[:] = self._spans[:] = np.inf
        self._frames = 0

    def update(self, heard: Bins) -> None:
        """Take in the power of a frame."""
        smooth = self._smooth
        if self._frames == 0:
            smooth[:] = heard
        smooth += (heard - smooth) * _STEP
        np.minimum(self._span, smooth, out=self._span)
        np.minimum(self.power, smooth, out=self.power)
        self._frames += 1
        if self._frames % _SPAN_FRAMES == 0:
            self._spans[self._frames // _SPAN_FRAMES % _SPANS] = self._span
            self._span[:] = smooth
            np.min(self._spans, axis=0, out=self.power)
