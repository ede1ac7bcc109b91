"""Speech is told from the noises of a door; whatever comes in, the detector answers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.speech import speech
from voipnode.dsp.tones import Tone
from voipnode.dsp.voice_activity import VoiceActivity

RATES_HZ = (8000, 16000, 48000)


def heard(sound: np.ndarray, rate_hz: int) -> np.ndarray:
    block = VoiceActivity(rate_hz)
    return np.array([block.process(frame) for frame in sound.astype(np.float32).reshape(-1, rate_hz // 100)])


def pink(seconds: float, rate_hz: int, level: float, seed: int = 1) -> np.ndarray:
    count = round(seconds * rate_hz)
    hz = np.fft.rfftfreq(count, 1 / rate_hz)
    noise = np.fft.irfft(
        np.fft.rfft(np.random.default_rng(seed).standard_normal(count)) / np.sqrt(np.maximum(hz, 20)), count
    )
    return level * noise / np.std(noise)


def sentence(seconds: float, rate_hz: int) -> np.ndarray:
    """The first voice, from its first word on."""
    sound = speech(seconds + 1.0, rate_hz)
    return sound[np.argmax(np.abs(sound) > 0.05) :][: round(seconds * rate_hz)]


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_sentence_in_noise_is_found_where_it_is(rate_hz: int) -> None:
    voice = sentence(1.0, rate_hz)
    sound = pink(4.0, rate_hz, float(np.std(voice)) * 10 ** (-10 / 20))
    sound[2 * rate_hz : 3 * rate_hz] += voice
    active = heard(sound, rate_hz)
    assert np.mean(active[:195]) < 0.1
    assert np.mean(active[205:295]) > 0.9
    assert np.mean(active[330:]) < 0.2


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("level", [1e-4, 0.01, 0.2])
def test_noise_is_no_speech_however_loud(rate_hz: int, level: float) -> None:
    noise = np.clip(pink(4.0, rate_hz, level), -1, 1)
    taken = heard(noise, rate_hz)
    assert not np.any(taken[:50])  # nor where it begins
    assert np.mean(taken) < 0.08
    assert np.mean(heard(level * np.random.default_rng(3).uniform(-1, 1, 4 * rate_hz), rate_hz)) < 0.08


def test_noise_that_becomes_louder_is_noise_again_after_a_moment() -> None:
    noise = pink(7.0, 16000, 0.003)
    noise[16000:] *= 10
    active = heard(noise, 16000)
    assert np.mean(active[550:]) < 0.1


def test_a_slamming_door_is_no_word() -> None:
    noise = pink(4.0, 16000, 0.003)
    fall = np.exp(-np.arange(4000) / 16000 / 0.02)
    noise[32000:36000] += 0.3 * fall * np.random.default_rng(2).standard_normal(4000)
    assert np.sum(heard(noise, 16000)[200:]) < 45  # what a short word would be at most


def test_a_steady_tone_is_not_spoken_for_ever() -> None:
    tone = Tone(300.0, rate_hz=8000, level_dbfs=-20)
    sound = np.concatenate([tone.next_frame() for _ in range(800)]) + pink(8.0, 8000, 0.001)
    assert not np.any(heard(sound, 8000)[600:])


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_probability_crosses_a_half_with_the_decision_and_a_reset_forgets(rate_hz: int) -> None:
    block = VoiceActivity(rate_hz)
    assert block.probability == 0.0
    for frame in sentence(1.0, rate_hz).reshape(-1, rate_hz // 100):
        assert block.process(frame) == (block.probability > 0.5) == block.is_speech
    once = block.probability
    assert once > 0.5
    block.reset()
    assert block.probability == 0.0
    again = VoiceActivity(rate_hz)
    for frame in sentence(1.0, rate_hz).reshape(-1, rate_hz // 100):
        block.process(frame)
        again.process(frame)
    assert block.probability == again.probability == once


@pytest.mark.parametrize("frame", [
    np.full(160, np.nan, np.float32), np.full(160, np.inf, np.float32), np.full(160, -3e38, np.float32),
    np.zeros(0, np.float32), np.ones(161, np.float32), np.ones(160), np.zeros(160, np.float32),
])  # fmt: skip
def test_no_frame_makes_it_raise_or_deaf(frame: np.ndarray) -> None:
    block = VoiceActivity(16000)
    for _ in range(20):
        block.process(frame)
        assert 0.0 <= block.probability <= 1.0
    for quiet in pink(1.0, 16000, 0.001).astype(np.float32).reshape(-1, 160):
        block.process(quiet)
    said = [block.process(part) for part in sentence(1.0, 16000).reshape(-1, 160)]
    assert np.mean(said) > 0.7


def test_other_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="44100"):
        VoiceActivity(44100)
