from __future__ import annotations

from pathlib import Path

from tests.support.aio import run_test
from tests.support.doctor_case import found_by
from voipnode.doctor.codecs import check_codecs, opus_finding
from voipnode.doctor.findings import Level


def test_opus_is_told_with_what_it_can_do() -> None:
    assert opus_finding("libopus 1.6.1").level is Level.GOOD
    missing = opus_finding("")
    assert missing.level is Level.WARNING
    assert "libopus0" in missing.remedy


def test_a_node_without_opus_is_told_nothing(tmp_path: Path) -> None:
    plain = {"accounts": [{"name": "Door", "audio_codecs": ["PCMU"], "default": True}]}
    assert run_test(found_by(check_codecs, plain, tmp_path)) == []
    (one,) = run_test(found_by(check_codecs, {}, tmp_path))
    assert one.level is Level.GOOD
    assert "libopus" in one.words
