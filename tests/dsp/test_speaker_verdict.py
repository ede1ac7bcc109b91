"""Calibration and verdict: each fault has its name, what is well is well, and noise is never taken for either."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.speaker_door import SpeakerDoor
from voipnode.dsp.speaker_analysis import SpeakerAnalyser, SpeakerMeasurement
from voipnode.dsp.speaker_calibration import SpeakerCalibration, sameness, why_no_calibration
from voipnode.dsp.speaker_signal import SpeakerSignal
from voipnode.dsp.speaker_verdict import Comparison, Tolerances, Verdict, compare

RATE_HZ = 8000
SIGNAL = SpeakerSignal(RATE_HZ, passes=2)
ANALYSER = SpeakerAnalyser(SIGNAL)
PLAYED = SIGNAL.samples
LEVEL_DBFS = -12.0


def measured(at: SpeakerDoor, fault: str = "none", noise_dbfs: float = -65.0) -> SpeakerMeasurement:
    return ANALYSER.analyse(at.record(PLAYED, fault, noise_dbfs))


def calibrated(at: SpeakerDoor, fault: str = "none", noise_dbfs: float = -65.0) -> tuple[SpeakerCalibration, str]:
    runs = [measured(at, fault, noise_dbfs) for _ in range(3)]
    calibration = SpeakerCalibration.of(runs, SIGNAL.bands, RATE_HZ, LEVEL_DBFS)
    return calibration, why_no_calibration(runs, calibration)


CALIBRATION, WHY_NOT = calibrated(SpeakerDoor(RATE_HZ, seed=7))


def door() -> SpeakerDoor:
    """The calibrated one, in a noise that is the same in every test."""
    return SpeakerDoor(RATE_HZ, seed=7, noise_seed=1)


def comparison(fault: str = "none", noise_dbfs: float = -65.0) -> Comparison:
    return compare(measured(door(), fault, noise_dbfs), CALIBRATION, Tolerances())


@pytest.mark.parametrize("noise_dbfs", [-75.0, -62.0, -52.0])
def test_what_is_well_is_well_in_more_and_in_less_noise(noise_dbfs: float) -> None:
    assert WHY_NOT == ""
    found = comparison(noise_dbfs=noise_dbfs)
    assert found.verdict is Verdict.OK, found.words
    assert found.offset_db == pytest.approx(0, abs=0.5)
    assert np.abs(found.change_db).max() < 3
    assert found.sameness > 0.99


@pytest.mark.parametrize("noise_dbfs", [-65.0, -52.0])
@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        ("moved", Verdict.MOVED),
        ("muffled", Verdict.MUFFLED),
        ("rattling", Verdict.RATTLING),
        ("weak", Verdict.WEAK),
        ("dead_loudspeaker", Verdict.DEAD_LOUDSPEAKER),
        ("dead_microphone", Verdict.DEAD_MICROPHONE),
        ("noisy", Verdict.TOO_NOISY),
    ],
)
def test_each_fault_has_its_name(fault: str, verdict: Verdict, noise_dbfs: float) -> None:
    found = comparison(fault, noise_dbfs)
    assert found.verdict is verdict, found.words


def test_a_loudspeaker_lost_in_noise_is_not_ok_for_the_bands_that_are_left() -> None:
    """Muffled, and the noise hides all that is missing: bands that ought to stand out count although they do not."""
    found = comparison("muffled", -42.0)
    assert found.verdict is Verdict.MUFFLED, found.words
    unheard = ~measured(door(), "muffled", -42.0).heard & found.counts
    assert unheard.any()
    assert (found.change_db[unheard] < -6).all()


def test_noise_that_would_hide_a_rattle_is_too_much_to_say_ok() -> None:
    """All bands stand out of it, and all sounds as it did; but harmonics of 5 % would not."""
    found = comparison("none", -36.0)
    assert found.counts.all()
    assert found.verdict is Verdict.TOO_NOISY, found.words


@pytest.mark.parametrize(("fault", "why"), [("dead_loudspeaker", "not heard"), ("noisy", "noisy")])
def test_what_is_not_heard_is_no_calibration(fault: str, why: str) -> None:
    assert why in calibrated(door(), fault)[1]


def test_an_overloaded_microphone_is_no_calibration() -> None:
    assert "overloaded" in calibrated(SpeakerDoor(RATE_HZ, level_db=14.0))[1]


def test_a_calibration_survives_json() -> None:
    again = SpeakerCalibration.from_dict(json.loads(json.dumps(CALIBRATION.to_dict())))
    assert again.bands == CALIBRATION.bands
    assert again.level_db == pytest.approx(CALIBRATION.level_db, abs=1e-3)
    assert sameness(again.early, CALIBRATION.early) == pytest.approx(1, abs=1e-6)
    assert compare(measured(door()), again, Tolerances()).verdict is Verdict.OK


@pytest.mark.parametrize("spoil", ["level_db", "used", "early", "edges_hz", "rate_hz", "noise_dbfs"])
def test_what_is_no_calibration_is_refused(spoil: str) -> None:
    data = CALIBRATION.to_dict()
    for value in ("nan", None, [1, 2], float("nan")):
        with pytest.raises(ValueError, match="no calibration"):
            SpeakerCalibration.from_dict({**data, spoil: value})
    for other in (None, [], "x", {}):
        with pytest.raises(ValueError, match="no calibration"):
            SpeakerCalibration.from_dict(other)


def test_likeness_does_not_mind_level_and_small_delays_and_minds_all_else() -> None:
    one = CALIBRATION.early
    size = 2 * len(one)
    shifted = np.fft.irfft(np.fft.rfft(one, size) * np.exp(-2j * np.pi * np.arange(size // 2 + 1) * 0.4 / size), size)
    assert sameness(one, 0.1 * shifted[: len(one)]) > 0.999
    assert sameness(one, np.random.default_rng(1).standard_normal(len(one))) < 0.6


def with_loss(lost_ms: float) -> SpeakerMeasurement:
    """A sound card that ran empty: samples are lost in the midst of a pass, of which two is one too few."""
    heard = door().record(PLAYED)
    at, lost = SIGNAL.starts[1] + RATE_HZ // 2, round(lost_ms * RATE_HZ / 1000)
    return ANALYSER.analyse(np.concatenate([heard[:at], heard[at + lost :], np.zeros(lost, np.float32)]))


def test_sound_that_was_interrupted_is_neither_ok_nor_a_fault() -> None:
    found = compare(with_loss(30.0), CALIBRATION, Tolerances())
    assert found.verdict is Verdict.TOO_NOISY, found.words
    assert "interrupted" in found.words


def test_a_few_milliseconds_lost_make_no_difference() -> None:
    found = compare(with_loss(4.0), CALIBRATION, Tolerances())
    assert found.verdict is Verdict.OK, found.words
    assert np.abs(found.change_db).max() < 1.0
