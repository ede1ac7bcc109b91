"""What the loudspeaker is given: at its gain, within full scale."""

from __future__ import annotations

from voipnode.dsp.fader import Fader, factor
from voipnode.dsp.frames import Frame
from voipnode.dsp.front_end_options import FrontEndOptions
from voipnode.dsp.limiter import Limiter


class Loudspeaker:
    """Gain, mute and limiter for frames of 10 ms at `rate_hz`, float32; no delay. What comes out is what the echo
    canceller has to know as the far end. `options` may change at any frame."""

    latency_samples = 0

    def __init__(self, rate_hz: int, options: FrontEndOptions) -> None:
        self.options = options
        self._fader = Fader(rate_hz, _gain_of(options))
        self._limiter = Limiter(rate_hz)

    def process(self, frame: Frame) -> Frame:
        """The next 10 ms: the same array where nothing is done to it, or a new one."""
        gain = _gain_of(self.options)
        if gain == self._fader.gain == self._limiter.gain == 1.0:
            return frame
        return self._limiter.process(self._fader.process(frame, gain).copy())


def _gain_of(options: FrontEndOptions) -> float:
    return 0.0 if options.output_muted else factor(options.output_gain_db)
