"""What can be wrong with a simulated door: each fault is heard as what it is, by level, by spectrum, by distortion."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.sound import measure_tone
from voipnode.modules.audio.room import impulse_response
from voipnode.modules.audio.settings import RoomSettings
from voipnode.modules.audio.simulated import SimulatedRoom
from voipnode.modules.audio.sources import Silence, Tone

RATE_HZ = 16000
FAULTS = ("none", "moved", "muffled", "rattling", "weak", "dead_loudspeaker", "dead_microphone", "noisy")


def door(fault: str, **settings: float | str) -> SimulatedRoom:
    room = RoomSettings.model_validate({"fault": fault, "noise_dbfs": -70.0, **settings})
    return SimulatedRoom(RATE_HZ, room, Silence(RATE_HZ))


def play(device: SimulatedRoom, sound: np.ndarray) -> np.ndarray:
    return np.concatenate([device.exchange(frame) for frame in sound.astype(np.float32).reshape(-1, RATE_HZ // 100)])


def bands_db(device: SimulatedRoom) -> np.ndarray:
    """Level of what comes back, by octave from 125 Hz to 4 kHz, for white noise."""
    played = 0.05 * np.random.default_rng(9).standard_normal(4 * RATE_HZ)
    power = np.abs(np.fft.rfft(play(device, played))) ** 2 / np.mean(np.abs(np.fft.rfft(played)) ** 2)
    hz = np.fft.rfftfreq(len(played), 1 / RATE_HZ)
    centres = 125.0 * 2.0 ** np.arange(6)
    return np.array([10 * np.log10(np.mean(power[(hz > c / 1.41) & (hz < c * 1.41)])) for c in centres])


def level_dbfs(sound: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(2) * np.std(sound)))


def test_a_weak_loudspeaker_is_softer_by_as_much_in_every_octave() -> None:
    assert bands_db(door("weak")) - bands_db(door("none")) == pytest.approx(np.full(6, -12.0), abs=1.5)


def test_a_muffled_one_keeps_its_lows_and_falls_by_12_db_an_octave() -> None:
    change = bands_db(door("muffled")) - bands_db(door("none"))
    assert change[:3] == pytest.approx([-2, -2, -2], abs=1)
    assert change[4] - change[5] == pytest.approx(12, abs=4)
    assert change[5] < -18


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_moved_one_is_farther_and_another_in_its_shape(seed: int) -> None:
    def response(fault: str) -> np.ndarray:
        return impulse_response(door(fault, seed=seed).room, RATE_HZ)

    def thirds_db(path: np.ndarray) -> np.ndarray:
        power, hz = np.abs(np.fft.rfft(path, 8192)) ** 2, np.fft.rfftfreq(8192, 1 / RATE_HZ)
        centres = 200.0 * 2.0 ** (np.arange(15) / 3)
        return np.array([10 * np.log10(np.mean(power[(hz > c / 1.12) & (hz < c * 1.12)])) for c in centres])

    before, after = response("none"), response("moved")
    later_ms = 1000 * (np.flatnonzero(after)[0] - np.flatnonzero(before)[0]) / RATE_HZ
    assert 0.4 < later_ms < 1.6
    change = thirds_db(after) - thirds_db(before)
    assert np.std(change) > 1.5
    assert -8 < np.mean(change) < 3


def test_a_rattling_one_is_clean_when_soft_and_buzzes_when_loud() -> None:
    def purity(fault: str, level_dbfs: float, frequency_hz: float = 250.0) -> float:
        device = door(fault, rt60_ms=0, noise_dbfs=-120, clip_dbfs=20)
        tone = Tone(RATE_HZ, frequency_hz, level_dbfs)
        heard = play(device, np.concatenate([tone.read() for _ in range(100)]))
        return measure_tone(heard[RATE_HZ // 5 :], RATE_HZ).snr_db

    assert purity("none", -12) > 50
    assert purity("rattling", -40) > 50
    assert 5 < purity("rattling", -12) < 25
    assert purity("rattling", -12, 3000.0) > 40  # a membrane hardly moves


def test_what_is_dead_gives_no_echo_and_a_dead_microphone_not_even_the_room() -> None:
    played = 0.1 * np.random.default_rng(3).standard_normal(RATE_HZ)
    heard = {fault: level_dbfs(play(door(fault), played)) for fault in FAULTS}
    assert heard["none"] > -35
    assert heard["dead_loudspeaker"] == pytest.approx(-70, abs=1)
    assert heard["dead_microphone"] == pytest.approx(-85, abs=1)
    assert heard["noisy"] > -12


@pytest.mark.parametrize("fault", FAULTS)
def test_with_every_fault_sound_stays_finite_and_within_full_scale(fault: str) -> None:
    device = door(fault, drift_ppm=200.0, near_reverberation_db=0.0, echo_db=20.0)
    random = np.random.default_rng(4)
    heard = play(device, np.concatenate([np.ones(RATE_HZ // 10), random.choice([-1.0, 1.0], RATE_HZ)]))
    assert np.all(np.isfinite(heard))
    assert np.max(np.abs(heard)) <= 1.0


def test_a_fault_that_comes_while_sound_is_played_makes_no_click() -> None:
    device = door("none", noise_dbfs=-120, clip_dbfs=40)
    pressure = np.full(40 * RATE_HZ // 100, 0.2)
    before = play(device, pressure)
    device.change(device.room.model_copy(update={"fault": "weak"}))
    after = play(device, pressure)
    steady = before[-1]
    assert after[0] == pytest.approx(steady, rel=0.02)
    assert np.max(np.abs(np.diff(after))) < 0.02 * abs(steady)
    # What was in the air goes on, through the new path: no gap while 20 ms of delay fill again.
    assert after[160:] == pytest.approx(np.full(len(after) - 160, 10 ** (-12 / 20) * steady), rel=0.01)


def test_who_speaks_reverberates_where_the_room_says_so() -> None:
    def heard(near_reverberation_db: float) -> np.ndarray:
        room = RoomSettings(near_reverberation_db=near_reverberation_db, noise_dbfs=-120, rt60_ms=300)
        device = SimulatedRoom(RATE_HZ, room, _Click())
        return play(device, np.zeros(RATE_HZ))

    dry, wet = heard(-120), heard(-6)
    assert np.max(np.abs(dry[1:])) < 1e-4
    assert wet[0] == pytest.approx(0.5, abs=1e-4)
    assert 10 * np.log10(np.sum(wet[1:] ** 2) / wet[0] ** 2) == pytest.approx(-6, abs=0.1)


class _Click:
    """One sample at the begin."""

    description = "a click"

    def __init__(self) -> None:
        self._level = 0.5

    def read(self) -> np.ndarray:
        frame = np.zeros(RATE_HZ // 100, np.float32)
        frame[0], self._level = self._level, 0.0
        return frame

    def rewind(self) -> None:
        self._level = 0.5
