"""Automatic gain control: who speaks softly is lifted, slowly, and pauses change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.frames import Frame
from voipnode.dsp.gain_control import MAX_GAIN_DB, GainControl
from voipnode.dsp.level import dbfs, mean_square

RATE_HZ, SIZE = 16000, 160


def talk(level_dbfs: float, seconds: float, noise_dbfs: float = -75.0, seed: int = 1) -> Frame:
    """Words of 0.4 s with pauses of 0.3 s, over noise: the level of the words is `level_dbfs`."""
    dice = np.random.default_rng(seed)
    at = np.arange(round(RATE_HZ * seconds)) / RATE_HZ
    amplitude = 10 ** (level_dbfs / 20) / np.sqrt(2)
    words = np.where(at % 0.7 < 0.4, amplitude, 0.0) * dice.normal(0, 1, len(at))
    noise = 10 ** (noise_dbfs / 20) / np.sqrt(2) * dice.normal(0, 1, len(at))
    return (words + noise).clip(-1, 1).astype(np.float32)


def through(control: GainControl, sound: Frame) -> tuple[Frame, list[float]]:
    heard, gains = [], []
    for at in range(0, len(sound), SIZE):
        heard.append(control.process(sound[at : at + SIZE]).copy())
        gains.append(control.gain_db)
    return np.concatenate(heard), gains


@pytest.mark.parametrize("level_dbfs", [-36.0, -30.0, -20.0, -14.0])
def test_speech_of_any_level_comes_to_the_target(level_dbfs: float) -> None:
    control = GainControl(RATE_HZ, target_dbfs=-20.0)
    heard, _ = through(control, talk(level_dbfs, 8.0))
    word = heard[-int(0.7 * RATE_HZ) :]
    frames = word[: len(word) // SIZE * SIZE].reshape(-1, SIZE)
    loud = [power for power in map(mean_square, frames) if dbfs(power) > -40]
    assert dbfs(float(np.mean(loud))) == pytest.approx(-20.0, abs=2.0)


def test_the_gain_moves_slowly_and_not_in_pauses() -> None:
    control = GainControl(RATE_HZ)
    _, gains = through(control, talk(-40.0, 3.0))
    assert np.diff(gains).max() <= 0.0601  # 6 dB a second
    before = control.gain_db
    _, gains = through(control, talk(-200.0, 20.0))  # nothing but the noise
    assert gains[-1] == pytest.approx(before, abs=0.5)


def test_noise_alone_is_not_lifted() -> None:
    control = GainControl(RATE_HZ)
    dice = np.random.default_rng(1)
    _, gains = through(control, dice.normal(0, 0.005, RATE_HZ * 10).astype(np.float32))
    assert max(gains) < 1.0


def test_loud_noise_bounds_the_gain_for_soft_speech() -> None:
    """Speech at -38 with noise at -54 dBFS: the noise is lifted to -48 and no further."""
    control = GainControl(RATE_HZ)
    _, gains = through(control, talk(-38.0, 12.0, noise_dbfs=-54.0))
    assert 2.0 < gains[-1] < 9.0


def test_a_long_sentence_does_not_pass_for_noise() -> None:
    control = GainControl(RATE_HZ)
    through(control, talk(-30.0, 5.0))
    before = control.gain_db
    breathless = np.random.default_rng(2).normal(0, 10 ** (-30 / 20) / np.sqrt(2), 8 * RATE_HZ).astype(np.float32)
    _, gains = through(control, breathless)
    assert before > 7.0
    assert gains[-1] > before - 5.0


def test_whispers_get_no_more_than_the_bound() -> None:
    control = GainControl(RATE_HZ)
    _, gains = through(control, talk(-55.0, 12.0, noise_dbfs=-110.0))
    assert gains[-1] == pytest.approx(MAX_GAIN_DB, abs=1.1)


def test_a_door_that_slams_does_not_turn_speech_down() -> None:
    control, words, slam = GainControl(RATE_HZ), talk(-30.0, 5.0), np.ones(1600, np.float32)
    _, gains = through(control, np.concatenate([words, slam, words[: 2 * RATE_HZ]]))
    assert gains[-1] > gains[5 * 100 - 1] - 3.0


def test_what_is_known_to_be_echo_moves_nothing() -> None:
    control = GainControl(RATE_HZ)
    sound = talk(-40.0, 3.0)
    for at in range(0, len(sound), SIZE):
        control.process(sound[at : at + SIZE], may_be_speech=False)
    assert control.gain_db == 0.0


@pytest.mark.parametrize("bad", [np.full(160, np.nan), np.full(160, np.inf), np.zeros(0), None])
def test_it_outlives_what_is_no_sound(bad: object) -> None:
    control = GainControl(RATE_HZ)
    assert np.isfinite(control.process(bad)).all()  # type: ignore[arg-type]  # no sound is what is meant
    heard, _ = through(control, talk(-30.0, 6.0))
    assert np.isfinite(heard).all()
    assert control.gain_db > 5.0
