"""Transforms into arrays that are there already, against numpy's in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp import spectra
from voipnode.dsp.spectra import to_sound, to_spectra

DICE = np.random.default_rng(1)
PUBLIC = pytest.mark.parametrize("public", [False, True], ids=["as found", "np.fft alone"])


@pytest.fixture
def transforms(public: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if public:
        forward, backward = spectra._public()
        monkeypatch.setattr(spectra, "_FORWARD", forward)
        monkeypatch.setattr(spectra, "_BACKWARD", backward)


@PUBLIC
@pytest.mark.usefixtures("transforms")
@pytest.mark.parametrize("shape", [(160,), (3, 320), (2, 5, 80)])
def test_spectra_are_numpys_and_sound_comes_back(shape: tuple[int, ...]) -> None:
    sound = DICE.uniform(-1, 1, shape).astype(np.float32)
    bins = shape[-1] // 2 + 1
    found = to_spectra(sound, np.zeros((*shape[:-1], bins), np.complex64))
    np.testing.assert_allclose(found, np.fft.rfft(sound.astype(np.float64)), atol=1e-4)
    np.testing.assert_allclose(to_sound(found, np.zeros_like(sound)), sound, atol=1e-6)


@PUBLIC
@pytest.mark.usefixtures("transforms")
def test_a_short_row_is_followed_by_silence() -> None:
    rows = DICE.uniform(-1, 1, (4, 320)).astype(np.float32)
    found = to_spectra(rows[:, :160], np.zeros((4, 161), np.complex64))
    np.testing.assert_allclose(found, np.fft.rfft(rows[:, :160].astype(np.float64), 320), atol=1e-4)
