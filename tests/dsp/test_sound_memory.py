"""What was said in the last two seconds: whether two sines were in it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.keypad import DIGITS, Press, Sound, frames, tone
from voipnode.dsp.dtmf_frequencies import pair
from voipnode.dsp.sound_memory import SoundMemory

DICE = np.random.default_rng(9)


def filled(sound: Sound, rate_hz: int = 8000) -> SoundMemory:
    memory = SoundMemory(rate_hz)
    for frame in frames(sound, rate_hz):
        memory.remember(frame)
    return memory


def silence(frames: int, rate_hz: int = 8000) -> Sound:
    return np.zeros(frames * rate_hz // 100, np.float32)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_a_key_of_40_ms_is_found_where_it_was_and_for_two_seconds(rate_hz: int) -> None:
    for digit in "15D":
        key = tone(digit, Press(on_ms=40.0, rate_hz=rate_hz), DICE).astype(np.float32)
        sound = np.concatenate((silence(30, rate_hz), key, silence(100, rate_hz)))
        memory = filled(sound, rate_hz)
        found = np.flatnonzero(memory.carried(*pair(digit)))
        assert set(found) >= {100}, "the last of its windows ends 100 frames ago"
        assert found.min() >= 97
        assert found.max() <= 103
        for frame in frames(silence(95, rate_hz), rate_hz):
            memory.remember(frame)
        assert memory.carried(*pair(digit)).any()
        for frame in frames(silence(10, rate_hz), rate_hz):
            memory.remember(frame)
        assert not memory.carried(*pair(digit)).any()


def test_only_the_frequencies_that_were_there_are_found() -> None:
    for digit in DIGITS:
        key = tone(digit, Press(on_ms=100.0), DICE).astype(np.float32)
        memory = filled(np.concatenate((silence(50), key, silence(50))))
        assert [other for other in DIGITS if memory.carried(*pair(other)).any()] == [digit]


@pytest.mark.parametrize("high_dbm0", [-28.0, -10.0, 0.0])
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_it_is_found_askew_and_in_noise_louder_than_itself(high_dbm0: float, noise: float) -> None:
    press = Press(on_ms=100.0, low_dbm0=-10.0, high_dbm0=high_dbm0)
    key = tone("1", press, DICE)
    sound = np.concatenate((silence(50), key, silence(50)))
    memory = filled((sound + DICE.normal(0, noise, len(sound))).astype(np.float32))
    assert memory.carried(*pair("1")).any()


def test_silence_and_noise_carry_nothing() -> None:
    assert not SoundMemory(8000).carried(*pair("1")).any()
    assert not filled(DICE.normal(0, 0.1, 16000).astype(np.float32)).carried(*pair("1")).any()
