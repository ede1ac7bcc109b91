"""What a block may be given: whatever came, made a frame that poisons nobody's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voipnode.dsp.frames import Frame

_SINGLE = np.dtype(np.float32)


def usable(samples: Any, size: int) -> Frame:
    """`samples` itself where it is a clean frame of `size`, else a new array that is one: what is no number counts as
    silence, what is louder than full scale as full scale, what is too short is followed by silence, and too much is
    left out. Never raises."""
    if type(samples) is np.ndarray and samples.dtype == _SINGLE and samples.shape == (size,):
        return samples if peak_of(samples) <= 1.0 else _bounded(samples)
    frame = np.zeros(size, dtype=np.float32)
    given = _flat(samples)[:size]
    frame[: len(given)] = given
    return frame


def gathered(frames: Sequence[Any], into: Frame) -> Frame:
    """The frames as rows of `into`, each made `usable`, by one look at all of them."""
    for row, frame in zip(into, frames, strict=True):
        is_frame = type(frame) is np.ndarray and frame.dtype == _SINGLE and frame.shape == row.shape
        row[:] = frame if is_frame else usable(frame, len(row))
    if not peak_of(into) <= 1.0:
        into[:] = _bounded(into)
    return into


def peak_of(samples: Frame) -> float:
    """The highest magnitude, 0 where there is nothing; NaN where one of them is."""
    heights = np.abs(samples)
    return float(heights.item(heights.argmax())) if heights.size else 0.0  # several times as fast as heights.max()


def clean(samples: Any) -> Frame:
    """As `usable`, for samples of any number."""
    if type(samples) is np.ndarray and samples.dtype == _SINGLE and samples.ndim == 1:
        return samples if peak_of(samples) <= 1.0 else _bounded(samples)
    return _flat(samples)


def _flat(samples: Any) -> Frame:
    try:
        with np.errstate(all="ignore"):  # numbers beyond float32 become infinite
            given = np.asarray(samples)
            flat = np.asarray(given.real, dtype=np.float32).reshape(-1)
    except (TypeError, ValueError):
        return np.zeros(0, dtype=np.float32)
    return _bounded(flat)


def _bounded(samples: Frame) -> Frame:
    return np.clip(np.where(np.isfinite(samples), samples, np.float32(0.0)), -1.0, 1.0)
