"""The receiving half of an audio stream: payloads in by payload type, frames of what the far side says out.

payload type -> codec -> decoder -> jitter buffer, at the codec's own rate -> resampling -> frames
"""

from __future__ import annotations

from collections.abc import Mapping

from voipnode.codecs.registry import CodecType, Decoder, comfort_noise
from voipnode.dsp.frames import Frame
from voipnode.media.jitter import JitterBuffer
from voipnode.media.rates import RateAdapter

STATIC_NOISE = 13  # comfort noise at 8000 Hz (RFC 3389 §4)


class SoundReceiver:
    """Plays one source. `limit_hz`: no codec is run at a higher rate. Frames are of `run_at`'s rate, at first of this.

    Decoders and the jitter buffer are made when they are first needed: many legs only ring, and half a second of sound
    is some kilobytes.
    """

    # Slots: as in `media.stream.AudioStream`.
    __slots__ = ("_adapter", "_buffer", "_decoders", "_frames_hz", "_limit_hz", "codec", "codecs")

    def __init__(self, limit_hz: int) -> None:
        self._limit_hz = self._frames_hz = limit_hz
        self.codecs: Mapping[int, CodecType] = {}
        self.codec: CodecType | None = None  # what the jitter buffer's rate and clock are of
        self._decoders: dict[int, Decoder] = {}
        self._buffer: JitterBuffer | None = None
        self._adapter = RateAdapter(limit_hz, limit_hz)

    # -- what was negotiated

    def configure(self, codecs: Mapping[int, CodecType]) -> None:
        """What payload types stand for from now on; decoders of those that stay the same go on.

        Comfort noise of 8000 Hz is understood where it was not agreed on, too: gateways send it so.
        """
        if STATIC_NOISE not in codecs and any(codec.clock_hz == 8000 for codec in codecs.values()):
            codecs = {**codecs, STATIC_NOISE: comfort_noise(8000)}
        self._decoders = {
            number: decoder for number, decoder in self._decoders.items() if codecs.get(number) is self.codecs[number]
        }
        self.codecs = codecs
        if self.codec is None:
            self._play_as(next(codec for codec in codecs.values() if codec.speech))

    @property
    def codec_rate_hz(self) -> int:
        """The highest rate of sound that the agreed codecs have here; 8000 before there are any."""
        speech = (codec for codec in self.codecs.values() if codec.speech)
        return max((codec.rate_within(self._limit_hz) for codec in speech), default=8000)

    @property
    def clock_hz(self) -> int:
        """What the timestamps of the packets count that are played."""
        return 8000 if self.codec is None else self.codec.clock_hz

    def run_at(self, rate_hz: int) -> None:
        """Frames are of `rate_hz` from now on."""
        self._frames_hz = rate_hz
        self._fit_frames()

    def _play_as(self, codec: CodecType) -> None:
        """Packets of this codec come: the jitter buffer changes to its rate and clock."""
        before, self.codec = self.codec, codec
        if before is not None and self._sound_form(before) != self._sound_form(codec):
            old, self._buffer = self._buffer, None
            if old is not None:
                self.buffer.take_counters(old)
                # Comfort noise has the rate of the speech around it.
                self._decoders = {kind: each for kind, each in self._decoders.items() if self.codecs[kind].speech}
        self._fit_frames()

    def _sound_form(self, codec: CodecType) -> tuple[int, int]:
        return codec.rate_within(self._limit_hz), codec.clock_hz

    def _fit_frames(self) -> None:
        rate_hz = self.codec.rate_within(self._limit_hz) if self.codec is not None else self._frames_hz
        self._adapter.fit(rate_hz, self._frames_hz)

    # -- sound

    @property
    def buffer(self) -> JitterBuffer:
        if self._buffer is None:
            rate_hz, clock_hz = (self._limit_hz, None) if self.codec is None else self._sound_form(self.codec)
            self._buffer = JitterBuffer(rate_hz, clock_hz)
        return self._buffer

    def put(self, kind: int, timestamp: int, payload: bytes, *, marker: bool = False, age_s: float = 0.0) -> bool:
        """Take a payload of one of `codecs`, whose packet came `age_s` ago; False: it came too late to be played."""
        codec = self.codecs[kind]
        if codec is not self.codec:
            if codec.speech:
                self._play_as(codec)
            elif codec.clock_hz != self.clock_hz or self.codec is None:
                return True
        buffer = self._buffer or self.buffer
        decoder = self._decoders.get(kind)
        if decoder is None:
            rate_hz = codec.rate_within(self._limit_hz) if codec.speech else buffer.rate_hz
            decoder = self._decoders[kind] = codec.decoder(rate_hz)
        return buffer.put(timestamp, payload, decoder, marker, int(age_s * buffer.rate_hz) if age_s else 0)

    def expect(self, kind: int) -> None:
        """Packets of that payload type come, but are played elsewhere."""
        codec = self.codecs[kind]
        if codec.speech and codec is not self.codec:
            self._play_as(codec)

    def mute(self, timestamp: int, duration: int, *, ended: bool) -> None:
        """Play silence in place of a telephone event."""
        self.buffer.mute(timestamp, duration, ended=ended)

    def forget(self) -> None:
        """What has come is not played any more."""
        if self._buffer is not None:
            self._buffer.reset()

    def new_source(self) -> None:
        """Somebody else speaks: what decoders remember is another's voice."""
        self.forget()
        self._decoders.clear()

    def begin_anew(self) -> None:
        """What comes next has nothing to do with what was played last, be it only as a sound that fades out."""
        old, self._buffer = self._buffer, None
        self._decoders.clear()
        if old is not None:
            self.buffer.take_counters(old)

    def skip(self, count: int) -> None:
        """Leave out frames that nobody asked for in their time, as far as there is sound for them."""
        if self._buffer is not None:
            self._buffer.skip(count)

    def pull(self) -> Frame:
        """The next 10 ms; silence before the first packet. The frame is the caller's to keep."""
        frame = (self._buffer or self.buffer).pull()
        return self._adapter.frame(frame) if self._adapter.busy else frame
