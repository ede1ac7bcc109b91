"""Where frames of one rate meet a place that wants another."""

from __future__ import annotations

from voipnode.dsp.frames import Frame
from voipnode.dsp.resampling import Resampler

RATES_HZ = (8000, 16000, 48000)


class RateAdapter:
    """Frames of `in_hz` in, frames of `out_hz` out; either rate may change at any frame. Costs nothing while they are
    the same (`busy` is False); otherwise delays by `dsp.resampling.LATENCY_S`."""

    # Slots: as in `media.stream.AudioStream`.
    __slots__ = ("_resampler", "busy")

    def __init__(self, in_hz: int, out_hz: int) -> None:
        self._resampler: Resampler | None = None
        self.busy = False
        self.fit(in_hz, out_hz)

    def fit(self, in_hz: int, out_hz: int) -> None:
        """Rates from the next frame on; what was heard stays where they did not change."""
        if in_hz == out_hz:
            self._resampler = None
        elif self._resampler is None or (self._resampler.in_hz, self._resampler.out_hz) != (in_hz, out_hz):
            self._resampler = Resampler(in_hz, out_hz)
        self.busy = in_hz != out_hz

    def frame(self, frame: Frame) -> Frame:
        """The next 10 ms: the same array, or a new one."""
        return frame if self._resampler is None else self._resampler.frame(frame)
