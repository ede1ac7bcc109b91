"""Analysis and synthesis are a delay, whatever the sound; parts of the suppressor against slow references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import exp1

from tests.support.echo_room import noise
from voipnode.dsp.cepstral_smoothing import CepstralSmoother
from voipnode.dsp.noise_estimate import NoiseEstimate
from voipnode.dsp.spectral_frames import LATENCY_S, Analysis, Synthesis, bin_count, window_energy
from voipnode.dsp.spectral_gain import SpectralGain


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_what_is_not_changed_comes_out_as_it_was(rate_hz: int) -> None:
    analysis, synthesis = Analysis(rate_hz, 2), Synthesis(rate_hz)
    size, sound = rate_hz // 100, noise(rate_hz // 2, -10.0)
    frames = sound.reshape(-1, size)
    out = np.concatenate([synthesis.next_frame(analysis.next_spectra(frame * 0, frame)[1]) for frame in frames])
    late = round(LATENCY_S * rate_hz)
    np.testing.assert_allclose(out[late:], sound[:-late], atol=1e-6)


def test_the_noise_estimate_is_the_noise() -> None:
    estimate, analysis = NoiseEstimate(bin_count(16000), 1e-9), Analysis(16000)
    for frame in noise(48000, -40.0).reshape(-1, 160):
        spectrum = analysis.next_spectra(frame)[0]
        estimate.update(np.square(np.abs(spectrum)))
    assert 10 * np.log10(estimate.power[1:-1].mean() / window_energy(16000)) == pytest.approx(
        -41.0, abs=0.7
    )  # softer by its bias


def test_what_is_held_is_not_learned() -> None:
    estimate = NoiseEstimate(4, 1e-9)
    for _ in range(50):
        estimate.update(np.ones(4, np.float32))
    for _ in range(50):
        estimate.update(np.full(4, 4.0, np.float32), np.array([True, True, False, False]))
    np.testing.assert_allclose(estimate.power, [1, 1, 4, 4], rtol=0.05)


def test_the_gain_is_the_textbooks() -> None:
    """Ephraim and Malah 1985, equation 20; where all is speech, nothing else is left of the gain."""
    gains = SpectralGain(64)
    xi = np.geomspace(30, 900, 64).astype(np.float32)
    for gamma in (0.05, 1.0, 20.0):
        wanted = np.minimum(xi / (1 + xi) * np.exp(exp1(xi / (1 + xi) * gamma) / 2), 1)
        for _ in range(60):
            seen = gains.gain(xi, np.full(64, gamma, np.float32), np.float32(0.9999))
        np.testing.assert_allclose(seen, np.maximum(wanted, 0.9999), rtol=2e-3)
        for _ in range(60):
            seen = gains.gain(xi / 30, np.full(64, 20.0, np.float32), np.float32(0.01))
        lower = xi / 30
        wanted = np.minimum(lower / (1 + lower) * np.exp(exp1(lower / (1 + lower) * 20) / 2), 1)
        assert gains.presence.min() > 0.999
        np.testing.assert_allclose(seen, wanted, rtol=1e-2)


def test_where_nothing_speaks_the_gain_is_the_floor() -> None:
    gains = SpectralGain(81)
    for _ in range(20):
        seen = gains.gain(np.full(81, 0.01, np.float32), np.ones(81, np.float32), np.float32(0.1))
    np.testing.assert_allclose(seen, 0.1, rtol=0.12)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_smoothing_steadies_noise_and_leaves_a_steady_spectrum_as_it_is(rate_hz: int) -> None:
    smoother, bins = CepstralSmoother(rate_hz), bin_count(rate_hz)
    shape = np.exp(np.cos(np.linspace(0, 9, bins))).astype(np.float32)
    for _ in range(5):
        smooth = smoother.smooth(shape)
    np.testing.assert_allclose(smooth, shape * np.exp(0.35), rtol=1e-3)
    dice = np.random.default_rng(1)
    came, went = [], []
    for _ in range(60):
        power = dice.exponential(size=bins).astype(np.float32) + np.float32(1e-6)
        came.append(np.log(power))
        went.append(np.log(smoother.smooth(power)))
    assert np.std(went[20:]) < np.std(came[20:]) / 1.8
