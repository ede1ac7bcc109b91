"""Audio files of every format that clips may have, made by FFmpeg."""

from __future__ import annotations

import io

import av
import numpy as np

CODECS = {"au": "pcm_mulaw", "wav": "pcm_s16le", "mp3": "libmp3lame", "opus": "libopus", "vorbis": "vorbis"}
FORMATS = {"opus": "ogg", "vorbis": "ogg"}


def clip_file(
    kind: str, *, seconds: float = 0.5, rate_hz: int = 48000, hz: float = 440.0, layout: str = "mono"
) -> bytes:
    """A sine of amplitude 0.25 in a file of that kind."""
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    sound = (0.25 * 32767 * np.sin(2 * np.pi * hz * at)).astype(np.int16)
    return coded(sound, FORMATS.get(kind, kind), CODECS[kind], rate_hz, layout)


def coded(sound: np.ndarray, container: str, codec: str, rate_hz: int, layout: str = "mono") -> bytes:
    """int16 samples as a file; the same on every channel."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        strict = (
            {"strict": "experimental"} if codec == "vorbis" else {}
        )  # FFmpeg's own encoder, which knows stereo only
        layout = "stereo" if strict else layout
        stream = output.add_stream(codec, rate=rate_hz, layout=layout, options=strict)
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate_hz)
        channels = {"mono": 1, "stereo": 2}.get(layout, 6)
        for start in range(0, len(sound), rate_hz):
            piece = np.repeat(sound[start : start + rate_hz], channels)[None, :]
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout=layout)
            frame.sample_rate = rate_hz
            for resampled in resampler.resample(frame):
                output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))
    return buffer.getvalue()
