"""An HTTP client at the door's bridge: one voice that is heard there, and any number of ears."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from voipnode.calls.hooks import Frame
from voipnode.media.bridge import FramePort
from voipnode.media.byte_sound import MAX_FRAMES, ByteFormat, BytesFromSound, SoundFromBytes

PIECE_FRAMES = 10  # are to be fed at once of what comes in one piece, as a file does


class Ear:
    """One who hears the door. What it does not fetch within a second is lost, the oldest first."""

    def __init__(self, form: ByteFormat, leave: Callable[[Ear], None]) -> None:
        self.form = form
        self.lost = 0
        self._leave = leave
        self._waiting: deque[bytes] = deque()
        self._stirred = asyncio.Event()
        self._closed = False

    def hear(self, data: bytes) -> None:
        """10 ms."""
        if len(self._waiting) >= MAX_FRAMES:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(data)
        self._stirred.set()

    async def read(self) -> bytes:
        """What there is, as soon as there is any; b"" when the call is over."""
        while not self._waiting and not self._closed:
            self._stirred.clear()
            await self._stirred.wait()
        data = b"".join(self._waiting)
        self._waiting.clear()
        return data

    def end(self) -> None:
        """The call is over; what waits may still be read."""
        self._closed = True
        self._stirred.set()

    def close(self) -> None:
        """It listens no more."""
        self.end()
        self._leave(self)


class VmsLeg(FramePort):
    """The party of a call that a client answered. `on_over` is called when all that it sent has been heard."""

    def __init__(self, form: ByteFormat, ears: list[Ear], on_over: Callable[[float], None]) -> None:
        self.sound = SoundFromBytes(form)
        self.closed = False
        self._ears = ears  # the call's, which come and go
        self._on_over = on_over
        self._rate_hz = form.rate_hz
        self._coders: dict[str, BytesFromSound] = {}
        self._room = asyncio.Event()
        self.over = asyncio.Event()

    @property
    def codec_rate_hz(self) -> int:
        return max([self.sound.codec_rate_hz, *(ear.form.rate_hz for ear in self._ears)])

    def run_at(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self.sound.run_at(rate_hz)
        for coder in self._coders.values():
            coder.run_at(rate_hz)

    def pull(self, now: float) -> Frame:
        frame = self.sound.pull()
        if self.sound.has_room:
            self._room.set()
        return frame

    def push(self, frame: Frame, now: float) -> None:
        """What the door says, coded once for all ears of a format."""
        coded: dict[str, bytes] = {}
        for ear in self._ears:
            name = ear.form.name
            if name not in coded:
                coded[name] = self._coder(ear.form).push(frame)
            ear.hear(coded[name])

    def _coder(self, form: ByteFormat) -> BytesFromSound:
        coder = self._coders.get(form.name)
        if coder is None:
            coder = self._coders[form.name] = BytesFromSound(form)
            coder.run_at(self._rate_hz)
        return coder

    def send(self, now: float) -> None:
        """After the tick: it may be over by it."""
        if self.sound.over and not self.closed:
            self._on_over(now)

    async def feed(self, data: bytes) -> bool:
        """Take a piece of sound, waiting while a second of it is not yet heard; False: the call is over."""
        while not self.sound.has_room and not self.closed:
            self._room.clear()
            await self._room.wait()
        if not self.closed:
            self.sound.feed(data)
        return not self.closed

    def close(self) -> None:
        """The call is over."""
        self.closed = True
        self._room.set()
        self.over.set()
