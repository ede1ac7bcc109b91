"""Filters by blocks against SciPy's, sample by sample, and against what their docstrings promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from voipnode.dsp.band_limit import BandLimit
from voipnode.dsp.frames import Frame

CASES = [
    (8000, 120.0, None, 2),
    (8000, 120.0, None, 4),
    (8000, 300.0, 3400.0, 4),
    (16000, 120.0, None, 4),
    (16000, None, 7000.0, 2),
    (48000, 50.0, None, 4),
    (48000, 120.0, 20000.0, 4),
]


def through(band: BandLimit, sound: Frame) -> Frame:
    return np.concatenate([band.process(sound[at : at + band.size]).copy() for at in range(0, len(sound), band.size)])


@pytest.mark.parametrize(("rate_hz", "low_hz", "high_hz", "order"), CASES)
def test_it_is_the_same_filter_as_scipys(rate_hz: int, low_hz: float | None, high_hz: float | None, order: int) -> None:
    sound = np.random.default_rng(1).normal(0, 0.2, rate_hz).clip(-1, 1).astype(np.float32)
    expected = sound.astype(np.float64)
    if low_hz is not None:
        expected = sosfilt(butter(order, low_hz, "highpass", fs=rate_hz, output="sos"), expected)
    if high_hz is not None:
        expected = sosfilt(butter(order, high_hz, "lowpass", fs=rate_hz, output="sos"), expected)
    heard = through(BandLimit(rate_hz, low_hz=low_hz, high_hz=high_hz, order=order), sound)  # type: ignore[arg-type]  # parametrised
    np.testing.assert_allclose(heard, expected, atol=2e-5)  # 94 dB below full scale


@pytest.mark.parametrize("order", [2, 4])
def test_rumble_goes_and_a_voice_stays(order: int) -> None:
    at = np.arange(16000) / 16000
    gains_db = {}
    for hz in (30.0, 120.0, 300.0):
        sine = np.sin(2 * np.pi * hz * at).astype(np.float32)
        heard = through(BandLimit(16000, low_hz=120.0, order=order), sine)  # type: ignore[arg-type]  # a loop's int
        gains_db[hz] = 10 * np.log10(np.mean(heard[8000:] ** 2) / 0.5)
    assert gains_db[30.0] == pytest.approx(-12.0 * order, abs=1.0)  # two octaves below
    assert gains_db[120.0] == pytest.approx(-3.0, abs=0.1)
    assert gains_db[300.0] > -0.3


def test_a_full_scale_offset_is_gone_within_50_ms() -> None:
    heard = through(BandLimit(8000), np.ones(4000, np.float32))
    assert np.abs(heard[400:]).max() < 1e-3


@pytest.mark.parametrize("bad", [np.full(160, np.nan), np.full(160, np.inf), np.full(160, 1e30), np.zeros(3), "sound"])
def test_it_outlives_what_is_no_sound(bad: object) -> None:
    band = BandLimit(16000)
    assert np.isfinite(band.process(bad)).all()  # type: ignore[arg-type]  # no sound is what is meant
    assert np.abs(through(band, np.zeros(16000, np.float32))[-160:]).max() < 1e-6


def test_a_reset_forgets() -> None:
    band = BandLimit(16000)
    band.process(np.ones(160, np.float32))
    band.reset()
    assert not band.process(np.zeros(160, np.float32)).any()


@pytest.mark.parametrize(("low_hz", "high_hz"), [(None, None), (0.0, None), (4000.0, None), (300.0, 200.0)])
def test_corners_that_cannot_be_are_refused(low_hz: float | None, high_hz: float | None) -> None:
    with pytest.raises(ValueError, match="is right"):
        BandLimit(8000, low_hz=low_hz, high_hz=high_hz)
