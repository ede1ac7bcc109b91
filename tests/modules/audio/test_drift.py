"""A microphone whose clock is another: pitch and delay drift as two crystals make them, with a slip now and then."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.sound import measure_tone
from voipnode.modules.audio.drift import DriftingClock
from voipnode.modules.audio.settings import RoomSettings
from voipnode.modules.audio.simulated import SimulatedRoom
from voipnode.modules.audio.sources import Silence, Tone

RATE_HZ = 8000
SIZE = RATE_HZ // 100


def run(clock: DriftingClock, sound: np.ndarray) -> np.ndarray:
    return np.concatenate([clock.process(frame) for frame in sound.astype(np.float32).reshape(-1, SIZE)])


@pytest.mark.parametrize("drift_ppm", [-1000.0, -100.0, 100.0, 1000.0])
def test_a_fast_microphone_hears_a_tone_lower(drift_ppm: float) -> None:
    tone = Tone(RATE_HZ, 1000, -6)
    heard = run(DriftingClock(RATE_HZ, drift_ppm), np.concatenate([tone.read() for _ in range(600)]))
    measured = measure_tone(heard[RATE_HZ:], RATE_HZ)
    assert measured.frequency_hz == pytest.approx(1000 / (1 + drift_ppm * 1e-6), abs=0.01)
    assert measured.snr_db > 50


@pytest.mark.parametrize("drift_ppm", [-1000.0, 1000.0])
def test_where_the_buffer_runs_empty_or_over_it_slips_back(drift_ppm: float) -> None:
    clock = DriftingClock(RATE_HZ, drift_ppm)
    clicks = np.zeros(RATE_HZ * 30)
    clicks[:: RATE_HZ // 2] = 1.0
    heard = np.flatnonzero(run(clock, clicks) > 0.5)
    # 1000 ppm make 10 ms in 10 s.
    assert clock.slips == 2
    begin_ms = heard[0] * 1000 / RATE_HZ
    assert begin_ms == pytest.approx(clock.delay_ms, abs=0.2)
    delays_ms = (heard % (RATE_HZ // 2)) * 1000 / RATE_HZ
    assert np.max(np.abs(delays_ms - begin_ms)) < 10.7


def test_the_room_counts_the_buffer_into_its_delay() -> None:
    room = RoomSettings(delay_ms=30, drift_ppm=50, rt60_ms=0, noise_dbfs=-120, echo_db=0)
    device = SimulatedRoom(RATE_HZ, room, Silence(RATE_HZ))
    click = np.zeros(SIZE, np.float32)
    click[0] = 0.5
    heard = np.concatenate([device.exchange(click), *(device.exchange(np.zeros(SIZE, np.float32)) for _ in range(9))])
    assert np.argmax(np.abs(heard)) == pytest.approx(0.030 * RATE_HZ, abs=1)
