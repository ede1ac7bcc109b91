"""Tones and their cadences."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.keypad import DIGITS, heard
from tests.support.sound import fit_at, measure_tone
from voipnode.dsp.dtmf_frequencies import DBM0_OF_FULL_SCALE_SINE, pair
from voipnode.dsp.tones import Cadence, Tone, key_tone


def test_a_cadence_is_on_and_off_for_its_times_and_begins_on() -> None:
    cadence = Cadence(Tone(425.0), on_ms=1000, off_ms=4000)
    loud = [bool(np.any(cadence.next_frame())) for _ in range(1000)]
    assert loud == ([True] * 100 + [False] * 400) * 2


def test_the_tone_is_what_etsi_names() -> None:
    cadence = Cadence(Tone(425.0, level_dbfs=-16.0), on_ms=1000, off_ms=4000)
    heard = measure_tone(np.concatenate([cadence.next_frame() for _ in range(100)]).astype(np.float64), 8000)
    assert heard.frequency_hz == pytest.approx(425.0, abs=0.5)


def test_after_a_reset_it_begins_anew() -> None:
    cadence = Cadence(Tone(425.0), on_ms=20, off_ms=20)
    first = [cadence.next_frame().copy() for _ in range(3)]
    cadence.reset()
    again = [cadence.next_frame().copy() for _ in range(3)]
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize(("on_ms", "off_ms"), [(0, 100), (5, 100), (100, -10)])
def test_a_cadence_that_cannot_be_heard_is_refused(on_ms: int, off_ms: int) -> None:
    with pytest.raises(ValueError, match="cadence"):
        Cadence(Tone(425.0), on_ms, off_ms)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_a_key_has_the_frequencies_of_q_23_and_the_levels_of_etsi(rate_hz: int) -> None:
    for digit in DIGITS:
        middle = key_tone(digit, 200, rate_hz)[rate_hz // 50 : -rate_hz // 50].astype(np.float64)
        levels = [10 * np.log10(2 * fit_at(middle, hz, rate_hz).power) + DBM0_OF_FULL_SCALE_SINE for hz in pair(digit)]
        assert levels == pytest.approx([-9.0, -7.0], abs=0.3)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_our_ear_hears_our_keys(rate_hz: int) -> None:
    silence = np.zeros(rate_hz // 20, np.float32)
    parts = [part for digit in DIGITS for part in (silence, key_tone(digit, 40, rate_hz))]
    assert heard(np.concatenate((*parts, silence)), rate_hz) == DIGITS


def test_a_tone_goes_on_from_frame_to_frame() -> None:
    source = Tone(440, level_dbfs=-6)
    frames = np.concatenate([source.next_frame() for _ in range(50)])
    expected = 10 ** (-6 / 20) * np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)
    np.testing.assert_allclose(frames, expected, atol=1e-5)
    with pytest.raises(ValueError, match="do not fit"):
        Tone(4000)
