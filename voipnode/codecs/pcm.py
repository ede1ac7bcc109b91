"""The two shapes that sound has at a codec's edge, and the way from one to the other."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pcm: TypeAlias = NDArray[np.int16]
Samples: TypeAlias = NDArray[np.float32]

FULL_SCALE = np.float32(32768.0)


def to_pcm(frame: Samples) -> Pcm:
    """float32 samples, full scale 1.0, to the nearest 16-bit ones; louder is clipped."""
    scaled = frame * FULL_SCALE
    np.rint(scaled, out=scaled)
    np.minimum(scaled, 32767.0, out=scaled)
    np.maximum(scaled, -32768.0, out=scaled)
    return scaled.astype(np.int16)


def to_samples(pcm: Pcm) -> Samples:
    """16-bit samples to float32, full scale 1.0; a new array."""
    return pcm.astype(np.float32) / FULL_SCALE
