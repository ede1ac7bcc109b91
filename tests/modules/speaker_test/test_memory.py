"""The file of calibration and last result: whole or not at all, and never believed blindly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from voipnode.calls.events import SpeakerState
from voipnode.dsp.speaker_calibration import SpeakerCalibration
from voipnode.dsp.third_octaves import ThirdOctaves
from voipnode.modules.speaker_test.memory import NAME, MemoryDamagedError, Remembered, SpeakerMemory

BANDS = ThirdOctaves.within(89.0, 3400.0)


def calibration() -> SpeakerCalibration:
    return SpeakerCalibration(
        rate_hz=8000,
        level_dbfs=-12.0,
        bands=BANDS,
        level_db=np.linspace(-20, -10, len(BANDS)),
        spread_db=np.full(len(BANDS), 0.2),
        used=np.ones(len(BANDS), np.bool_),
        delay_ms=20.0,
        distortion_db=-40.0,
        noise_dbfs=-60.0,
        early=np.linspace(0, 1, 416),
    )


def known() -> Remembered:
    stamp = "2026-11-21T17:00:00+00:00"
    return Remembered(
        calibration(), stamp, SpeakerState.FAILED, "it is weak", "weak", stamp, stamp, {"verdict": "weak"}
    )


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    SpeakerMemory(tmp_path).save(known())
    again = SpeakerMemory(tmp_path).load()
    assert again.calibration is not None
    assert again.calibration.to_dict() == calibration().to_dict()
    assert (again.state, again.verdict, again.words) == (SpeakerState.FAILED, "weak", "it is weak")
    assert (again.calibrated_utc, again.result) == (known().calibrated_utc, {"verdict": "weak"})


def test_nothing_is_remembered_where_there_is_no_file(tmp_path: Path) -> None:
    assert SpeakerMemory(tmp_path).load() == Remembered()


def test_a_write_that_was_cut_short_leaves_the_one_before(tmp_path: Path) -> None:
    memory = SpeakerMemory(tmp_path)
    memory.save(known())
    (tmp_path / f".{NAME}.new").write_text('{"version": 1, "calibr')  # kill -9 in the middle of the next one
    assert memory.load().verdict == "weak"
    memory.save(Remembered())
    assert memory.load() == Remembered()


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "null", '{"version": 2}', "[" * 100_000, "\0" * 100, '{"version": 1, "calibration": {}}'],
)
def test_a_damaged_file_is_told_and_set_aside(tmp_path: Path, content: str) -> None:
    memory = SpeakerMemory(tmp_path)
    memory.path.write_text(content)
    with pytest.raises(MemoryDamagedError):
        memory.load()
    aside = memory.set_aside()
    assert aside.read_text() == content
    assert memory.load() == Remembered()


@pytest.mark.parametrize("field", ["version", "state", "tested_utc", "calibration", "result"])
def test_a_wrong_value_is_damage(tmp_path: Path, field: str) -> None:
    memory = SpeakerMemory(tmp_path)
    memory.save(known())
    memory.path.write_text(json.dumps({**json.loads(memory.path.read_text()), field: "2026-11-21"}))
    with pytest.raises(MemoryDamagedError):
        memory.load()
