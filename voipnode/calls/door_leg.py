"""The door as a leg: microphone and loudspeaker on the bridge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from voipnode.calls.hooks import AudioDevice, Frame
from voipnode.dsp.frames import FRAMES_PER_S
from voipnode.dsp.front_end import FrontEnd, FrontEndReport
from voipnode.dsp.front_end_options import PLAIN, FrontEndOptions
from voipnode.dsp.limiter import Limiter
from voipnode.dsp.loudspeaker import Loudspeaker
from voipnode.media.bridge import FramePort
from voipnode.media.rates import RateAdapter


class DoorSource(Protocol):
    """Sound that the node itself makes: a clip, a tone. `over`: nothing more comes of it."""

    over: bool

    @property
    def codec_rate_hz(self) -> int:
        """The rate that it has by itself."""
        ...

    def run_at(self, rate_hz: int) -> None:
        """Frames are of `rate_hz` from now on."""
        ...

    def pull(self, now: float) -> Frame:
        """The next 10 ms."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Playing:
    """A source, and who hears it: the visitor (`here`), the far sides of calls (`away`), or both."""

    source: DoorSource
    here: bool
    away: bool


class DoorLeg(FramePort):
    """Joins an `AudioDevice` to a bridge; the device runs only while somebody wants its audio.

    One exchange per tick: the loudspeaker gets what the bridge mixed in the tick before, the microphone's frame is
    of this tick. Between the device's rate and the bridge's it resamples, once for all parties. The microphone's sound
    passes the front end at the bridge's rate, which is the cheaper one: echo and voice beyond it are in nobody's ears,
    and the resamplers are to the echo canceller a part of the room. Where nothing is to be done it does not pass.
    """

    def __init__(self, device: AudioDevice, options: FrontEndOptions = PLAIN) -> None:
        self._device = device
        self._options = options
        self._front_ends: dict[int, FrontEnd] = {}  # by rate; from call to call they know the room
        self._plays: Frame = np.zeros(device.rate_hz // 100, np.float32)  # at the device's rate
        self._running = False
        self._deaf_frames = 0
        self._inward = RateAdapter(device.rate_hz, device.rate_hz)
        self._outward = RateAdapter(device.rate_hz, device.rate_hz)
        self._sources: tuple[Playing, ...] = ()
        self._also: Frame | None = None  # what the sources give the loudspeaker in this tick
        self.alone = True  # on its bridge
        self._use(device.rate_hz)

    @property
    def codec_rate_hz(self) -> int:
        """None of its own: it follows the others, or, where there are none, what is played to the visitor."""
        return max((each.source.codec_rate_hz for each in self._sources), default=0) if self.alone else 0

    @property
    def sources(self) -> tuple[Playing, ...]:
        """What is played; may be set. They run at the bridge's rate."""
        return self._sources

    @sources.setter
    def sources(self, sources: tuple[Playing, ...]) -> None:
        for each in sources:
            if each not in self._sources:
                each.source.run_at(self._rate_hz)
        self._sources = sources

    def run_at(self, rate_hz: int) -> None:
        """The bridge's frames are of `rate_hz` from now on."""
        self._inward.fit(self._device.rate_hz, rate_hz)
        self._outward.fit(rate_hz, self._device.rate_hz)
        self._use(rate_hz)

    def _use(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._far: Frame = np.zeros(rate_hz // 100, np.float32)  # what the loudspeaker plays, at the bridge's
        self._loudspeaker = Loudspeaker(rate_hz, self._options)
        self._limit_here, self._limit_away = Limiter(rate_hz), Limiter(rate_hz)
        for each in self._sources:
            each.source.run_at(rate_hz)
        self._front_end: FrontEnd | None = None
        if self._running:
            self._prepare()

    def _prepare(self) -> None:
        """A front end, where one is needed: made before the tick that has no time for it."""
        if self._front_end is None and not self._options.input_is_plain:
            known = self._front_ends.get(self._rate_hz)
            if known is None:
                known = self._front_ends[self._rate_hz] = FrontEnd(self._rate_hz, self._options)
            else:
                known.options = self._options
                known.pause()
            self._front_end = known

    @property
    def options(self) -> FrontEndOptions:
        """What is done with the sound now."""
        return self._options

    @options.setter
    def options(self, options: FrontEndOptions) -> None:
        self._options = self._loudspeaker.options = options
        if self._front_end is not None:
            self._front_end.options = options
        elif self._running:
            self._prepare()

    def report(self) -> FrontEndReport:
        """How the front end stands; all silence and nothing known where it is not needed."""
        return FrontEndReport() if self._front_end is None or not self._running else self._front_end.report()

    def start(self, *, deaf_s: float = 0.0) -> None:
        """Wake the device, and say nothing of what it hears for so long; does nothing when it runs."""
        if not self._running:
            self._running = True
            self._deaf_frames = math.ceil(deaf_s * FRAMES_PER_S)
            self._plays.fill(0.0)
            self._far.fill(0.0)
            self._front_end = None
            self._prepare()
            self._device.start()

    def stop(self) -> None:
        """Put the device to rest; does nothing when it rests."""
        if self._running:
            self._running = False
            self._device.stop()

    def pull(self, now: float) -> Frame:
        """What the far sides hear of the door, 10 ms: its microphone, and what is played to them."""
        heard = self._hear()
        return self._with_sources(heard, now) if self._sources else heard

    def _with_sources(self, heard: Frame, now: float) -> Frame:
        here, away = np.zeros_like(heard), heard.copy()
        for each in self._sources:
            frame = each.source.pull(now)
            if each.here:
                here += frame
            if each.away:
                away += frame
        self._also = here
        return self._limit_away.process(away)

    def _hear(self) -> Frame:
        """What the microphone hears."""
        heard = self._inward.frame(self._device.exchange(self._plays))
        if self._deaf_frames:
            self._deaf_frames -= 1
            heard = np.zeros_like(heard)
        front_end = self._front_end
        if front_end is None:
            return heard
        improved = front_end.process(self._far, heard)
        if front_end.at_rest:
            self._front_end = None
        return improved

    def push(self, frame: Frame, now: float) -> None:
        """What the loudspeaker plays next; 10 ms."""
        if self._also is not None:
            frame, self._also = self._limit_here.process(frame + self._also), None
        far = self._loudspeaker.process(frame)
        if self._front_end is not None:
            np.copyto(self._far, far)
        np.copyto(self._plays, self._outward.frame(far))
