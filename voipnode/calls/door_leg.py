"""The door as a leg: microphone and loudspeaker on the bridge."""

from __future__ import annotations

import numpy as np

from voipnode.calls.hooks import AudioDevice, Frame
from voipnode.media.bridge import FramePort
from voipnode.media.rates import RateAdapter


class DoorLeg(FramePort):
    """Joins an `AudioDevice` to a bridge; the device runs only while somebody wants its audio.

    One exchange per tick: the loudspeaker gets what the bridge mixed in the tick before, the microphone's frame is
    of this tick. Between the device's rate and the bridge's it resamples, once for all parties.
    """

    def __init__(self, device: AudioDevice) -> None:
        self._device = device
        self._loudspeaker: Frame = np.zeros(device.rate_hz // 100, np.float32)
        self._running = False
        self._inward = RateAdapter(device.rate_hz, device.rate_hz)
        self._outward = RateAdapter(device.rate_hz, device.rate_hz)

    codec_rate_hz = 0  # none of its own: it follows the others

    def run_at(self, rate_hz: int) -> None:
        """The bridge's frames are of `rate_hz` from now on."""
        self._inward.fit(self._device.rate_hz, rate_hz)
        self._outward.fit(rate_hz, self._device.rate_hz)

    def start(self) -> None:
        """Wake the device; does nothing when it runs."""
        if not self._running:
            self._running = True
            self._loudspeaker.fill(0.0)
            self._device.start()

    def stop(self) -> None:
        """Put the device to rest; does nothing when it rests."""
        if self._running:
            self._running = False
            self._device.stop()

    def pull(self, now: float) -> Frame:
        """What the microphone hears; 10 ms."""
        return self._inward.frame(self._device.exchange(self._loudspeaker))

    def push(self, frame: Frame, now: float) -> None:
        """What the loudspeaker plays next; 10 ms."""
        np.copyto(self._loudspeaker, self._outward.frame(frame))
