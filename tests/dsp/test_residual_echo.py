"""What is left of an echo is found by its shape, not by the near end's; and what stands out of the noise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voipnode.dsp.least_power import LeastPower
from voipnode.dsp.residual_echo import ResidualEcho
from voipnode.dsp.spectral_frames import bin_count, window_energy
from voipnode.dsp.voice_clearance import VoiceClearance

BINS = bin_count(16000)
LOUD = window_energy(16000) * 1e-3  # -30 dBFS
NOISE = np.full(BINS, window_energy(16000) * 1e-9, np.float32)


def syllables(frames: int, seed: int) -> NDArray[np.float32]:
    """Powers that come and go as in speech, shape (frames, BINS): 160 ms on, 80 ms off, each bin by chance."""
    dice = np.random.default_rng(seed)
    on = (np.arange(frames) + dice.integers(24)) % 24 < 16
    return (dice.exponential(LOUD, (frames, BINS)) * on[:, None] + 1e-12).astype(np.float32)


def found_db(leakage: float, near: NDArray[np.float32] | float, frames: int = 600) -> float:
    """How far the estimate is above what is left of the echo, over the last two seconds."""
    residual, echo = ResidualEcho(16000), syllables(frames, seed=1)
    dice = np.random.default_rng(7)
    left = echo * np.float32(leakage) * dice.exponential(size=echo.shape).astype(np.float32)
    error = left + near + NOISE
    estimates = [residual.update(error[i], echo[i], echo[i], NOISE) for i in range(frames)]
    estimated = np.array([estimate for estimate in estimates[-200:] if estimate is not None])
    assert estimated.shape == (200, BINS)
    return float(10 * np.log10(estimated.mean() / left[-200:].mean()))


@pytest.mark.parametrize("leakage", [0.1, 0.003])
def test_what_is_left_is_found_and_not_much_more(leakage: float) -> None:
    assert 0.0 < found_db(leakage, 0.0) < 9.0


def test_a_near_end_as_loud_as_the_echo_is_not_taken_for_it() -> None:
    """Four seconds alone, then two of both; the near end is 20 dB above what is left."""
    near = syllables(600, seed=2)
    near[:400] = 0
    assert found_db(0.01, near) < 9.0


def test_nor_where_both_have_spoken_from_the_beginning() -> None:
    assert found_db(0.01, syllables(600, seed=2)) < 10.0


def test_at_first_all_that_the_loudspeaker_plays_is_expected() -> None:
    residual, far = ResidualEcho(16000), syllables(40, seed=1)
    expected = residual.update(NOISE, NOISE, far[8], NOISE)
    assert expected is not None
    np.testing.assert_array_less(far[8] * 1.9, expected)


def test_a_far_end_that_has_been_silent_for_long_leaves_nothing() -> None:
    residual, far, silence = ResidualEcho(16000), syllables(24, seed=1), np.zeros(BINS, np.float32)
    for frame in far:
        assert residual.update(frame, frame, frame, NOISE) is not None
    answers = [residual.update(NOISE, silence, silence, NOISE) is None for _ in range(150)]
    assert not any(answers[:90])
    assert all(answers[110:])
    assert residual.update(far[0], far[0], far[0], NOISE) is not None


def test_the_least_power_follows_a_rise_within_two_seconds_and_a_fall_at_once() -> None:
    least, soft, loud = LeastPower(3), np.full(3, 1.0, np.float32), np.full(3, 100.0, np.float32)
    for _ in range(100):
        least.update(soft)
    for _ in range(150):
        least.update(loud)
    np.testing.assert_allclose(least.power, 1.0)
    for _ in range(100):
        least.update(loud)
    np.testing.assert_allclose(least.power, 100.0, rtol=0.01)
    for _ in range(30):
        least.update(soft)
    np.testing.assert_allclose(least.power, 1.0, rtol=0.15)


def test_a_voice_stands_out_by_its_level_over_the_pauses() -> None:
    clearance = VoiceClearance()
    for frame in range(400):
        clearance.update(1000.0 if frame % 100 < 50 else 1.0)
    assert clearance.decibels == pytest.approx(30.0 - 1.8, abs=1.5)
    for _ in range(1200):
        clearance.update(100.0)
    assert clearance.decibels < 8.0
