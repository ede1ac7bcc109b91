"""Sound as a stream of bytes, without packets and without times: how an HTTP body carries it.

It comes when it comes: a file as fast as the connection takes it, a microphone at the pace of its own crystal. What
comes faster than it is played is taken until a second waits, after which the sender has to wait; what comes a little
faster for long, without ever filling that second, is a crystal's drift, and loses 10 ms now and then.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from voipnode.codecs.codec import Decoder, Encoder
from voipnode.codecs.l16 import L16
from voipnode.codecs.registry import find_codec
from voipnode.dsp.fader import rise
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.media.errors import LocalError
from voipnode.media.rates import RateAdapter

START_FRAMES = 8  # 80 ms wait before the first is played, and again after a gap: networks come in lumps
MAX_FRAMES = 100  # a second
SPARE_FRAMES = 12  # more than so many all the time, of a sender that was never stopped, is delay for nothing
WATCH_FRAMES = 200  # how long "all the time" is
DROP_EVERY = 10  # frames, of which one is left out while there is delay for nothing
_AU_HEAD = 24
_MAX_AU_HEAD = 4096


@dataclass(frozen=True, slots=True)
class ByteFormat:
    """How samples are bytes: mono, of `rate_hz`, so many `sample_bytes` each."""

    name: str
    rate_hz: int
    sample_bytes: int

    @property
    def frame_bytes(self) -> int:
        """Of 10 ms."""
        return self.rate_hz // FRAMES_PER_S * self.sample_bytes


FORMATS = {
    form.name: form
    for form in (ByteFormat("PCMU/8000", 8000, 1), ByteFormat("L16/8000", 8000, 2), ByteFormat("L16/16000", 16000, 2))
}


def byte_format(name: str) -> ByteFormat:
    """The format of that name. Raises LocalError."""
    form = FORMATS.get(name)
    if form is None:
        raise LocalError(f"{name!r}: {', '.join(FORMATS)} are right")
    return form


def _encoder(form: ByteFormat) -> Encoder:
    return L16() if form.sample_bytes == 2 else find_codec(form.name).encoder(form.rate_hz)


class SoundFromBytes:
    """Bytes in, frames of 10 ms out. `dropped` and `gaps` count what drift and a sender that was late have cost.

    A body that begins with the head of an au file (".snd") is taken from behind it.
    """

    def __init__(self, form: ByteFormat) -> None:
        self.form = form
        self.dropped = 0
        self.gaps = 0
        self._decoder: Decoder = L16() if form.sample_bytes == 2 else find_codec(form.name).decoder(form.rate_hz)
        self._adapter = RateAdapter(form.rate_hz, form.rate_hz)
        self._begun = b""  # less than a frame, or than a head
        self._head_is_gone = False
        self._ended = False
        self._frames: deque[Frame] = deque()
        self._starting = True
        self._was_full = False
        self._lowest, self._watched = MAX_FRAMES, 0  # of those that wait, since when
        self._excess = 0  # frames that are to be left out
        self._silence: Frame = np.zeros(form.rate_hz // FRAMES_PER_S, np.float32)

    @property
    def codec_rate_hz(self) -> int:
        return self.form.rate_hz

    @property
    def waiting(self) -> int:
        """Frames that wait to be heard."""
        return len(self._frames)

    @property
    def has_room(self) -> bool:
        """Whether more is to be fed now."""
        return len(self._frames) < MAX_FRAMES

    @property
    def over(self) -> bool:
        """Whether all that came has been heard, and no more will come."""
        return self._ended and not self._frames

    def run_at(self, rate_hz: int) -> None:
        """Frames are of `rate_hz` from now on."""
        self._adapter.fit(self.form.rate_hz, rate_hz)

    def feed(self, data: bytes) -> None:
        """Take bytes as they come, in pieces of any length; beyond a second the oldest are lost."""
        data = self._begun + data
        if not self._head_is_gone:
            rest = self._behind_head(data)
            if rest is None:
                self._begun = data
                return
            data, self._head_is_gone = rest, True
        size = self.form.frame_bytes
        whole = len(data) // size * size
        self._begun = data[whole:]
        for at in range(0, whole, size):
            self._frames.append(self._decoder.decode_frame(data[at : at + size]))
        while len(self._frames) > 2 * MAX_FRAMES:
            self._frames.popleft()
            self.dropped += 1
        self._was_full = self._was_full or not self.has_room

    def _behind_head(self, data: bytes) -> bytes | None:
        """What follows the head of an au file; None while that cannot be said."""
        if not b".snd".startswith(data[:4]) and data[:4] != b".snd":
            return data
        if len(data) < _AU_HEAD:
            return None
        offset = int.from_bytes(data[4:8], "big")
        if not _AU_HEAD <= offset <= _MAX_AU_HEAD:
            return data
        return data[offset:] if len(data) >= offset else None

    def end(self) -> None:
        """No more will come; what waits is still heard."""
        self._ended = True
        self._starting = False

    def pull(self) -> Frame:
        """The next 10 ms; silence while nothing waits."""
        frames = self._frames
        if self._starting and len(frames) < START_FRAMES:
            return self._adapter.frame(self._silence)
        self._starting = False
        if not frames:
            if not self._ended:
                self._starting = True
                self.gaps += 1
                self._watch_anew()
            return self._adapter.frame(self._silence)
        frame = frames.popleft()
        self._lowest, self._watched = min(self._lowest, len(frames)), self._watched + 1
        if self._watched >= WATCH_FRAMES:
            excess = 0 if self._was_full else max(0, self._lowest - SPARE_FRAMES)
            self._watch_anew()
            self._excess = excess
        if self._excess and self._watched % DROP_EVERY == 1 and frames:
            frame = frame + rise(len(frame)) * (frames.popleft() - frame)  # faded over: no click
            self._excess -= 1
            self.dropped += 1
        return self._adapter.frame(frame)

    def _watch_anew(self) -> None:
        self._lowest, self._watched, self._was_full, self._excess = MAX_FRAMES, 0, not self.has_room, 0


class BytesFromSound:
    """Frames of any rate in, bytes out."""

    def __init__(self, form: ByteFormat) -> None:
        self.form = form
        self._encoder = _encoder(form)
        self._adapter = RateAdapter(form.rate_hz, form.rate_hz)

    def run_at(self, rate_hz: int) -> None:
        """Frames are of `rate_hz` from now on."""
        self._adapter.fit(rate_hz, self.form.rate_hz)

    def push(self, frame: Frame) -> bytes:
        """10 ms as bytes."""
        return self._encoder.encode_frame(self._adapter.frame(frame))
