"""Comfort noise: level and colour of what is made, against the payload's definition (RFC 3389 §3)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipnode.codecs.comfort_noise import MAX_ORDER, ORDER, NoiseDecoder, describe
from voipnode.codecs.registry import codec_names, comfort_noise

SECOND = 16000


def made_of(payload: bytes, count: int = 8 * SECOND) -> np.ndarray:
    decoder = NoiseDecoder(16000)
    decoder.decode_frame(payload)
    noise = decoder.conceal(count)
    assert noise is not None
    return noise


def level_dbov(sound: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(sound**2, dtype=np.float64)))


def band_db(sound: np.ndarray, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / 16000)
    return 10 * float(np.log10(spectrum[(hz >= low_hz) & (hz < high_hz)].mean()))


@pytest.mark.parametrize("level", [20, 45, 70])
@pytest.mark.parametrize("colour", [b"", bytes([127] * 8), bytes([40, 180, 100])])
def test_noise_has_the_level_that_the_payload_says(level: int, colour: bytes) -> None:
    """§3.1: 0 to 127 for 0 to -127 dBov, against a square wave of full scale."""
    assert level_dbov(made_of(bytes([level]) + colour)) == pytest.approx(-level, abs=0.3)


def test_the_highest_bit_of_the_level_is_not_looked_at() -> None:
    np.testing.assert_array_equal(made_of(bytes([0x80 | 50])), made_of(bytes([50])))


def test_the_lowest_level_is_silence() -> None:
    assert not made_of(bytes([127])).any()


def test_a_description_without_colour_is_white() -> None:
    noise = made_of(bytes([30]))
    assert abs(band_db(noise, 100, 1000) - band_db(noise, 6000, 7900)) < 0.5


def test_the_first_reflection_coefficient_tilts_the_spectrum() -> None:
    """k1 = -R(1)/R(0): a low rumble has a negative one, a hiss a positive one; a one-pole filter in numbers."""
    rumble, hiss = made_of(bytes([30, 127 - 60])), made_of(bytes([30, 127 + 60]))
    k = 60 * 258 / 32768
    expected = 20 * np.log10((1 + k) / (1 - k))  # gain at 0 Hz over gain at 8 kHz
    assert band_db(rumble, 0, 200) - band_db(rumble, 7800, 8000) == pytest.approx(expected, abs=1)
    assert band_db(hiss, 7800, 8000) - band_db(hiss, 0, 200) == pytest.approx(expected, abs=1)


def test_a_described_noise_sounds_like_the_one_that_was_described() -> None:
    white = np.random.default_rng(1).normal(0, 0.01, 4 * SECOND)
    original = np.convolve(white, [1, 1.4, 0.9, 0.3], "same").astype(np.float32)
    again = made_of(describe(original))
    assert len(describe(original)) == 1 + ORDER
    assert level_dbov(again) == pytest.approx(level_dbov(original), abs=0.6)
    for low_hz in range(0, 7000, 500):
        at_low = band_db(original[: len(again)], low_hz, low_hz + 500)
        assert band_db(again[: len(original)], low_hz, low_hz + 500) == pytest.approx(at_low, abs=2), low_hz


def test_describing_silence_says_so() -> None:
    assert describe(np.zeros(320, np.float32))[0] == 127
    assert describe(np.full(320, 1.0, np.float32))[0] == 0


def test_a_change_of_level_makes_no_step() -> None:
    decoder = NoiseDecoder(8000)
    decoder.decode_frame(bytes([40]))
    loud = decoder.decode_frame(bytes([20]))
    assert np.abs(loud[:4]).max() < np.abs(loud[40:]).max()


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_any_bytes_make_finite_noise(payload: bytes) -> None:
    decoder = NoiseDecoder(8000)
    noise = decoder.decode_frame(payload)
    assert len(noise) == (80 if payload else 0)
    more = decoder.conceal(160)
    assert more is not None
    assert np.isfinite(more).all()
    assert np.abs(more).max() <= 1.0
    if len(payload) > 1 + MAX_ORDER:
        again = NoiseDecoder(8000)
        np.testing.assert_array_equal(again.decode_frame(payload[: 1 + MAX_ORDER]), noise)


def test_it_is_no_codec_to_be_offered_for_speech() -> None:
    assert "CN" not in codec_names()
    assert (comfort_noise(8000).clock_hz, comfort_noise(8000).payload_type) == (8000, 13)
    assert (comfort_noise(16000).clock_hz, comfort_noise(16000).payload_type) == (16000, None)
