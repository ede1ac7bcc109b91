"""The bridge at the door: joins microphone and loudspeaker with the legs of the calls that are active.

It wants the media clock and the audio device only while a leg carries audio.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from voipnode.calls.door_leg import DoorLeg
from voipnode.calls.door_measurement import DoorMeasurement
from voipnode.calls.hooks import AudioDevice
from voipnode.calls.ports import Ticker
from voipnode.media.bridge import Bridge, MediaPort


class Party(MediaPort, Protocol):
    """Who talks with the door, or is only heard there: a SIP leg, the sound of a call that rings."""

    def send(self, now: float) -> None:
        """Put on the wire what the tick has made ready."""
        ...


class DoorBridge:
    """The door leg and, while calls ring or are active, their parties; ticks with the media clock.

    A `measurement` that is under way at the device gives way to the first of them.
    """

    def __init__(self, device: AudioDevice, clock: Ticker, measurement: DoorMeasurement | None = None) -> None:
        self._door = DoorLeg(device)
        self._clock = clock
        self._measurement = measurement
        self._bridge = Bridge(device.rate_hz)
        self._bridge.join(self._door)
        self._legs: list[Party] = []
        self._unsubscribe: Callable[[], None] | None = None

    def join(self, leg: Party) -> None:
        """Let the leg hear the door and be heard there; one that is on the bridge may have agreed on other codecs."""
        if leg in self._legs:
            self._bridge.fit()
            return
        self._legs = [*self._legs, leg]
        self._bridge.join(leg)
        if self._unsubscribe is None:
            if self._measurement is not None:
                self._measurement.give_way()
            self._door.start()
            self._unsubscribe = self._clock.subscribe(self._tick, self._send)

    def leave(self, leg: Party) -> None:
        """Take the leg off; does nothing when it is not on the bridge."""
        if leg not in self._legs:
            return
        self._legs = [other for other in self._legs if other is not leg]
        self._bridge.leave(leg)
        if not self._legs and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
            self._door.stop()
            if self._measurement is not None:
                self._measurement.free()

    def _tick(self, now: float) -> None:
        self._bridge.tick(now)

    def _send(self, now: float) -> None:
        for leg in self._legs:
            leg.send(now)
