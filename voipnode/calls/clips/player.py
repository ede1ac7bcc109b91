"""A clip that is being played, 10 ms at a time."""

from __future__ import annotations

import numpy as np

from voipnode.dsp.fader import Fader, factor
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.media.bridge import FramePort
from voipnode.media.rates import RateAdapter

FADE_OUT_FRAMES = 5  # 50 ms: no click, and gone before anybody has spoken
FOR_EVER = -1


class ClipPlayer(FramePort):
    """Plays `samples` (mono float32 at `rate_hz`) from their beginning, and `repeat` times more; `FOR_EVER`: until it
    is stopped. `over`: nothing more comes. As a port of a bridge it hears nothing.

    Frames are at `rate_hz` until `run_at` asks for another rate.
    """

    def __init__(self, samples: Frame, rate_hz: int, *, gain_db: float = 0.0, repeat: int = 0) -> None:
        if not len(samples):
            raise ValueError("a clip without sound cannot be played")
        self.codec_rate_hz = rate_hz
        self.over = False
        self.begun = False
        self._samples = samples
        self._size = rate_hz // FRAMES_PER_S
        self._gain = factor(gain_db)
        self._fader = Fader(rate_hz, self._gain)
        self._left = repeat
        self._at = 0
        self._fading = 0  # frames until it has faded out; 0: it does not
        self._adapter = RateAdapter(rate_hz, rate_hz)
        self._silence: Frame = np.zeros(self._size, np.float32)

    def run_at(self, rate_hz: int) -> None:
        """Frames are of `rate_hz` from now on."""
        self._adapter.fit(self.codec_rate_hz, rate_hz)
        self._silence = np.zeros(rate_hz // FRAMES_PER_S, np.float32)

    def stop(self) -> None:
        """Fade out within 50 ms, and be over."""
        if not self.begun:
            self.over = True
        elif not self._fading:
            self._fading = FADE_OUT_FRAMES

    def pull(self, now: float) -> Frame:
        """The next 10 ms; silence when it is over."""
        if self.over:
            return self._silence
        self.begun = True
        gain = self._gain
        if self._fading:
            self._fading -= 1
            gain *= self._fading / FADE_OUT_FRAMES
            self.over = not self._fading
        return self._adapter.frame(self._fader.process(self._next(), gain))

    def push(self, frame: Frame, now: float) -> None:
        """It hears nothing."""

    def _next(self) -> Frame:
        piece = self._samples[self._at : self._at + self._size]
        self._at += len(piece)
        if len(piece) == self._size:
            return piece
        filled = np.zeros(self._size, np.float32)
        filled[: len(piece)] = piece
        have = len(piece)
        while have < self._size:
            if self._left == 0:
                self.over = True
                break
            self._left -= self._left > 0
            self._at = min(len(self._samples), self._size - have)
            filled[have : have + self._at] = self._samples[: self._at]
            have += self._at
        return filled
