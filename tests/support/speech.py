"""Real speech: what Asterisk's prompts say (Debian: asterisk-core-sounds-*-g722), a voice for each language."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

PROMPTS = Path("/usr/share/asterisk/sounds")


def voices() -> list[Path]:
    """A folder for each voice that is installed."""
    return sorted(path for path in PROMPTS.glob("*_*_*") if path.is_dir())


def prompts(voice: Path, rate_hz: int = 8000, *, monkeys: bool = False) -> Iterator[NDArray[np.float32]]:
    """Everything that a voice says, one array per file; what begins with "tt-" is for fun, and mostly monkeys."""
    for path in sorted(files(voice, monkeys=monkeys)):
        sound = read(path, rate_hz)
        if len(sound):
            yield sound


def files(voice: Path, *, monkeys: bool = False) -> list[Path]:
    """The files of `prompts`, in no order."""
    return [path for path in voice.rglob("*.g722") if path.name.startswith("tt-") == monkeys]


def read(path: Path, rate_hz: int) -> NDArray[np.float32]:
    """What one file says."""
    resampler = av.AudioResampler("flt", "mono", rate_hz)
    with av.open(str(path), format="g722") as container:
        parts = [piece.to_ndarray()[0] for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)


@cache
def longest(voice: Path, seconds: float, rate_hz: int) -> NDArray[np.float32]:
    """Some seconds of a voice, beginning with its longest sentences."""
    sound, wanted = np.zeros(0, np.float32), round(seconds * rate_hz)
    for path in sorted(files(voice), key=lambda path: (-path.stat().st_size, path)):
        sound = np.concatenate((sound, read(path, rate_hz)))
        if len(sound) >= wanted:
            break
    sound = sound[:wanted]
    sound.setflags(write=False)
    return sound


def speech(seconds: float, rate_hz: int) -> NDArray[np.float32]:
    """Some seconds of the first voice, beginning with its longest sentences; skips where none is installed."""
    if not voices():
        pytest.skip("no real speech here (Debian: asterisk-core-sounds-en-g722)")
    return longest(voices()[0], seconds, rate_hz)


def speech_pcm(seconds: float, rate_hz: int) -> NDArray[np.int16]:
    """The same as 16-bit samples."""
    return np.clip(np.rint(speech(seconds, rate_hz) * 32768), -32768, 32767).astype(np.int16)
