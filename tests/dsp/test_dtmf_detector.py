"""The ear for keys: what ITU-T Q.24 has it hear, and what it must not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.keypad import DIGITS, Press, dial, frames, heard, tone
from voipnode.codecs.registry import find_codec
from voipnode.dsp.dtmf_detector import DtmfDetector
from voipnode.dsp.dtmf_frequencies import amplitude, pair

RATES = (8000, 16000, 48000)
THRICE = DIGITS * 3


def dialled(press: Press, *, seed: int = 1) -> str:
    """What is heard of all digits, three times each, pressed so."""
    return heard(dial(THRICE, press, np.random.default_rng(seed)), press.rate_hz)


@pytest.mark.parametrize("rate_hz", RATES)
def test_every_key_is_heard_once_at_40_ms_with_pauses_of_40_ms(rate_hz: int) -> None:
    assert dialled(Press(rate_hz=rate_hz)) == THRICE


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("twist_db", [-8.0, 4.0])
@pytest.mark.parametrize("deviation", [(0.015, 0.015), (-0.015, -0.015), (0.015, -0.015), (-0.015, 0.015)])
def test_off_by_1_5_percent_askew_and_in_noise_it_is_still_a_key(
    rate_hz: int, twist_db: float, deviation: tuple[float, float]
) -> None:
    low_off, high_off = deviation
    press = Press(
        low_dbm0=-12.0,
        high_dbm0=-12.0 + twist_db,
        low_off=low_off,
        high_off=high_off,
        snr_db=15.0,
        rate_hz=rate_hz,
    )
    assert dialled(press) == THRICE


@pytest.mark.parametrize("deviation", [(0.018, 0.018), (-0.018, -0.018), (0.018, -0.018), (-0.018, 0.018)])
def test_off_by_1_8_percent_it_is_a_key_where_it_is_quiet(deviation: tuple[float, float]) -> None:
    low_off, high_off = deviation
    assert dialled(Press(low_off=low_off, high_off=high_off, snr_db=25.0)) == THRICE


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("deviation", [(0.035, 0.0), (-0.035, 0.0), (0.0, 0.035), (0.0, -0.035), (0.03, 0.03)])
def test_off_by_3_5_percent_it_is_none_however_long(rate_hz: int, deviation: tuple[float, float]) -> None:
    low_off, high_off = deviation
    assert dialled(Press(low_off=low_off, high_off=high_off, on_ms=200.0, rate_hz=rate_hz)) == ""


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("snr_db", [None, 15.0])
def test_23_ms_are_no_key(rate_hz: int, snr_db: float | None) -> None:
    assert dialled(Press(on_ms=23.0, off_ms=47.0, snr_db=snr_db, rate_hz=rate_hz)) == ""


@pytest.mark.parametrize("level_dbm0", [-3.0, -25.0, -40.0])
@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_loud_and_quiet_keys_pass_through_g711(level_dbm0: float, law: str) -> None:
    sound = dial(THRICE, Press(low_dbm0=level_dbm0, high_dbm0=level_dbm0), np.random.default_rng(2))
    codec = find_codec(law)
    assert heard(codec.decoder(8000).decode_frame(codec.encoder(8000).encode_frame(sound))) == THRICE


def test_what_is_50_db_down_is_not_heard() -> None:
    assert dialled(Press(low_dbm0=-50.0, high_dbm0=-50.0, on_ms=100.0)) == ""


def test_one_tone_alone_or_far_out_of_balance_is_no_key() -> None:
    assert dialled(Press(low_dbm0=-60.0, on_ms=100.0)) == ""
    assert dialled(Press(high_dbm0=-25.0, on_ms=100.0)) == ""
    assert dialled(Press(high_dbm0=-2.0, on_ms=100.0)) == ""


@pytest.mark.parametrize("dial_tone", [(350.0, 440.0), (425.0,)], ids=["american", "european"])
def test_keys_are_heard_over_a_dial_tone(dial_tone: tuple[float, ...]) -> None:
    sound = dial(THRICE, Press(low_dbm0=-13.0, high_dbm0=-13.0), np.random.default_rng(3))
    seconds = np.arange(len(sound)) / 8000
    steady = sum(amplitude(-13.0) * np.sin(2 * np.pi * frequency * seconds) for frequency in dial_tone)
    assert heard((sound + steady).astype(np.float32)) == THRICE
    assert heard(np.asarray(steady, np.float32)) == ""


@pytest.mark.parametrize(("gap_ms", "times"), [(10, 1), (20, 1), (40, 2)])
def test_a_short_gap_is_an_interruption_and_40_ms_are_a_pause(gap_ms: int, times: int) -> None:
    dice = np.random.default_rng(4)
    for digit in DIGITS:
        lead = np.zeros(800 + int(dice.integers(80)))
        held = tone(digit, Press(on_ms=80.0), dice)
        silence = np.zeros(gap_ms * 8)
        sound = np.concatenate((lead, held, silence, held, lead)).astype(np.float32)
        assert heard(sound) == digit * times


def test_a_key_held_for_a_minute_is_one_with_one_end() -> None:
    held = tone("5", Press(on_ms=60_000.0), np.random.default_rng(5))
    sound = np.concatenate((held, np.zeros(800))).astype(np.float32)
    detector = DtmfDetector(8000)
    told = [(at, item) for at, frame in enumerate(frames(sound, 8000)) if (item := detector.hear(frame)) is not None]
    assert [(item.digit, item.ended) for _, item in told] == [("5", False), ("5", True)]
    assert told[0][1].low_hz == pytest.approx(770.0, abs=0.5)
    assert told[0][1].high_hz == pytest.approx(1336.0, abs=0.5)
    assert told[0][0] <= 3
    assert told[1][0] == pytest.approx(6002, abs=1)


def test_keys_without_a_pause_between_them_are_told_apart() -> None:
    dice = np.random.default_rng(6)
    sound = np.concatenate([tone(digit, Press(on_ms=100.0), dice) for digit in "159D"] + [np.zeros(800)])
    assert heard(sound.astype(np.float32)) == "159D"


@pytest.mark.parametrize("rate_hz", RATES)
def test_silence_noise_and_full_scale_nonsense_are_no_keys(rate_hz: int) -> None:
    dice = np.random.default_rng(7)
    noise = dice.normal(0, 0.1, 20 * rate_hz).astype(np.float32)
    square = np.sign(np.sin(np.arange(rate_hz) * 0.6)).astype(np.float32)
    for sound in (np.zeros(rate_hz, np.float32), noise, np.ones(rate_hz, np.float32), square):
        assert heard(sound, rate_hz) == ""


def test_chords_of_a_voice_are_no_keys() -> None:
    """Harmonics of one fundamental that meet two key frequencies exactly, as a sung vowel may."""
    seconds = np.arange(8000) / 8000
    for fundamental in (139.4, 174.25, 232.3, 348.5):  # 697 Hz is a multiple of each
        vowel = sum(np.sin(2 * np.pi * fundamental * n * seconds) / n for n in range(1, int(3400 / fundamental)))
        assert heard(np.asarray(vowel * 0.2, np.float32)) == ""


@pytest.mark.parametrize("text", ["", "E", "12", "1 "])
def test_what_is_no_digit_has_no_frequencies(text: str) -> None:
    with pytest.raises(ValueError, match="no digit"):
        pair(text)
