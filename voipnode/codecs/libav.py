"""Codecs that FFmpeg's libraries bring along, through PyAV: frames of 16-bit samples in and out, one packet each."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from voipnode.codecs.codec import Unaided
from voipnode.codecs.pcm import Pcm, Samples, to_pcm, to_samples

NO_SOUND: Samples = np.zeros(0, np.float32)


class LibavEncoder:
    """One encoder of FFmpeg, by its name there; every frame has `ptime_ms` and gives one payload."""

    def __init__(self, name: str, rate_hz: int, ptime_ms: int, *, bit_rate: int | None = None) -> None:
        size = rate_hz * ptime_ms // 1000
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate = rate_hz
        context.layout = "mono"
        context.format = "s16"
        context.time_base = Fraction(1, rate_hz)
        context.options = {"frame_size": str(size)}  # else G.722's packets are 20 ms, whatever is given
        if bit_rate is not None:
            context.bit_rate = bit_rate
        context.open()
        self._context = context
        self._frame = av.AudioFrame(format="s16", layout="mono", samples=size)
        self._frame.sample_rate = rate_hz
        self._plane = self._frame.planes[0]

    def encode_frame(self, frame: Samples) -> bytes:
        return self.encode(to_pcm(frame))

    def encode(self, pcm: Pcm) -> bytes:
        """16-bit samples of one packet time to its payload."""
        self._frame.pts = None
        self._plane.update(pcm.tobytes())
        return b"".join(bytes(packet) for packet in self._context.encode(self._frame))


class LibavDecoder(Unaided):
    """One decoder of FFmpeg, by its name there."""

    def __init__(self, name: str, rate_hz: int) -> None:
        context = av.CodecContext.create(name, "r")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate = rate_hz
        context.layout = "mono"
        context.thread_count = 1
        self._context = context

    def decode_frame(self, payload: bytes) -> Samples:
        pcm = self.decode(payload)
        return to_samples(pcm) if len(pcm) else NO_SOUND

    def decode(self, payload: bytes) -> Pcm:
        """A payload to 16-bit samples; none where it is no payload."""
        if not payload:
            return np.zeros(0, np.int16)  # FFmpeg takes an empty packet for the end
        try:
            frames = self._context.decode(av.Packet(payload))
        except av.FFmpegError:
            return np.zeros(0, np.int16)
        pieces = [np.frombuffer(memoryview(frame.planes[0]), np.int16, frame.samples) for frame in frames]
        return pieces[0].copy() if len(pieces) == 1 else np.concatenate([np.zeros(0, np.int16), *pieces])
