"""Measures tones and signal-to-noise ratios, independently of the code under test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fit_tone(sound: NDArray[np.float32], frequency_hz: float, rate_hz: int = 8000) -> tuple[float, float]:
    """Amplitude and signal-to-noise ratio in dB of a sine of known frequency (least squares)."""
    steps = np.arange(len(sound)) * (2 * np.pi * frequency_hz / rate_hz)
    basis = np.stack([np.cos(steps), np.sin(steps)], axis=1)
    weights, *_ = np.linalg.lstsq(basis, sound.astype(np.float64), rcond=None)
    rest = sound - basis @ weights
    return float(np.hypot(*weights)), float(10 * np.log10(np.sum((basis @ weights) ** 2) / np.sum(rest**2)))


def find_tone_hz(sound: NDArray[np.float32], rate_hz: int = 8000) -> float:
    """The frequency of the strongest tone, by a windowed transform with parabolic interpolation."""
    size = 1 << (len(sound) * 8 - 1).bit_length()
    level = np.log(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size)) + 1e-12)
    peak = int(np.argmax(level))
    left, middle, right = level[peak - 1 : peak + 2]
    return float((peak + (left - right) / (2 * (left - 2 * middle + right))) * rate_hz / size)


def level_dbfs(sound: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-12))
