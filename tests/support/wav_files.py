"""Sound files for phones to play, and what they recorded."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_tone(
    path: Path, frequency_hz: float, *, rate_hz: int = 48000, seconds: float = 40.0, level: float = 0.25
) -> Path:
    """A mono 16-bit WAV file with a sine."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    return write_wav(path, level * np.sin(2 * np.pi * frequency_hz * time_s), rate_hz)


def write_wav(path: Path, sound: NDArray[np.floating[Any]], rate_hz: int) -> Path:
    """A mono 16-bit WAV file of sound with full scale 1.0."""
    samples = (32767 * sound).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())
    return path


def read_wav(path: Path) -> tuple[NDArray[np.float64], int]:
    """The first channel of a 16-bit WAV file (full scale 1.0) and its rate; its header need not have been closed."""
    raw = path.read_bytes()
    start = raw.index(b"data") + 8
    channels = int.from_bytes(raw[22:24], "little")
    rate_hz = int.from_bytes(raw[24:28], "little")
    samples = np.frombuffer(raw[start : start + (len(raw) - start) // (2 * channels) * 2 * channels], "<i2")
    return samples[::channels].astype(np.float64) / 32768.0, rate_hz
