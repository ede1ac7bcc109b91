"""How loud a recording is to a listener, in LUFS (ITU-R BS.1770-5, annex 1; mono)."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.frames import Frame

SILENCE_LUFS = -70.0  # the absolute gate: what is below has no loudness
_RELATIVE_GATE_LU = -10.0
_OFFSET_LU = -0.691
_BLOCK_S = 0.1  # a gating block is four of these, and the next begins one later (75 % overlap)
_SEGMENT = 1 << 15  # small enough that nobody waits long for the interpreter
_RUN_IN_S = 0.25  # the 38 Hz high-pass has forgotten by then


def loudness_lufs(samples: Frame, rate_hz: int) -> float:
    """The integrated, gated loudness of mono `samples`, full scale 1.0; `SILENCE_LUFS` where nothing passes the gates.

    Shorter than a gating block of 0.4 s: as if that were all. A sine of 997 Hz at full scale has -3.01.
    """
    powers = _powers(samples, rate_hz)
    if len(powers) >= 4:
        powers = np.convolve(powers, np.full(4, 0.25), mode="valid")
    elif len(powers):
        powers = powers.mean(keepdims=True)
    heard = powers[powers > _power(SILENCE_LUFS)]
    if not len(heard):
        return SILENCE_LUFS
    heard = heard[heard > heard.mean() * 10 ** (_RELATIVE_GATE_LU / 10)]
    return _OFFSET_LU + 10.0 * math.log10(heard.mean())


def _power(lufs: float) -> float:
    return float(10.0 ** ((lufs - _OFFSET_LU) / 10.0))


def _powers(samples: Frame, rate_hz: int) -> NDArray[np.float64]:
    """The mean square of each 100 ms after K-weighting; what is left over at the end counts in proportion."""
    size, run_in = round(rate_hz * _BLOCK_S), round(rate_hz * _RUN_IN_S)
    step = (_SEGMENT - run_in) // size * size
    found = [
        _segment(samples[max(0, at - run_in) : at + step], min(at, run_in), size, rate_hz)
        for at in range(0, len(samples), step)
    ]
    return np.concatenate(found) if found else np.zeros(0)


def _segment(samples: Frame, skip: int, size: int, rate_hz: int) -> NDArray[np.float64]:
    """The same of one piece, whose first `skip` samples only let the filter run in."""
    length = 1 << (len(samples) + round(rate_hz * _RUN_IN_S)).bit_length()  # no wrap-around
    weighted = np.fft.irfft(np.fft.rfft(samples, length) * _k_weighting(rate_hz, length), length)[skip : len(samples)]
    whole = len(weighted) // size * size
    powers: NDArray[np.float64] = np.square(weighted[:whole]).reshape(-1, size).mean(axis=1)
    rest = weighted[whole:]
    if not len(powers) and len(rest):
        return np.array([np.square(rest).mean()])
    return powers


@cache
def _k_weighting(rate_hz: int, length: int) -> NDArray[np.complex128]:
    """The two filters of BS.1770 tables 1 and 2 at any rate: their analogue models by the bilinear transform, whose
    constants give the tables at 48 kHz. As the response at the frequencies of an FFT of `length`."""
    z = np.exp(-2j * np.pi * np.arange(length // 2 + 1) / length)

    def response(b: tuple[float, float, float], a: tuple[float, float, float]) -> NDArray[np.complex128]:
        return _quadratic(b, z) / _quadratic(a, z)

    k, q = math.tan(math.pi * 1681.974450955533 / rate_hz), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    norm = 1 + k / q + k * k
    shelf = response(
        ((high + band * k / q + k * k) / norm, 2 * (k * k - high) / norm, (high - band * k / q + k * k) / norm),
        (1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm),
    )
    k, q = math.tan(math.pi * 38.13547087602444 / rate_hz), 0.5003270373238773
    norm = 1 + k / q + k * k
    high_pass = response((1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm))
    return shelf * high_pass


def _quadratic(c: tuple[float, float, float], z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return c[0] + c[1] * z + c[2] * z * z
