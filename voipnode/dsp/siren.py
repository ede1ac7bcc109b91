"""Sounds of a siren, each one cycle of samples that can be repeated without a click.

A sweep is a sine whose phase is the sum of its frequency; the frequency is scaled by less than a hertz so that a cycle
ends at the phase at which it began. What stops between two sounds rises and falls in 5 ms.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.frames import Frame

LEVELS_DBFS = (-30.0, -24.0, -18.0, -12.0, -6.0)  # of intensity 1 to 5: peaks over full scale
EDGE_S = 0.005
Curve = NDArray[np.float64]


def siren_cycle(pattern: str, intensity: int, rate_hz: int) -> Frame:
    """One cycle of a pattern of `SIRENS`, mono float32 at `rate_hz`; `intensity` 1 to 5. Raises ValueError."""
    if pattern not in SIRENS:
        raise ValueError(f"pattern {pattern!r}: {', '.join(SIRENS)} are right")
    if not 1 <= intensity <= len(LEVELS_DBFS):
        raise ValueError(f"intensity {intensity}: 1 to {len(LEVELS_DBFS)} are right")
    seconds, make = SIRENS[pattern]
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.asarray(make(at, rate_hz) * 10 ** (LEVELS_DBFS[intensity - 1] / 20), dtype=np.float32)


def siren_cycle_s(pattern: str) -> float:
    """How long a cycle lasts; 0 for a pattern that is none."""
    return SIRENS[pattern][0] if pattern in SIRENS else 0.0


def _sweep(frequency_hz: Curve, rate_hz: int) -> Curve:
    turns = np.cumsum(frequency_hz) / rate_hz
    turns *= round(turns[-1]) / turns[-1]
    return np.asarray(np.sin(2 * math.pi * turns))


def _wail(at: Curve, rate_hz: int) -> Curve:
    """Up and down between 500 and 1200 Hz, once in its time."""
    return _sweep(850 - 350 * np.cos(2 * math.pi * at / (at[-1] + 1 / rate_hz)), rate_hz)


def _two_tone(at: Curve, rate_hz: int) -> Curve:
    """800 and 1000 Hz by turns."""
    return _sweep(np.where(at < 0.5, 800.0, 1000.0), rate_hz)


def _bursts(frequency_hz: float, on: tuple[tuple[float, float], ...]) -> Callable[[Curve, int], Curve]:
    """A tone in bursts, each from one second to another."""

    def make(at: Curve, rate_hz: int) -> Curve:
        heard = np.zeros_like(at)
        for begin, end in on:
            heard = np.maximum(heard, np.clip(np.minimum(at - begin, end - at) / EDGE_S, 0.0, 1.0))
        return heard * np.sin(2 * math.pi * frequency_hz * at)

    return make


def _chime(at: Curve, rate_hz: int) -> Curve:
    """Two notes, a third apart, each dying away."""
    sound = np.zeros_like(at)
    for begin, frequency_hz in ((0.0, 659.3), (0.6, 523.3)):
        since = np.maximum(at - begin, 0.0)
        struck = np.clip(since / EDGE_S, 0.0, 1.0) * np.exp(-3.5 * since) * (at >= begin)
        sound += 0.5 * struck * (np.sin(2 * math.pi * frequency_hz * since))
    return np.asarray(sound * np.clip((at[-1] - at) / EDGE_S, 0.0, 1.0))


SIRENS: dict[str, tuple[float, Callable[[Curve, int], Curve]]] = {
    "wail": (4.0, _wail),
    "yelp": (0.35, _wail),
    "two_tone": (1.0, _two_tone),
    "pulse": (1.0, _bursts(970.0, ((0.0, 0.5),))),
    # ISO 8201: three times half a second with half a second between, then one and a half seconds of silence
    "evacuate": (4.0, _bursts(520.0, ((0.0, 0.5), (1.0, 1.5), (2.0, 2.5)))),
    "chirp": (1.5, _bursts(2400.0, ((0.0, 0.06), (0.12, 0.18)))),
    "chime": (2.5, _chime),
}
