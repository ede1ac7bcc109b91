"""The bridge at the door: joins microphone and loudspeaker with the legs of the calls that are active.

It wants the media clock and the audio device only while a leg carries audio, or something is played.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from voipnode.calls.door_leg import DoorLeg, DoorSource, Playing
from voipnode.calls.door_measurement import DoorMeasurement
from voipnode.calls.hooks import AudioDevice
from voipnode.calls.ports import Ticker
from voipnode.calls.sound_wishes import SoundWishes, agree
from voipnode.dsp.front_end import FrontEndReport
from voipnode.dsp.front_end_options import PLAIN, FrontEndOptions
from voipnode.media.bridge import Bridge, MediaPort


class Party(MediaPort, Protocol):
    """Who talks with the door, or is only heard there: a SIP leg, the sound of a call that rings."""

    def send(self, now: float) -> None:
        """Hand to the network what the tick has made."""
        ...


class DoorBridge:
    """The door leg and, while calls ring or are active, their parties; ticks with the media clock.

    A `measurement` that is under way at the device gives way to the first of them. `options` say what is done with the
    door's sound; the parties may want it otherwise (`sound_wishes.agree`). Other rooms tick by its `clock` and take its
    `highest_hz` for the best rate of sound.
    """

    def __init__(
        self,
        device: AudioDevice,
        clock: Ticker,
        measurement: DoorMeasurement | None = None,
        options: FrontEndOptions = PLAIN,
    ) -> None:
        self._door = DoorLeg(device, options)
        self._options = options
        self._wishes: dict[Party, SoundWishes] = {}
        self._wanted: Counter[SoundWishes] = Counter()  # by how many: calls come and go more often than wishes
        self.clock = clock
        self._measurement = measurement
        self.highest_hz = device.rate_hz
        self._bridge = Bridge(device.rate_hz)
        self._bridge.join(self._door)
        self._legs: list[Party] = []
        self._ends: dict[DoorSource, Callable[[float], None]] = {}  # what happens when it is over
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def options(self) -> FrontEndOptions:
        """What is done with the door's sound where no account wants it otherwise; may be set at any time."""
        return self._options

    @options.setter
    def options(self, options: FrontEndOptions) -> None:
        self._options = options
        self._agree()

    @property
    def in_force(self) -> FrontEndOptions:
        """What is done with the door's sound now."""
        return self._door.options

    def report(self) -> FrontEndReport:
        """How the door's sound stands now."""
        return self._door.report()

    def join(self, leg: Party, wishes: SoundWishes | None = None) -> None:
        """Let the leg hear the door and be heard there; one that is on the bridge may have agreed on other codecs.

        `wishes`: of whoever hears the microphone by it; None: nobody does.
        """
        if wishes is not None and leg not in self._wishes:
            self._wishes[leg] = wishes
            self._wanted[wishes] += 1
            if self._wanted[wishes] == 1:
                self._agree()
        if leg in self._legs:
            self._bridge.fit()
            return
        self._legs = [*self._legs, leg]
        self._door.alone = False
        self._bridge.join(leg)
        if self._ends:
            self._bridge.fit()
        self._wake()

    def leave(self, leg: Party) -> None:
        """Take the leg off; does nothing when it is not on the bridge."""
        if leg not in self._legs:
            return
        self._legs = [other for other in self._legs if other is not leg]
        self._bridge.leave(leg)
        wishes = self._wishes.pop(leg, None)
        if wishes is not None:
            self._wanted[wishes] -= 1
            if not self._wanted[wishes]:
                del self._wanted[wishes]
                self._agree()
        self._door.alone = not self._legs
        if self._ends:
            self._bridge.fit()
        self._rest()

    def play(
        self,
        source: DoorSource,
        *,
        here: bool = True,
        away: bool = False,
        then: Callable[[float], None] = lambda now: None,
    ) -> None:
        """Play what the node itself makes: to the visitor (`here`), to the far sides of calls (`away`), or both.

        `then` is called with the time when it has come to its end; not where `silence` ends it before.
        """
        self._ends[source] = then
        self._door.sources = (*self._door.sources, Playing(source, here, away))
        self._bridge.fit()
        self._wake()

    def silence(self, source: DoorSource) -> None:
        """Play it no longer, from this moment on; one that is not played is nothing to complain about."""
        if self._ends.pop(source, None) is not None:
            self._door.sources = tuple(each for each in self._door.sources if each.source is not source)
            self._bridge.fit()
            self._rest()

    def _wake(self) -> None:
        if self._unsubscribe is None:
            self._door.start(deaf_s=self._measurement.give_way() if self._measurement is not None else 0.0)
            self._unsubscribe = self.clock.subscribe(self._tick)

    def _rest(self) -> None:
        if not self._legs and not self._ends and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
            self._door.stop()
            if self._measurement is not None:
                self._measurement.free()

    def _agree(self) -> None:
        self._door.options = agree(self._options, self._wanted)

    def _tick(self, now: float) -> None:
        self._bridge.tick(now)
        for leg in self._legs:
            leg.send(now)
        if self._ends:
            self._end_what_is_over(now)

    def _end_what_is_over(self, now: float) -> None:
        """Not within the tick: by an end the rate of the frames may change."""
        for each in self._door.sources:
            if each.source.over:
                then = self._ends.get(each.source)
                self.silence(each.source)
                if then is not None:
                    then(now)
