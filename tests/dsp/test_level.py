"""Level meters: 0 dBFS is a sine wave of full scale."""

from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.level import SILENCE_DBFS, LevelMeter, dbfs, mean_square


def sine(peak: float, seconds: float) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * 1000 * np.arange(round(16000 * seconds)) / 16000)).astype(np.float32)


@pytest.mark.parametrize(("peak", "level"), [(1.0, 0.0), (0.1, -20.0), (0.001, -60.0)])
def test_a_sine_has_the_level_of_its_peak(peak: float, level: float) -> None:
    meter, sound = LevelMeter(), sine(peak, 2.0)
    for at in range(0, len(sound), 160):
        meter.process(sound[at : at + 160])
    assert meter.rms_dbfs == pytest.approx(level, abs=0.01)
    assert meter.peak_dbfs == pytest.approx(level, abs=0.01)
    assert dbfs(mean_square(sound)) == pytest.approx(level, abs=0.01)


def test_it_follows_with_the_time_constant_of_a_sound_level_meter() -> None:
    meter = LevelMeter()
    for _ in range(200):
        meter.process(sine(1.0, 0.01))
    for _ in range(25):  # two time constants of 125 ms
        meter.process(np.zeros(160, np.float32))
    assert meter.rms_dbfs == pytest.approx(10 * np.log10(np.exp(-2)), abs=0.01)
    assert meter.peak_dbfs == pytest.approx(-5.0, abs=0.1)  # 20 dB a second


@pytest.mark.parametrize("bad", [np.full(160, np.nan), np.full(160, np.inf), np.zeros(0)])
def test_what_is_no_sound_is_passed_over(bad: np.ndarray) -> None:
    meter = LevelMeter()
    meter.process(bad.astype(np.float32))
    assert meter.rms_dbfs == meter.peak_dbfs == SILENCE_DBFS
