"""Spectra of blocks of sound, in single precision and into arrays that are there already."""

from __future__ import annotations

from importlib import import_module
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.frames import Frame

Spectra: TypeAlias = NDArray[np.complex64]


def _public() -> tuple[Any, Any]:
    """numpy's transforms in the shape of those that it is made of; its stubs know of double precision alone."""
    return (
        lambda sound, _, *, out: np.fft.rfft(sound, 2 * out.shape[-1] - 2, out=cast("Any", out)),
        lambda spectra, _, *, out: np.fft.irfft(spectra, out.shape[-1], out=cast("Any", out)),
    )


def _inner() -> tuple[Any, Any]:
    """What `np.fft` calls after it has looked at its arguments, which takes as long as a short transform itself (2 µs);
    functions like np.add, but nothing that numpy promises: in their place `np.fft` itself where there are none."""
    try:
        module: Any = import_module("numpy.fft._pocketfft_umath")
        return module.rfft_n_even, module.irfft
    except (ImportError, AttributeError):
        return _public()


_FORWARD, _BACKWARD = _inner()


def to_spectra(sound: Frame, into: Spectra) -> Spectra:
    """The spectrum of each row, shape (..., n) into (..., n // 2 + 1), n even; shorter rows are followed by silence."""
    _FORWARD(sound, 1.0, out=into)
    return into


def to_sound(spectra: Spectra, into: Frame) -> Frame:
    """The rows of which these are the spectra, shape (..., n // 2 + 1) into (..., n), n even."""
    _BACKWARD(spectra, 1.0 / into.shape[-1], out=into)
    return into
