"""Readers as the doctor sees them: device, library, key."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run_test
from tests.support.doctor_case import found_by
from voipnode.doctor.findings import Finding
from voipnode.doctor.readers import check_readers

KEY = "00" * 16


def found(folder: Path, **reader: Any) -> Finding:
    (finding,) = run_test(found_by(check_readers, {"readers": [{"name": "outside", **reader}]}, folder))
    return finding


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "wiegand")
    return str(folder / "wiegand")


@pytest.mark.parametrize(
    ("reader", "level", "words"),
    [
        ({}, "note", "by software only"),
        ({"driver": "osdp", "device": "/dev/ttyNOT"}, "problem", "/dev/ttyNOT: No such file"),
        ({"driver": "osdp", "device": "/etc/hostname"}, "problem", "no such line"),
        ({"driver": "osdp", "device": "/dev/null"}, "problem", "no key yet"),
        ({"driver": "osdp", "device": "/dev/null", "key": KEY}, "good", "and so is its key"),
        ({"driver": "osdp", "device": "/dev/null", "secure_channel": False}, "warning", "in the clear"),
    ],
)
def test_what_a_reader_lacks(tmp_path: Path, reader: dict[str, Any], level: str, words: str) -> None:
    finding = found(tmp_path, **reader)
    assert (finding.level, words in finding.words) == (level, True)
    assert KEY not in finding.words


def test_a_key_that_others_may_read(tmp_path: Path) -> None:
    (tmp_path / "readers").mkdir()
    file = tmp_path / "readers" / "outside.key"
    file.write_text(KEY)
    file.chmod(0o644)
    finding = found(tmp_path, driver="osdp", device="/dev/null")
    assert (finding.level, "chmod 600" in finding.words) == ("problem", True)
    file.chmod(0o600)
    assert found(tmp_path, driver="osdp", device="/dev/null").level == "good"


def test_a_wiegand_reader_on_a_pipe_needs_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert found(tmp_path, driver="wiegand", device=pipe(tmp_path)).level == "good"
    missing = found(tmp_path, driver="osdp", device="/dev/null", key=KEY)
    assert (missing.level, missing.remedy) == ("problem", "pip install voipnode[osdp]")
