"""Reads audio files of strangers: one sound out of a few formats, or words that say why not.

FFmpeg knows hundreds of formats, playlists that fetch other files among them. Which of ours it is, is seen by the first
bytes, and FFmpeg is told to take it for nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import av
import numpy as np

from voipnode.calls.errors import CallError
from voipnode.dsp.frames import Frame

MAX_BYTES = 10_000_000
MAX_S = 120.0
MAX_CPU_S = 10.0
RATES_HZ = range(8000, 48_001)
_CODECS = {
    "au": ("pcm_mulaw", "pcm_s16be", "pcm_s8"),
    "wav": ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"),
    "mp3": ("mp3", "mp3float"),
    "ogg": ("opus", "vorbis", "libopus", "libvorbis"),
}
SUFFIXES = {"au": "au", "wav": "wav", "mp3": "mp3", "opus": "opus", "libopus": "opus", "vorbis": "vorbis"}


class ClipError(CallError):
    """A file that is no clip; the message says why."""


def read_clip(content: bytes, rate_hz: int, cpu_s: Callable[[], float]) -> Frame:
    """The sound of a file, mono at `rate_hz`, float32, full scale 1.0; channels are averaged.

    At most 10 MB, 120 s, two channels, 8 to 48 kHz; `cpu_s` gives the CPU time that this thread has had, of which
    reading may take 10 s. Blocks. Raises ClipError.
    """
    kind = _kind(content)
    until_s = cpu_s() + MAX_CPU_S
    room = round(MAX_S * rate_hz)
    pieces: list[Frame] = []
    try:
        with av.open(io.BytesIO(content), "r", format=kind, metadata_errors="replace") as container:
            for piece in _resampled(container, kind, rate_hz):
                pieces.append(piece)
                room -= len(piece)
                if room < 0:
                    raise ClipError(f"it is longer than {MAX_S:.0f} s")
                if cpu_s() > until_s:
                    raise ClipError(f"reading it takes more than {MAX_CPU_S:.0f} s")
    except (av.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        raise ClipError(f"it cannot be read as {kind}: {error}") from None
    if not any(len(piece) for piece in pieces):
        raise ClipError("there is no sound in it")
    return np.nan_to_num(np.concatenate(pieces), posinf=0.0, neginf=0.0)


def suffix_of(content: bytes) -> str:
    """What a file of this content is called: "au", "wav", "mp3", "opus" or "vorbis". Raises ClipError."""
    kind = _kind(content)
    return kind if kind != "ogg" else "opus" if b"OpusHead" in content[:256] else "vorbis"


def _kind(content: bytes) -> str:
    """The format, by the first bytes."""
    if len(content) > MAX_BYTES:
        raise ClipError(f"it has {len(content)} bytes; at most {MAX_BYTES} are right")
    if content[:4] == b".snd":
        return "au"
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return "wav"
    if content[:4] == b"OggS":
        return "ogg"
    if content[:3] == b"ID3" or (len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0):
        return "mp3"
    raise ClipError("it is none of au, wav, mp3, opus and vorbis")


def _resampled(container: av.container.InputContainer, kind: str, rate_hz: int) -> Iterator[Frame]:
    if len(container.streams) > 4 or not container.streams.audio:
        raise ClipError("there is no sound in it")
    stream = container.streams.audio[0]
    _check(stream, kind)
    resampler = av.AudioResampler(format="fltp", rate=rate_hz)
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.InvalidDataError:  # a damaged packet is a gap, as players have it
            continue
        for frame in frames:
            _check_frame(frame)
            for resampled in resampler.resample(frame):
                yield _mono(resampled)
    for rest in resampler.resample(None):
        yield _mono(rest)


def _check(stream: av.AudioStream, kind: str) -> None:
    context: av.AudioCodecContext | None = stream.codec_context  # None for a codec that FFmpeg does not know
    codec = context.name if context is not None else "something unknown"
    if codec not in _CODECS[kind]:
        raise ClipError(f"its sound is coded as {codec}; in {kind} {', '.join(_CODECS[kind])} are right")
    if context is not None and context.sample_rate not in RATES_HZ:
        raise ClipError(f"it has {context.sample_rate} samples a second; 8000 to 48000 are right")


def _check_frame(frame: av.AudioFrame) -> None:
    """What the head of a file promised may change within it."""
    if not 1 <= len(frame.layout.channels) <= 2:
        raise ClipError(f"it has {len(frame.layout.channels)} channels; one or two are right")
    if frame.sample_rate not in RATES_HZ:
        raise ClipError(f"it has {frame.sample_rate} samples a second; 8000 to 48000 are right")


def _mono(frame: av.AudioFrame) -> Frame:
    # Averaged here and not by the resampler, whose float mix adds 3 dB to what is the same on both channels.
    return np.ascontiguousarray(frame.to_ndarray().mean(axis=0), dtype=np.float32)
