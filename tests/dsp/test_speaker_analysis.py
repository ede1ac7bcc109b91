"""What a recording of the test signal says, against what is known of the door that it was made at."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.speaker_door import SpeakerDoor, drifted
from voipnode.dsp.speaker_analysis import SpeakerAnalyser
from voipnode.dsp.speaker_signal import LEAD_S, SpeakerSignal

RATE_HZ = 8000
SIGNAL = SpeakerSignal(RATE_HZ, passes=2)
ANALYSER = SpeakerAnalyser(SIGNAL)
PLAYED = SIGNAL.samples


def expected_db(door: SpeakerDoor, signal: SpeakerSignal) -> np.ndarray:
    """The third octaves of the response itself."""
    size = 1 << 15
    power = np.abs(np.fft.rfft(door.response(), size)) ** 2
    return 10 * np.log10(signal.bands.means(power, signal.rate_hz / size))


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_levels_are_those_of_the_way_from_loudspeaker_to_microphone(rate_hz: int) -> None:
    signal, door = SpeakerSignal(rate_hz, passes=2), SpeakerDoor(rate_hz, delay_ms=35)
    found = SpeakerAnalyser(signal).analyse(door.record(signal.samples, noise_dbfs=-60))
    assert found.level_db[2:] == pytest.approx(expected_db(door, signal)[2:], abs=0.8)
    assert found.delay_ms == pytest.approx(35, abs=0.2)
    assert found.noise_dbfs == pytest.approx(-60, abs=0.5)
    assert found.heard.all()


def test_noise_is_known_and_taken_off() -> None:
    door = SpeakerDoor(RATE_HZ)
    clean, noisy = (ANALYSER.analyse(door.record(PLAYED, noise_dbfs=level)) for level in (-80, -40))
    assert noisy.level_db == pytest.approx(clean.level_db, abs=1.0)
    assert noisy.snr_db[3:].max() < 35
    loud = ANALYSER.analyse(door.record(PLAYED, noise_dbfs=-22))  # hardly above the noise, which adds 1.3 dB
    assert np.mean((loud.level_db - clean.level_db)[4:]) == pytest.approx(0, abs=0.5)
    assert np.median(noisy.noise_db - noisy.silence_db) == pytest.approx(0, abs=1.0)  # it is there all the time


def test_two_clocks_may_differ() -> None:
    door = SpeakerDoor(RATE_HZ)
    heard = door.record(PLAYED, noise_dbfs=-70)
    same, apart = ANALYSER.analyse(heard), ANALYSER.analyse(drifted(heard, 100))
    assert apart.drift_ppm == pytest.approx(100, abs=60)  # two passes are 2.5 s apart, a sample of which is 50 ppm
    assert apart.level_db == pytest.approx(same.level_db, abs=0.3)


def test_distortion_is_what_theory_has() -> None:
    """y = x + a x^2: the second harmonic is a A / 2 of the fundamental, and there is no third."""
    share = 0.4
    sound = PLAYED + share * PLAYED**2
    found = ANALYSER.analyse(np.concatenate([np.zeros(80, np.float32), sound[:-80]]))
    second = 20 * np.log10(share * SIGNAL.amplitude / 2)
    # There is no second harmonic below 178 Hz, and three bands in ten are left out for noise.
    assert found.distortion.orders_db[0] == pytest.approx(second, abs=2.5)
    assert found.distortion.regular_db == pytest.approx(second, abs=2.5)
    assert max(found.distortion.orders_db[1:]) < second - 12


def test_the_first_pass_may_be_lost() -> None:
    """A sound card that opened late."""
    signal, door = SpeakerSignal(RATE_HZ), SpeakerDoor(RATE_HZ)
    heard = door.record(signal.samples)
    whole = SpeakerAnalyser(signal).analyse(heard)
    heard[: round((LEAD_S + 1.5) * RATE_HZ)] = 0
    late = SpeakerAnalyser(signal).analyse(heard)
    assert late.level_db[2:] == pytest.approx(whole.level_db[2:], abs=1.0)
    assert late.distortion.regular_db == pytest.approx(whole.distortion.regular_db, abs=6.0)


@pytest.mark.parametrize(
    "heard",
    [
        np.zeros(len(PLAYED)),
        np.ones(len(PLAYED)),
        np.full(len(PLAYED), np.nan),
        np.full(len(PLAYED), np.inf),
        np.zeros(0),
        np.ones(10),
        np.resize([1e30, -1e30], len(PLAYED) + 5),
    ],
    ids=["silence", "full scale", "nan", "inf", "empty", "short", "beyond all bounds"],
)
def test_anything_may_come_from_a_microphone(heard: np.ndarray) -> None:
    found = ANALYSER.analyse(heard.astype(np.float32))
    for name in ("level_db", "noise_db", "silence_db", "early"):
        assert np.isfinite(getattr(found, name)).all(), name
    assert found.level_db.max() < -50  # no loudspeaker
