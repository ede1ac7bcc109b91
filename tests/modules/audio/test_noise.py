"""Noise of a simulated room: it has its level, its colour, and no seam where it begins again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.wav_files import write_wav
from voipnode.calls.errors import CallError
from voipnode.modules.audio.noise import NoiseLoop, make_noise, street
from voipnode.modules.audio.settings import RoomSettings

RATE_HZ = 8000


def test_a_street_rumbles_and_its_vehicles_pass() -> None:
    sound = street(RATE_HZ, 1)
    power = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)

    def octave_db(centre_hz: float) -> float:
        return float(10 * np.log10(np.sum(power[(hz > centre_hz / 1.41) & (hz < centre_hz * 1.41)])))

    assert octave_db(125) > octave_db(500) > octave_db(2000) + 2
    seconds_db = 10 * np.log10(np.mean(sound.reshape(-1, RATE_HZ) ** 2, axis=1))
    assert np.ptp(seconds_db) > 8
    assert np.max(np.abs(np.diff(seconds_db))) < 6  # nothing begins at once
    assert not np.allclose(sound, street(RATE_HZ, 2))
    assert np.array_equal(sound, street(RATE_HZ, 1))


@pytest.mark.parametrize("name", ["white", "street"])
def test_a_noise_has_the_power_of_a_sine_of_full_scale(name: str) -> None:
    noise = make_noise(RoomSettings(noise=name), RATE_HZ)
    sound = np.concatenate([noise.read() for _ in range(4000)])
    assert np.mean(sound.astype(np.float64) ** 2) == pytest.approx(0.5, rel=0.05)


def test_a_loop_has_no_seam() -> None:
    steps = np.arange(1000.0) - 499.5  # neither a whole number of frames nor of half frames
    loop = NoiseLoop(steps, RATE_HZ, "steps")
    played = np.concatenate([loop.read() for _ in range(100)])
    assert np.allclose(played, np.resize(played[:1000], len(played)))
    assert np.ptp(played[:1000]) > 2


def test_a_file_is_brought_to_the_level_that_is_wanted(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "noise.wav", 0.01 * np.random.default_rng(1).standard_normal(RATE_HZ), RATE_HZ)
    noise = make_noise(RoomSettings(noise=str(path)), RATE_HZ)
    assert np.std(np.concatenate([noise.read() for _ in range(100)])) == pytest.approx(np.sqrt(0.5), rel=0.05)


def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"audio\.room\.noise = .*nowhere\.wav"):
        make_noise(RoomSettings(noise=str(tmp_path / "nowhere.wav")), RATE_HZ)
    silence = write_wav(tmp_path / "silence.wav", np.zeros(RATE_HZ), RATE_HZ)
    with pytest.raises(CallError, match="nothing to be heard"):
        make_noise(RoomSettings(noise=str(silence)), RATE_HZ)
    with pytest.raises(ValueError, match="noise"):
        RoomSettings(noise=" ")
