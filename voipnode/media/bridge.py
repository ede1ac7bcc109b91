"""A bridge joins legs: at every tick each one hears the sum of all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.limiter import Limiter
from voipnode.media.errors import LocalError
from voipnode.media.pace import Pace

Tap: TypeAlias = Callable[[Frame], None]
PushCoded: TypeAlias = Callable[[bytes, float], None]

LOWEST_HZ = 8000
MAX_LEGS = 4096  # a bound, not a wish: more than there can be calls


class FrameEncoder(Protocol):
    """An encoder without memory: what it makes of two frames after each other is what it makes of both at once."""

    def encode_frame(self, frame: Frame) -> bytes: ...


class MediaPort(Protocol):
    """A leg as a bridge sees it. Frames are float32, 10 ms, shape (rate_hz // 100,), and belong to whoever gets them
    until the next tick; neither call may block or raise."""

    @property
    def codec_rate_hz(self) -> int:
        """The highest rate of sound that the leg's codecs have any use for; 0: it does with any."""
        ...

    def run_at(self, rate_hz: int) -> None:
        """Frames are of `rate_hz` from now on."""
        ...

    def skip(self, count: int) -> None:
        """So many frames were left out by a clock that stood still too long."""
        ...

    def pull(self, now: float) -> Frame:
        """What this leg says."""
        ...

    def push(self, frame: Frame, now: float) -> None:
        """What this leg is to hear; must neither be kept nor changed."""
        ...

    @property
    def shared_encoder(self) -> FrameEncoder | None:
        """The encoder, the same object for all legs that can share it, whose work `push_coded` takes; None: only
        `push` will do."""
        ...

    def push_coded(self, coded: bytes, now: float) -> None:
        """What this leg is to hear, coded by `shared_encoder`; in place of `push`."""
        ...


class FramePort:
    """Base of legs that are always pushed frames, since they encode nothing."""

    shared_encoder: FrameEncoder | None = None

    def skip(self, count: int) -> None:
        """Nothing of it waits to be heard."""

    def push_coded(self, coded: bytes, now: float) -> None:
        raise LocalError("this leg takes frames only")


class Bridge:
    """Mixes the legs that joined it, each without itself ("mix-minus"), and lets taps hear single legs.

    It runs at the highest rate that a leg's codec has any use for, from 8000 up to `highest_hz`, so that legs of G.711
    alone do without resampling; all legs speak frames of that `rate_hz`. The sum is limited to full scale; two legs are
    exchanged without any arithmetic, a lone leg hears silence (so that its packets go on flowing). From three legs on,
    all that the legs of one codec hear is encoded in one go, where the codec has no memory.
    """

    def __init__(self, highest_hz: int = 8000) -> None:
        self._highest_hz = highest_hz
        self._seat([])
        self._taps: list[tuple[MediaPort, Tap]] = []
        self._pace = Pace()
        self._run_at(LOWEST_HZ)

    def fit(self) -> None:
        """Codecs were agreed anew: run at the rate that they need now. A change is heard as a breath of silence."""
        needed = max((leg.codec_rate_hz for leg in self._legs), default=LOWEST_HZ)
        rate_hz = max(LOWEST_HZ, min(needed, self._highest_hz))
        if rate_hz != self.rate_hz:
            self._run_at(rate_hz)
            for leg in self._legs:
                leg.run_at(rate_hz)

    def _run_at(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._size = rate_hz // FRAMES_PER_S
        self._silence: Frame = np.zeros(self._size, dtype=np.float32)
        self._silence.flags.writeable = False
        self._resize(0)

    def _resize(self, count: int) -> None:
        self._said: Frame = np.zeros((count, self._size), dtype=np.float32)
        self._total: Frame = np.zeros(self._size, dtype=np.float32)
        self._mix: Frame = np.zeros_like(self._said)
        self._limiter = Limiter(self.rate_hz, sounds=max(1, count))

    @property
    def legs(self) -> tuple[MediaPort, ...]:
        """The legs in the order they joined."""
        return tuple(self._legs)

    def _seat(self, legs: list[MediaPort]) -> None:
        """What each tick asks of all legs is looked up once: a leg is large, and long out of the processor's caches."""
        self._legs = legs
        self._pulls = [leg.pull for leg in legs]
        self._pushes_coded = [leg.push_coded for leg in legs]

    def join(self, leg: MediaPort) -> None:
        """Add a leg; raises `LocalError` when it is here already or the bridge is full (`MAX_LEGS`)."""
        if any(other is leg for other in self._legs):
            raise LocalError("this leg is on the bridge already")
        if len(self._legs) >= MAX_LEGS:
            raise LocalError(f"a bridge takes {MAX_LEGS} legs")
        self._seat([*self._legs, leg])
        leg.run_at(self.rate_hz)
        if leg.codec_rate_hz > self.rate_hz:
            self.fit()

    def leave(self, leg: MediaPort) -> None:
        """Take a leg off, with its taps; one that is not here is nothing to complain about."""
        self._seat([other for other in self._legs if other is not leg])
        self._taps = [(other, tap) for other, tap in self._taps if other is not leg]
        if not any(other.codec_rate_hz >= self.rate_hz for other in self._legs):  # nearly always the first one is
            self.fit()

    def tap(self, leg: MediaPort, tap: Tap) -> Callable[[], None]:
        """Let `tap` hear every frame that `leg` says, before mixing; it may neither keep nor change it.

        Returns the function that ends it. Raises `LocalError` when the leg is not on the bridge.
        """
        if not any(other is leg for other in self._legs):
            raise LocalError("this leg is not on the bridge")
        entry = (leg, tap)
        self._taps = [*self._taps, entry]

        def cancel() -> None:
            self._taps = [other for other in self._taps if other is not entry]

        return cancel

    def tick(self, now: float) -> None:
        """Move 10 ms: hear everybody, then tell everybody. Who joins or leaves in between counts from the next tick."""
        legs, pushes_coded = self._legs, self._pushes_coded
        if missed := self._pace.missed(now):
            for leg in legs:
                leg.skip(missed)
        said = [pull(now) for pull in self._pulls]
        if self._taps:
            self._feed_taps(legs, said)
        if len(legs) == 1:
            legs[0].push(self._silence, now)
        elif len(legs) == 2:
            legs[0].push(said[1], now)
            legs[1].push(said[0], now)
        elif legs:
            self._mix_minus(said)
            self._tell(legs, pushes_coded, now)

    def _feed_taps(self, legs: list[MediaPort], said: list[Frame]) -> None:
        for owner, tap in self._taps:
            for leg, frame in zip(legs, said, strict=True):
                if leg is owner:
                    tap(frame)

    def _tell(self, legs: list[MediaPort], pushes_coded: Sequence[PushCoded], now: float) -> None:
        sharing: dict[FrameEncoder, list[int]] = {}
        for number, leg in enumerate(legs):
            encoder = leg.shared_encoder
            if encoder is None:
                leg.push(self._mix[number], now)
            else:
                sharing.setdefault(encoder, []).append(number)
        for encoder, numbers in sharing.items():
            coded = encoder.encode_frame(self._mix[numbers].reshape(-1))
            size = len(coded) // len(numbers)
            for place, number in enumerate(numbers):
                pushes_coded[number](coded[place * size : (place + 1) * size], now)

    def _mix_minus(self, said: list[Frame]) -> None:
        if len(said) != len(self._said):
            self._resize(len(said))
        np.concatenate(said, out=self._said.reshape(-1))
        np.sum(self._said, axis=0, out=self._total)
        np.subtract(self._total, self._said, out=self._mix)
        # Headroom: the sum of several speakers may pass full scale in float32, and is limited only here.
        self._limiter.process(self._mix)
