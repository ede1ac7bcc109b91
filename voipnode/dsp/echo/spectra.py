"""Spectra of blocks of sound, in single precision and into arrays that are there already."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.frames import Frame

Spectra: TypeAlias = NDArray[np.complex64]

# numpy's transforms compute in what `out` holds; its stubs know of double precision alone, hence the casts.


def to_spectra(sound: Frame, into: Spectra) -> Spectra:
    """The spectrum of each row, shape (..., n) into (..., n // 2 + 1)."""
    np.fft.rfft(sound, out=cast("Any", into))
    return into


def to_sound(spectra: Spectra, into: Frame) -> Frame:
    """The rows of which these are the spectra, shape (..., n // 2 + 1) into (..., n) with n even."""
    np.fft.irfft(spectra, out=cast("Any", into))
    return into
