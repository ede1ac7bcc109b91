"""How well a recording keeps what was said: aligned, and rated by PESQ (ITU-T P.862, P.862.2)."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

Sound = NDArray[np.floating[Any]]


def at_rate(sound: Sound, in_hz: int, out_hz: int) -> NDArray[np.float32]:
    """The sound at another rate, by FFmpeg's resampler."""
    if in_hz == out_hz:
        return sound.astype(np.float32)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=out_hz)
    frame = av.AudioFrame.from_ndarray(sound.astype(np.float32).reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate = in_hz
    pieces = [piece.to_ndarray()[0] for piece in (*resampler.resample(frame), *resampler.resample(None))]
    return np.concatenate(pieces).astype(np.float32)


def aligned(said: Sound, heard: Sound) -> tuple[Sound, Sound]:
    """The stretch of `heard` that is most like the whole of `said`, and `said`; by cross-correlation."""
    size = 1 << (len(said) + len(heard)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)
    begin = int(np.argmax(likeness[: len(heard)]))
    count = min(len(said), len(heard) - begin)
    return said[:count], heard[begin : begin + count]


def mean_opinion(said: Sound, heard: Sound, rate_hz: int) -> float:
    """PESQ of what was heard, 1 to 4.6: wide band at 16000 Hz, narrow at 8000. Skips where pesq is not installed."""
    pesq = pytest.importorskip("pesq", reason="pesq is not installed: it compiles C, so that a compiler is needed")
    return float(pesq.pesq(rate_hz, said, heard, "wb" if rate_hz == 16000 else "nb"))


def best_stretch(said: Sound, heard: Sound, rate_hz: int, *, stretch_s: float = 2.0) -> float:
    """The best score of any stretch of that length: what the codec does, which no accident of a busy machine improves.

    Each stretch of what was said is looked for in what was heard, which must hold most of it.
    """
    assert len(heard) >= 0.7 * len(said), f"{len(heard) / rate_hz:.1f} s heard of {len(said) / rate_hz:.1f} s"
    size = round(stretch_s * rate_hz)
    stretches = [said[at : at + size] for at in range(0, len(said) - size + 1, size // 2)]
    pairs = (aligned(stretch, heard) for stretch in stretches)
    return max((mean_opinion(one, other, rate_hz) for one, other in pairs if len(one) == size), default=0.0)
