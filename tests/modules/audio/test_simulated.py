"""The simulated room: its echo path is found again by correlation, its levels are those of the settings."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.sound import measure_tone
from voipnode.calls.hooks import AudioDevice
from voipnode.modules.audio.room import PartitionedFilter, impulse_response
from voipnode.modules.audio.settings import RoomSettings
from voipnode.modules.audio.simulated import SimulatedRoom
from voipnode.modules.audio.sources import Silence, Tone

QUIET = {"noise_dbfs": -120.0, "clip_dbfs": 40.0}


def play(device: AudioDevice, loudspeaker: np.ndarray) -> np.ndarray:
    size = device.rate_hz // 100
    frames = loudspeaker.astype(np.float32).reshape(-1, size)
    return np.concatenate([device.exchange(frame) for frame in frames])


def room(rate_hz: int = 8000, **settings: float) -> SimulatedRoom:
    return SimulatedRoom(rate_hz, RoomSettings.model_validate(settings), Silence(rate_hz))


@pytest.mark.parametrize("length", [1, 79, 80, 81, 160, 1000])
def test_the_partitioned_filter_is_a_convolution(length: int) -> None:
    random = np.random.default_rng(length)
    response = random.standard_normal(length).astype(np.float32)
    signal = random.standard_normal(80 * 50).astype(np.float32)
    block = PartitionedFilter(response, 80)
    output = np.concatenate([block.process(frame) for frame in signal.reshape(-1, 80)])
    assert np.max(np.abs(output - np.convolve(signal, response)[: len(signal)])) < 1e-3
    block.reset()
    assert np.array_equal(block.process(np.zeros(80, np.float32)), np.zeros(80))


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_the_echo_path_is_recovered_by_correlation(rate_hz: int) -> None:
    settings = {"delay_ms": 33.0, "echo_db": -10.0, "rt60_ms": 120.0, **QUIET}
    device = room(rate_hz, **settings)
    noise = 0.1 * np.random.default_rng(2).standard_normal(rate_hz * 8)
    heard = play(device, noise)
    size = 1 << (len(noise) * 2 - 1).bit_length()
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(noise, size)), size)
    found = cross[: rate_hz // 4] / np.sum(noise**2)
    assert np.argmax(np.abs(found)) == round(0.033 * rate_hz)
    true = np.zeros(rate_hz // 4)
    response = impulse_response(RoomSettings.model_validate(settings), rate_hz)
    true[: len(response)] = response[: len(true)]
    assert np.sum((found - true) ** 2) < 0.05 * np.sum(true**2)
    level_db = 10 * np.log10(np.mean(heard**2) / np.mean(noise**2))
    assert level_db == pytest.approx(-10.0, abs=0.5)


def test_the_reverberation_decays_by_60_db_in_rt60() -> None:
    response = impulse_response(RoomSettings(delay_ms=0, rt60_ms=400, echo_db=0), 16000).astype(np.float64)
    tail = response[1:]
    # Schroeder's backward integral; the decay is read between -5 and -25 dB (ISO 3382) and extended to 60.
    curve_db = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / np.sum(tail**2))
    t5, t25 = np.argmax(curve_db < -5), np.argmax(curve_db < -25)
    assert (t25 - t5) * 3 / 16000 == pytest.approx(0.4, rel=0.1)
    assert np.sum(response**2) == pytest.approx(1.0, abs=1e-3)


def test_another_seed_is_another_room_and_the_same_seed_the_same() -> None:
    first, same, other = (impulse_response(RoomSettings(seed=seed), 8000) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.allclose(first, other)


def test_noise_has_its_level() -> None:
    heard = play(room(noise_dbfs=-40.0), np.zeros(8000 * 5))
    assert 20 * np.log10(np.std(heard) * np.sqrt(2)) == pytest.approx(-40.0, abs=0.2)


def test_the_near_end_is_heard_above_the_noise() -> None:
    device = SimulatedRoom(8000, RoomSettings(noise_dbfs=-60), Tone(8000, 1000, -20))
    tone = measure_tone(play(device, np.zeros(8000)), 8000)
    assert tone.frequency_hz == pytest.approx(1000, abs=0.1)
    assert tone.level_dbfs == pytest.approx(-20, abs=0.1)
    assert tone.snr_db == pytest.approx(40, abs=1)


def test_a_soft_loudspeaker_is_clean_and_a_loud_one_clips_softly() -> None:
    def purity(level_dbfs: float) -> float:
        device = room(delay_ms=0, rt60_ms=0, echo_db=0, clip_dbfs=-6, noise_dbfs=-120)
        tone = Tone(8000, 440, level_dbfs)
        return measure_tone(play(device, np.concatenate([tone.read() for _ in range(100)])), 8000).snr_db

    assert purity(-50) > 65
    assert 10 < purity(0) < 30


def test_a_start_empties_the_room() -> None:
    device = room(delay_ms=100, noise_dbfs=-120)
    play(device, np.ones(80 * 5))
    device.stop()
    device.start()
    assert np.max(np.abs(play(device, np.zeros(80 * 50)))) < 1e-5


@pytest.mark.parametrize("frame", [
    np.full(80, np.nan, np.float32), np.full(80, np.inf, np.float32), np.full(80, 3e38, np.float32),
    np.zeros(0, np.float32), np.zeros(81, np.float32), np.zeros((80, 2), np.float32),
    np.array([np.inf, -np.inf] * 40, np.float32),
])  # fmt: skip
def test_no_frame_makes_it_raise_or_spoils_what_comes_after(frame: np.ndarray) -> None:
    device = room(noise_dbfs=-120)
    with np.errstate(all="ignore"):
        heard = device.exchange(frame)
    assert heard.shape == (80,)
    assert np.all(np.abs(heard) <= 1.0)
    after = play(device, np.zeros(80 * 100))
    assert np.max(np.abs(after[-80:])) < 1e-5
    assert np.all(np.isfinite(after))


@pytest.mark.parametrize("field", ["delay_ms", "rt60_ms", "echo_db", "noise_dbfs", "clip_dbfs"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9, -1e9])
def test_settings_refuse_what_is_no_room(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        RoomSettings.model_validate({field: value})
