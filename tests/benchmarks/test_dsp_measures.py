"""What the DSP benchmark measures is what was put in: known attenuations, delays, and clocks."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import dsp_measures as measures
from benchmarks.dsp_signals import Sound, active, at_level, drifted, rms_db, soft_clipped

RATE = 16000


def noise(seconds: float, seed: int = 1) -> Sound:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def everywhere(sound: Sound) -> np.ndarray:
    return np.ones(len(sound), bool)


def test_erle_is_the_attenuation() -> None:
    echo = noise(1.0)
    assert measures.erle_db(echo, echo * np.float32(0.01), everywhere(echo)) == pytest.approx(40.0, abs=0.01)


def test_pauses_of_the_echo_do_not_count_and_silence_has_no_erle() -> None:
    echo = np.concatenate((noise(1.0), np.zeros(RATE, np.float32)))
    out = np.concatenate((0.1 * noise(1.0), noise(1.0, seed=2))).astype(np.float32)
    assert measures.erle_db(echo, out, active(echo, RATE)) == pytest.approx(20.0, abs=0.01)
    assert np.isnan(measures.erle_db(echo[RATE:], out[RATE:], np.zeros(RATE, bool)))


def test_seconds_to_20_db_end_with_the_first_window_that_is_so_much_softer() -> None:
    echo, out = noise(3.0), noise(3.0)
    out[RATE:] *= np.float32(0.05)  # 26 dB from one second on
    over_time = measures.erle_over_time(echo, out, everywhere(echo), RATE)
    assert over_time[90] == pytest.approx(0.0, abs=0.01)
    assert over_time[150] == pytest.approx(26.0, abs=0.1)
    # 20 dB: all but 0.75 % of the window's 200 ms must lie behind the step.
    assert measures.seconds_to(20.0, over_time) == pytest.approx(1.0 + measures.WINDOW_S, abs=0.011)
    assert measures.seconds_to(30.0, over_time) == 3.0


def test_a_stretch_in_which_nothing_is_played_reaches_nothing() -> None:
    silence = np.zeros(RATE, np.float32)
    over_time = measures.erle_over_time(silence, silence, np.zeros(RATE, bool), RATE)
    assert np.isnan(over_time).all()
    assert measures.seconds_to(20.0, over_time) == 1.0


@pytest.mark.parametrize("delay", [0, 1, 128, 160])
def test_a_delay_is_found_behind_a_filter_and_taken_back(delay: int) -> None:
    said = noise(1.0)
    high_pass = np.convolve(np.diff(said, prepend=np.float32(0)), 0.7 ** np.arange(8))[: len(said)]
    heard = np.concatenate((np.zeros(delay), high_pass))[: len(said)].astype(np.float32)
    assert measures.found_delay(said, heard, 640) == delay
    back = measures.moved_back(heard, delay)
    assert len(back) == len(said)
    np.testing.assert_array_equal(back[: len(said) - delay], high_pass[: len(said) - delay].astype(np.float32))


@pytest.mark.parametrize("ppm", [100.0, -100.0])
def test_a_clock_that_is_faster_takes_more_samples_of_the_same_second(ppm: float) -> None:
    hz, count = 3000.0, RATE
    seen = drifted(np.sin(2 * np.pi * hz * np.arange(count) / RATE).astype(np.float32), ppm)
    wanted = np.sin(2 * np.pi * hz * np.arange(count) / RATE / (1 + ppm * 1e-6)).astype(np.float32)
    inside = slice(100, count - 100)
    assert rms_db(seen[inside] - wanted[inside]) < rms_db(wanted) - 70
    assert rms_db(seen[-2000:-100] - np.sin(2 * np.pi * hz * np.arange(count) / RATE)[-2000:-100]) > -10


def test_levels_leave_pauses_out() -> None:
    speech = np.concatenate((noise(1.0), np.zeros(3 * RATE, np.float32)))
    there = at_level(speech, -20.0, RATE)
    assert rms_db(there[:RATE]) == pytest.approx(-20.0, abs=0.01)
    assert active(there, RATE).sum() == RATE


def test_a_loudspeaker_that_clips_is_never_louder_than_its_knee() -> None:
    sound = noise(1.0)
    clipped = soft_clipped(sound, 0.5)
    assert np.abs(clipped).max() <= 0.5 * np.abs(sound).max()
    assert soft_clipped(sound, None) is sound
