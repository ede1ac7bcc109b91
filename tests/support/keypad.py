"""A keypad that presses as it is told: tones too short, too quiet, off their frequency, in noise; and who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.dtmf_detector import DtmfDetector
from voipnode.dsp.dtmf_frequencies import amplitude, pair

DIGITS = "0123456789ABCD*#"
Sound = NDArray[np.float32]
Ear = Callable[[Sound], str]
"""Hears a whole recording; the digits in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """How keys are pressed. Levels are dBm0 of each sine, deviations fractions of its frequency; no noise: None."""

    on_ms: float = 40.0
    off_ms: float = 40.0
    low_dbm0: float = -10.0
    high_dbm0: float = -10.0
    low_off: float = 0.0
    high_off: float = 0.0
    snr_db: float | None = None
    rate_hz: int = 8000


def dial(digits: str, press: Press, dice: np.random.Generator) -> Sound:
    """The digits one after the other, 100 ms of quiet around, at a random moment within a frame."""
    rate_hz = press.rate_hz
    parts = [np.zeros(rate_hz // 10 + int(dice.integers(rate_hz // 100)))]
    for digit in digits:
        parts += [tone(digit, press, dice), np.zeros(round(press.off_ms * rate_hz / 1000))]
    parts.append(np.zeros(rate_hz // 10))
    sound = np.concatenate(parts)
    if press.snr_db is not None:
        power = (amplitude(press.low_dbm0) ** 2 + amplitude(press.high_dbm0) ** 2) / 2
        sound += dice.normal(0, np.sqrt(power / 10 ** (press.snr_db / 10)), len(sound))
    return sound.astype(np.float32)


def tone(digit: str, press: Press, dice: np.random.Generator) -> NDArray[np.float64]:
    """One key, with random phases."""
    seconds = np.arange(round(press.on_ms * press.rate_hz / 1000)) / press.rate_hz
    low_hz, high_hz = pair(digit)
    low_phase, high_phase = dice.uniform(0, 2 * np.pi, 2)
    low = np.sin(2 * np.pi * low_hz * (1 + press.low_off) * seconds + low_phase)
    high = np.sin(2 * np.pi * high_hz * (1 + press.high_off) * seconds + high_phase)
    return np.asarray(amplitude(press.low_dbm0) * low + amplitude(press.high_dbm0) * high)


def frames(sound: Sound, rate_hz: int) -> Iterator[Sound]:
    """The sound in frames of 10 ms, without a shorter rest."""
    size = rate_hz // 100
    return (sound[at : at + size] for at in range(0, len(sound) - size + 1, size))


def heard(sound: Sound, rate_hz: int = 8000) -> str:
    """The digits that a fresh detector hears."""
    detector = DtmfDetector(rate_hz)
    told = [detector.hear(frame) for frame in frames(sound, rate_hz)]
    return "".join(item.digit for item in told if item is not None and not item.ended)
