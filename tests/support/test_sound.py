"""The measure of a call's tone: an accident passes, and nothing else that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.sound import assert_tone_in, measure_tone

Sound = NDArray[np.float64]
RATE_HZ = 8000
HZ = 1000.0


def call(seconds: float = 4.0, hz: float = HZ, snr_db: float = 37.0) -> Sound:
    """A tone as mu-law leaves it, 37 dB above its noise, with silence around it."""
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    tone = 0.35 * np.sin(2 * np.pi * hz * time_s)
    noise = np.random.default_rng(1).normal(0, 0.35 / np.sqrt(2) / 10 ** (snr_db / 20), len(tone))
    return np.concatenate([np.zeros(2000), tone + noise, np.zeros(1000)])


def silent(sound: Sound, begin_s: float, length_s: float) -> Sound:
    at = 2000 + int(begin_s * RATE_HZ)
    sound[at : at + int(length_s * RATE_HZ)] = 0.0
    return sound


def slipped(sound: Sound, at_s: float, by: int) -> Sound:
    """As a jitter buffer slips: from there on, that many samples are left out."""
    at = 2000 + int(at_s * RATE_HZ)
    return np.concatenate([sound[:at], sound[at + by :]])


def clipped(sound: Sound) -> Sound:
    return np.clip(sound, -0.25, 0.25)


GOOD: dict[str, Callable[[], Sound]] = {
    "clean": call,
    "a lost frame": lambda: silent(call(), 1.3, 0.010),
    "three lost packets": lambda: silent(silent(silent(call(), 0.4, 0.020), 1.7, 0.020), 3.1, 0.020),
    "a slip of half a wave": lambda: slipped(call(), 2.05, 4),
    "0.9 Hz off": lambda: call(hz=HZ + 0.9),
}
BAD: dict[str, tuple[Callable[[], Sound], str]] = {
    "noise at 25 dB throughout": (lambda: call(snr_db=25.0), "best second"),
    "another tone": (lambda: call(hz=440.0), "best second"),
    "1.2 Hz off": (lambda: call(hz=HZ + 1.2), "best second"),
    "clipped": (lambda: clipped(call()), "best second"),
    "a frame lost each half second": (
        lambda: np.where(np.arange(35000) % 4000 < 80, 0.0, call()),
        "best second",
    ),
    "one good second in four": (
        lambda: np.concatenate([call(1.2)[:-1000], call(3.0, snr_db=25.0)[2000:]]),
        "median of half seconds",
    ),
    "half the call silent": (lambda: silent(call(), 1.0, 2.0), "median of half seconds"),
    "a gap of half a second": (lambda: silent(call(), 2.0, 0.5), "the tone is there"),
    "only a second of sound": (lambda: silent(call(), 1.0, 3.0), "only 1.00 s of sound"),
    "silence": (lambda: np.zeros(32000), "only 0.00 s of sound"),
    "fading": (lambda: call() * np.linspace(1.0, 0.3, 35000), "best second"),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
def test_a_call_with_an_accident_passes(make: Callable[[], Sound]) -> None:
    assert_tone_in(make(), RATE_HZ, HZ)


@pytest.mark.parametrize(("make", "words"), BAD.values(), ids=BAD)
def test_a_call_with_a_fault_fails_and_says_which(make: Callable[[], Sound], words: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(words)):
        assert_tone_in(make(), RATE_HZ, HZ)


def test_one_lost_frame_spoils_the_figure_of_two_seconds() -> None:
    """Why not simply the SNR of a stretch."""
    assert measure_tone(silent(call(), 1.3, 0.010)[6000:22000], RATE_HZ).snr_db < 30.0
    assert measure_tone(call()[6000:22000], RATE_HZ).snr_db > 36.0


def test_digital_silence_has_no_tone() -> None:
    assert measure_tone(np.zeros(800), RATE_HZ).snr_db < 0.0
