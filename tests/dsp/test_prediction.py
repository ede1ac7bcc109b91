from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.prediction import Model, fit, products


def sound_of(poles: list[complex], count: int, seed: int = 1) -> np.ndarray:
    taps = np.real(np.poly(poles))
    noise = np.random.default_rng(seed).normal(0, 0.01, count)
    made = np.zeros(count)
    for at in range(count):
        known = made[max(at - len(taps) + 1, 0) : at][::-1]
        made[at] = noise[at] - np.dot(taps[1 : len(known) + 1], known)
    return made


POLES = [0.95 * np.exp(0.3j), 0.95 * np.exp(-0.3j), 0.9 * np.exp(1.2j), 0.9 * np.exp(-1.2j)]


def test_products_are_those_of_the_plain_sums() -> None:
    sound = np.random.default_rng(3).normal(size=50)
    order = 6
    naive = np.zeros((order + 1, order + 1))
    for t in range(len(sound) - order):
        row = sound[t : t + order + 1]
        naive += np.outer(row, row) + np.outer(row[::-1], row[::-1])
    np.testing.assert_allclose(products(sound.astype(np.float32), order), naive, rtol=1e-5)
    np.testing.assert_allclose(products(sound[::-1].astype(np.float32), order), naive, rtol=1e-5)


def test_what_a_known_filter_made_is_predicted_nearly_up_to_its_noise() -> None:
    heard, other = sound_of(POLES, 20_000).astype(np.float32), sound_of(POLES, 20_000, seed=2)
    model = fit(products(heard, 8))
    rest = np.convolve(other, model.taps, "valid")
    assert 0.01**2 <= np.mean(rest**2) < 2.5 * 0.01**2 < 0.05 * np.mean(other**2)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 160, 333])
def test_an_extension_is_what_sample_after_sample_would_be(count: int) -> None:
    sound = sound_of(POLES, 300)
    model = fit(products(sound.astype(np.float32), 8))
    extended, doubt = model.extend(sound, count)
    line = list(sound)
    for _ in range(count):
        line.append(-np.dot(model.taps[1:], line[: -len(model.taps) : -1]))
    np.testing.assert_allclose(extended, line[300:], atol=1e-9)
    assert doubt[0] == 1.0
    assert (np.diff(doubt) >= 0).all()


@pytest.mark.parametrize("radius", [1.02, 1.2, 2.0])
def test_a_model_that_would_run_away_is_tamed(radius: float) -> None:
    taps = np.real(np.poly([radius * np.exp(0.5j), radius * np.exp(-0.5j)]))
    extended, doubt = Model(taps, 1.0).extend(np.array([1.0, 0.5, -0.5, -1.0]), 960)
    assert np.isfinite(extended).all()
    assert np.isfinite(doubt).all()
    assert np.abs(extended[-100:]).max() < 100


def test_a_start_out_of_silence_does_not_run_wild() -> None:
    """Least squares finds that each sample is ten times the one before: 10^200 in a gap of 25 ms."""
    sound = np.zeros(200, np.float32)
    sound[-3:] = (0.0005, 0.005, 0.05)
    onward, doubt = fit(products(sound, 80)).extend(sound, 400)
    assert np.isfinite(onward).all()
    assert np.isfinite(doubt).all()
