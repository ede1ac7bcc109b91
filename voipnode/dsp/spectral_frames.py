"""Sound as spectra and back: 20 ms under a sine window every 10 ms, which adds up to the sound itself, 10 ms late."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.spectra import to_sound, to_spectra

Spectrum: TypeAlias = NDArray[np.complex64]
Bins: TypeAlias = NDArray[np.float32]  # one real value for each frequency, from 0 to half the rate in steps of 50 Hz

LATENCY_S = 1 / FRAMES_PER_S
BIN_HZ = FRAMES_PER_S // 2


def bin_count(rate_hz: int) -> int:
    """How many bins a spectrum of 20 ms has."""
    return rate_hz // FRAMES_PER_S + 1


def window_energy(rate_hz: int) -> float:
    """What a bin's power is over the mean square of white sound."""
    return rate_hz / FRAMES_PER_S


class Analysis:
    """The spectra of `signals` sounds that run side by side; square root of Hann's window (Griffin and Lim 1984)."""

    def __init__(self, rate_hz: int, signals: int = 1) -> None:
        self._hop = rate_hz // FRAMES_PER_S
        self._window = sine_window(self._hop)
        self._heard: Frame = np.zeros((signals, 2 * self._hop), dtype=np.float32)
        self._windowed = np.zeros_like(self._heard)
        self._spectra: Spectrum = np.zeros((signals, self._hop + 1), dtype=np.complex64)

    def reset(self) -> None:
        """Forget what was heard."""
        self._heard[:] = 0

    def next_spectra(self, *frames: Frame) -> Spectrum:
        """The spectra of the last 20 ms, shape (signals, bins); a frame for each signal. Good until the next call."""
        heard, hop = self._heard, self._hop
        heard[:, :hop] = heard[:, hop:]
        for row, frame in zip(heard, frames, strict=True):
            row[hop:] = frame
        np.multiply(heard, self._window, out=self._windowed)
        return to_spectra(self._windowed, self._spectra)


class Synthesis:
    """The sound of spectra, overlapped and added."""

    def __init__(self, rate_hz: int) -> None:
        self._hop = rate_hz // FRAMES_PER_S
        self._window = sine_window(self._hop)
        self._tail: Frame = np.zeros(self._hop, dtype=np.float32)

    def reset(self) -> None:
        """Forget what was half put out."""
        self._tail[:] = 0

    def next_frame(self, spectrum: Spectrum) -> Frame:
        """The 10 ms that this spectrum completes, a new array."""
        hop = self._hop
        piece = to_sound(spectrum, np.empty_like(self._window))
        piece *= self._window
        frame: Frame = piece[:hop]
        frame += self._tail
        self._tail = piece[hop:]
        return frame


def sine_window(hop: int) -> Frame:
    """Of two hops: its square, overlapped by half, is one everywhere."""
    return np.asarray(np.sin((np.arange(2 * hop) + 0.5) * (math.pi / (2 * hop))), dtype=np.float32)
