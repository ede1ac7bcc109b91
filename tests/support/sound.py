"""Measures sound: frequency, level and purity of a tone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Tone(NamedTuple):
    frequency_hz: float
    level_dbfs: float  # against a sine of full scale
    snr_db: float  # the sine against everything else


def measure_tone(samples: NDArray[np.float32], rate_hz: float) -> Tone:
    """The strongest sine in `samples`: its frequency from the spectrum's peak, the rest by a least-squares fit."""
    samples = np.asarray(samples, np.float64)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    peak = int(np.argmax(spectrum[1:-1])) + 1
    left, middle, right = np.log(spectrum[peak - 1 : peak + 2] + 1e-30)
    guess = (peak + 0.5 * (left - right) / (left - 2 * middle + right)) * rate_hz / len(samples)
    # Refine: of the frequencies around the guess, the one whose sine leaves least.
    width, best = 0.2 * rate_hz / len(samples), guess
    for _ in range(3):
        best = min(np.linspace(best - width, best + width, 21), key=lambda hz: _rest(samples, hz, rate_hz)[0])
        width /= 10
    rest, power = _rest(samples, float(best), rate_hz)
    return Tone(float(best), 10 * np.log10(2 * power + 1e-30), 10 * np.log10(power / (rest + 1e-30) + 1e-30))


def _rest(samples: NDArray[np.float64], hz: float, rate_hz: float) -> tuple[float, float]:
    """Power left after taking out the best sine of that frequency, and the sine's own power."""
    angle = 2 * np.pi * hz / rate_hz * np.arange(len(samples))
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    fit = basis @ np.linalg.lstsq(basis, samples, rcond=None)[0]
    return float(np.mean((samples - fit) ** 2)), float(np.mean(fit**2))
