"""The door's microphone for those who only listen: they hear it in calls, and wake it where no call does."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from voipnode.calls.hooks import AudioDevice, Frame, Hear, Subscription
from voipnode.calls.ports import Ticker

log = logging.getLogger(__name__)


class DoorMicrophone:
    """An `AudioDevice` that is another one, heard by listeners as well.

    Whoever starts it (a call, a measurement) exchanges sound with the device as ever. While nobody does and somebody
    listens, `clock` paces it, with silence at the loudspeaker. Then the device runs on from one to the next, so that a
    file at the microphone does not begin anew with a call. A listener that raises is told of in the log, and hears no
    more.
    """

    def __init__(self, device: AudioDevice, clock: Ticker) -> None:
        self.rate_hz = device.rate_hz
        self.description = device.description
        self._device = device
        self._clock = clock
        self._silence: Frame = np.zeros(device.rate_hz // 100, np.float32)
        self._listeners: tuple[tuple[Hear, str], ...] = ()
        self._used = False  # by whoever started it
        self._runs = False
        self._end_ticks: Callable[[], None] | None = None  # while it runs for listeners alone

    def listen(self, hear: Hear, *, who: str) -> Subscription:
        """Call `hear(heard, played)` for every 10 ms from now on; `who` names it in logs. The frames are not the
        listener's to change or keep."""
        entry = (hear, who)
        self._listeners = (*self._listeners, entry)
        self._settle()
        return Subscription(lambda: self._forget(entry))

    def start(self) -> None:
        self._used = True
        self._settle()

    def stop(self) -> None:
        self._used = False
        self._settle()

    def exchange(self, loudspeaker: Frame) -> Frame:
        heard = self._device.exchange(loudspeaker)
        for entry in self._listeners:
            hear, who = entry
            try:
                hear(heard, loudspeaker)
            except Exception:
                log.exception("%r failed to listen at the door, and hears no more", who)
                self._forget(entry)
        return heard

    def _forget(self, entry: tuple[Hear, str]) -> None:
        self._listeners = tuple(other for other in self._listeners if other is not entry)
        self._settle()

    def _settle(self) -> None:
        """Run or rest, as is wanted now."""
        alone = bool(self._listeners) and not self._used
        if not alone and self._end_ticks is not None:
            self._end_ticks()
            self._end_ticks = None
        if self._runs != (self._used or alone):
            self._runs = not self._runs
            if self._runs:
                self._device.start()
            else:
                self._device.stop()
        if alone and self._end_ticks is None:
            self._end_ticks = self._clock.subscribe(lambda _now: self._tick())

    def _tick(self) -> None:
        self.exchange(self._silence)
