"""The sweep and its inverse: a known filter comes out, and every harmonic where Farina has it."""

from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.sweep import ExponentialSweep

RATE_HZ = 16000
SWEEP = ExponentialSweep(RATE_HZ, 89.0, 7000.0, 1.0)


def padded(sound: np.ndarray, seconds: float = 1.5) -> np.ndarray:
    return np.concatenate([np.zeros(RATE_HZ), sound, np.zeros(round(seconds * RATE_HZ))])


def test_the_frequency_rises_by_the_same_ratio_in_the_same_time() -> None:
    crossings = np.flatnonzero((SWEEP.samples[:-1] < 0) & (SWEEP.samples[1:] >= 0)) / RATE_HZ
    periods, middles = np.diff(crossings), (crossings[1:] + crossings[:-1]) / 2
    early = middles < SWEEP.seconds / 3  # later, a period has few samples
    expected = 89.0 * np.exp(middles[early] / SWEEP.rate_s)
    assert 1 / periods[early] == pytest.approx(expected, rel=0.03)


def test_its_harmonics_begin_in_phase_with_it() -> None:
    assert SWEEP.rate_s * SWEEP.low_hz == pytest.approx(round(SWEEP.rate_s * SWEEP.low_hz), abs=1e-9)
    assert SWEEP.seconds == pytest.approx(1.0, rel=0.03)


def test_a_known_filter_is_recovered() -> None:
    """Against the filter's own spectrum, in the whole range, to a tenth of a decibel."""
    dice = np.random.default_rng(1)
    known = dice.standard_normal(300) * np.exp(-np.arange(300) / 60)
    heard = np.convolve(padded(SWEEP.samples), known)
    found = SWEEP.respond(heard)[RATE_HZ - 200 : RATE_HZ + 800]
    hz = np.fft.rfftfreq(1000, 1 / RATE_HZ)
    inside = (hz > 120) & (hz < 6800)
    ratio = np.abs(np.fft.rfft(found)[inside]) / np.abs(np.fft.rfft(known, 1000)[inside])
    strong = np.abs(np.fft.rfft(known, 1000)[inside]) > 0.3
    assert 20 * np.log10(ratio[strong]) == pytest.approx(0, abs=0.3)
    assert np.median(np.abs(20 * np.log10(ratio[strong]))) < 0.03


@pytest.mark.parametrize("order", [2, 3, 4])
def test_each_order_of_distortion_has_a_place_of_its_own(order: int) -> None:
    """A Chebyshev polynomial makes of a sine its harmonic of that order and nothing else. None is folded back here."""
    sweep = ExponentialSweep(RATE_HZ, 89.0, 1900.0, 1.0)
    heard = padded(np.polynomial.Chebyshev.basis(order)(sweep.samples))
    power = sweep.respond(heard) ** 2
    place = RATE_HZ - round(sweep.lead_s(order) * RATE_HZ)
    assert power[place - 160 : place + 160].sum() > 0.9 * power[: RATE_HZ + 800].sum()


def test_noise_is_multiplied_as_it_says() -> None:
    noise = np.random.default_rng(2).standard_normal(8 * RATE_HZ)
    out = SWEEP.respond(noise)[RATE_HZ : 6 * RATE_HZ].reshape(-1, 4000)
    density = np.mean(np.abs(np.fft.rfft(out * np.hanning(4000), axis=1)) ** 2, axis=0) / np.sum(np.hanning(4000) ** 2)
    hz = np.fft.rfftfreq(4000, 1 / RATE_HZ)
    for low, high in ((200, 400), (1000, 2000), (4000, 6000)):
        inside = (hz > low) & (hz < high)
        assert density[inside].mean() == pytest.approx(SWEEP.inverse_power(hz[inside]).mean(), rel=0.1)


@pytest.mark.parametrize(("low", "high", "seconds"), [(0, 100, 1), (200, 100, 1), (100, 8000, 1), (100, 7000, 0)])
def test_what_does_not_fit_the_rate_is_refused(low: float, high: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        ExponentialSweep(RATE_HZ, low, high, seconds)
