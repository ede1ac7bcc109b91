"""Microphone and loudspeaker as files: what a test, a demonstration or a node without sound hardware uses."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from voipnode.calls.errors import CallError
from voipnode.calls.hooks import Frame
from voipnode.modules.audio.settings import TONE, AudioSettings
from voipnode.modules.audio.sources import Clip, Silence, Source, Tone

MAX_CLIP_S = 3600


class FilesDevice:
    """An `AudioDevice` whose microphone is a `Source`; what the loudspeaker plays is heard by nobody here
    (`recording.RecordedDevice` writes it to a file). The source begins anew at each `start`."""

    def __init__(self, rate_hz: int, source: Source) -> None:
        self.rate_hz = rate_hz
        self.description = f"files: microphone is {source.description}"
        self._source = source

    def start(self) -> None:
        self._source.rewind()

    def stop(self) -> None:
        return

    def exchange(self, loudspeaker: Frame) -> Frame:
        return self._source.read()


def make_source(settings: AudioSettings, rate_hz: int) -> Source:
    """The source that `settings.microphone` names. Reads a file whole, so it may take a while.

    Raises CallError, naming field and value, for a file that cannot be used or a tone too high for the rate.
    """
    if settings.microphone == "silence":
        return Silence(rate_hz)
    try:
        if match := TONE.fullmatch(settings.microphone):
            return Tone(rate_hz, float(match[1]), settings.tone_level_dbfs)
        path = Path(settings.microphone).expanduser()
        samples = load_audio(path, rate_hz)
        return Clip(samples, rate_hz, loop=settings.microphone_loop, description=f"the file {path}")
    except (OSError, ValueError) as error:
        raise CallError(f'audio.microphone = "{settings.microphone}": {error}') from error


def load_audio(path: Path, rate_hz: int) -> NDArray[np.int16]:
    """The sound of a file of any format that FFmpeg reads: resampled, channels averaged, cut after an hour.

    Raises OSError when it cannot be read, ValueError when there is no sound in it.
    """
    pieces: list[NDArray[np.int16]] = []
    room = MAX_CLIP_S * rate_hz
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise ValueError("there is no sound in this file")
            resampler = av.AudioResampler(format="fltp", rate=rate_hz)
            for frame in container.decode(container.streams.audio[0]):
                for resampled in resampler.resample(frame):
                    pieces.append(_mono(resampled))
                    room -= len(pieces[-1])
                if room <= 0:
                    break
            else:
                pieces.extend(_mono(rest) for rest in resampler.resample(None))
    except av.FFmpegError as error:
        raise OSError(f"cannot be read as sound: {error}") from error
    if not pieces:
        raise ValueError("there is no sound in this file")
    return np.concatenate(pieces)[: MAX_CLIP_S * rate_hz]


def _mono(frame: av.AudioFrame) -> NDArray[np.int16]:
    # Averaged here and not by the resampler, whose float mix adds 3 dB to what is the same on both channels.
    mixed = frame.to_ndarray().mean(axis=0) * 32768.0
    samples: NDArray[np.int16] = np.clip(np.rint(mixed), -32768, 32767).astype(np.int16)
    return samples
