"""Noise goes, the voice stays, and nothing that comes in can do harm."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.echo_room import noise, response
from tests.support.echo_room import through as through_room
from tests.support.speech import speech
from voipnode.dsp.echo.canceller import Cancelled, EchoCanceller
from voipnode.dsp.suppressor import Suppressor

Sound = NDArray[np.float32]
RATES = [8000, 16000]


def through(suppressor: Suppressor, sound: Sound) -> Sound:
    """What comes out, moved back by the delay."""
    size = suppressor.latency_samples
    frames = [suppressor.process_plain(sound[at : at + size]) for at in range(0, len(sound) - size + 1, size)]
    assert all(frame.shape == (size,) and frame.dtype == np.float32 for frame in frames)
    return np.concatenate(frames)[size:]


def level_db(sound: Sound) -> float:
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-15))


def likeness_db(clean: Sound, heard: Sound) -> float:
    """Of what was heard, how much is the clean voice over how much is not."""
    scale = np.dot(clean, heard) / np.dot(clean, clean)
    return level_db(scale * clean) - level_db(heard - scale * clean)


def spoken(rate_hz: int) -> Sound:
    """A second of nothing, then three of speech."""
    said = speech(3.0, rate_hz)
    said = said * np.float32(10 ** ((-26 - level_db(said)) / 20))
    return np.concatenate((np.zeros(rate_hz, np.float32), said))


@pytest.mark.parametrize("rate_hz", RATES)
def test_steady_noise_goes_and_the_voice_in_it_stays(rate_hz: int) -> None:
    clean = spoken(rate_hz)
    noisy = clean + noise(len(clean), -36.0)
    suppressor = Suppressor(rate_hz)
    heard = through(suppressor, noisy)
    alone = slice(rate_hz // 2, rate_hz * 9 // 10)
    assert level_db(noisy[alone]) - level_db(heard[alone]) > 18.0
    both = slice(rate_hz, len(heard))
    assert likeness_db(clean[both], heard[both]) > likeness_db(clean[both], noisy[both]) + 2.0
    assert suppressor.noise_dbfs == pytest.approx(-36.0, abs=3.0)


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_clean_voice_is_left_alone(rate_hz: int) -> None:
    clean = spoken(rate_hz)
    heard = through(Suppressor(rate_hz), clean + noise(len(clean), -80.0))
    spoken_part = slice(rate_hz, len(heard))
    assert likeness_db(clean[spoken_part], heard[spoken_part]) > 20.0
    assert abs(level_db(heard[spoken_part]) - level_db(clean[spoken_part])) < 0.2


def test_no_more_is_taken_than_was_asked_for() -> None:
    hiss = noise(48000, -40.0)
    for floor_db in (-6.0, -12.0):
        heard = through(Suppressor(16000, noise_floor_db=floor_db), hiss)[16000:]
        assert level_db(heard) == pytest.approx(-40.0 + floor_db, abs=1.0)


def test_switched_off_it_is_a_delay_of_10_ms() -> None:
    hiss = noise(16000, -30.0)
    suppressor = Suppressor(16000, noise=False)
    heard = through(suppressor, hiss)
    np.testing.assert_allclose(heard, hiss[: len(heard)], atol=1e-6)
    assert suppressor.gain == pytest.approx(1.0)


def test_silence_stays_silent() -> None:
    heard = through(Suppressor(16000), np.zeros(16000, np.float32))
    assert not heard.any()


def test_noise_that_rises_for_good_is_learned() -> None:
    sound = np.concatenate((noise(16000, -60.0), noise(64000, -35.0, seed=1)))
    heard = through(Suppressor(16000), sound)
    assert level_db(heard[-16000:]) < -35.0 - 15.0


def test_it_tells_speech_from_noise() -> None:
    suppressor, said = Suppressor(16000), spoken(16000)
    noisy = said + noise(len(said), -46.0)
    seen = []
    for at in range(0, len(noisy) - 159, 160):
        suppressor.process_plain(noisy[at : at + 160])
        seen.append(suppressor.speech_probability)
    assert np.mean(seen[20:98]) < 0.1
    assert np.percentile(seen[100:], 75) > 0.6


def test_a_reset_forgets_the_noise_and_what_was_half_put_out() -> None:
    suppressor, fresh = Suppressor(16000), Suppressor(16000)
    through(suppressor, noise(16000, -20.0))
    suppressor.reset()
    later = noise(8000, -40.0, seed=3)
    np.testing.assert_array_equal(through(suppressor, later), through(fresh, later))


def scene(rate_hz: int = 16000) -> tuple[list[Cancelled], Sound, Sound]:
    """Far end alone for 4 s, both for 2 s, as the canceller leaves it; the echo and the near voice in it."""
    said = speech(9.0, rate_hz)
    far, near = said[: 6 * rate_hz].copy(), said[7 * rate_hz : 9 * rate_hz]
    near = np.concatenate((np.zeros(4 * rate_hz, np.float32), near)) * np.float32(0.5)
    echo = through_room(far, response(rate_hz, delay_ms=20.0)) * np.float32(0.5)
    canceller, size = EchoCanceller(rate_hz), rate_hz // 100
    microphone = echo + near + noise(len(near), -76.0)
    pairs = zip(far.reshape(-1, size), microphone.reshape(-1, size), strict=True)
    return [deepcopy(canceller.process(*pair)) for pair in pairs], echo, near


def test_what_is_left_of_echo_goes_and_double_talk_stays() -> None:
    parts, echo, near = scene()
    suppressor = Suppressor(16000)
    heard = np.concatenate([suppressor.process(part) for part in parts])[160:]
    error = np.concatenate([part.error for part in parts])
    alone, both = slice(32000, 64000), slice(64000, 95000)
    assert level_db(echo[alone]) - level_db(heard[alone]) > 35.0
    assert level_db(error[alone]) - level_db(heard[alone]) > 8.0
    first = slice(8000, 16000)
    assert level_db(echo[first]) - level_db(heard[first]) > 20.0, "quiet before the canceller knows the room"
    assert likeness_db(near[both], heard[both]) > 8.0
    assert abs(level_db(heard[both]) - level_db(near[both])) < 2.0


def test_without_an_echo_part_the_error_is_only_denoised() -> None:
    parts, _, _ = scene()
    suppressor, plain = Suppressor(16000, echo=False), Suppressor(16000)
    for part in parts[:100]:
        np.testing.assert_array_equal(suppressor.process(part), plain.process_plain(part.error))


def test_comfort_noise_takes_the_place_of_echo() -> None:
    """Noise of -50 dBFS and an echo that the canceller never finds: no holes in what is heard."""
    far = speech(4.0, 16000)
    microphone = noise(len(far), -50.0)
    suppressor, levels = Suppressor(16000, noise=False), []
    nothing = np.zeros(160, np.float32)
    for at in range(0, len(far) - 159, 160):
        part = slice(at, at + 160)
        echo = far[part] * np.float32(0.3)
        heard = suppressor.process(Cancelled(microphone[part] + echo, nothing, far[part], microphone[part] + echo))
        levels.append(level_db(heard))
    loud = np.array(levels[100:])
    assert np.percentile(loud, 10) > -58.0
    assert np.median(loud) < -44.0


HOSTILE = [
    np.zeros(160),
    np.ones(160),
    np.tile([1.0, -1.0], 80),
    np.full(160, np.nan),
    np.full(160, np.inf),
    np.full(160, -1e38),
    np.full(160, 1e-42),
    np.where(np.arange(160) == 7, np.nan, 0.1),
    np.random.default_rng(1).uniform(-1, 1, 160),
]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(range(len(HOSTILE))), max_size=30))
def test_whatever_comes_in_what_goes_out_is_sound(order: list[int]) -> None:
    suppressor = Suppressor(16000)
    for index in order:
        frame = HOSTILE[index].astype(np.float32)
        heard = suppressor.process(Cancelled(frame, HOSTILE[-index].astype(np.float32), frame[::-1], frame))
        assert np.isfinite(heard).all()
        assert np.abs(heard).max() <= 2.0
        assert 0 <= suppressor.speech_probability <= 1
        assert np.isfinite(suppressor.noise_dbfs)
    hiss = noise(24000, -40.0)
    assert -75.0 < level_db(through(suppressor, hiss)[16000:]) < -42.0


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="rate_hz is 44100"):
        Suppressor(44100)
    with pytest.raises(ValueError, match="noise_floor_db is 3"):
        Suppressor(16000, noise_floor_db=3.0)
    suppressor = Suppressor(16000)
    with pytest.raises(ValueError, match="noise_floor_db is -200"):
        suppressor.noise_floor_db = -200.0
