"""A leg that only hears, or is only heard."""

from __future__ import annotations

import numpy as np

from voipnode.calls.hooks import Frame
from voipnode.calls.sip_leg import SipLeg
from voipnode.media.bridge import FrameEncoder


class OneWay:
    """Stands on a bridge in the leg's place. What it does not take part in is silence, so that packets go on flowing
    both ways: a router keeps the way open, and the far side's watch of silence hears that we are there."""

    def __init__(self, leg: SipLeg, *, hears: bool, speaks: bool) -> None:
        self._leg = leg
        self.hears, self.speaks = hears, speaks
        self.skip, self.push_coded, self.send = leg.skip, leg.push_coded, leg.send

    @property
    def codec_rate_hz(self) -> int:
        return self._leg.codec_rate_hz

    def run_at(self, rate_hz: int) -> None:
        self._leg.run_at(rate_hz)

    @property
    def shared_encoder(self) -> FrameEncoder | None:
        return self._leg.shared_encoder if self.hears else None

    def pull(self, now: float) -> Frame:
        said = self._leg.pull(now)  # taken in any case, or it would wait and grow old
        return said if self.speaks else np.zeros_like(said)

    def push(self, frame: Frame, now: float) -> None:
        self._leg.push(frame if self.hears else np.zeros_like(frame), now)
