"""The node's memory: its folder and its database."""

from __future__ import annotations

from pathlib import Path

from tests.support.aio import run_test
from tests.support.doctor_case import found_by, told
from voipnode.doctor import state
from voipnode.doctor.state import check_state


def test_a_new_folder_is_fine_and_is_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    findings = run_test(found_by(check_state, {}, folder))
    assert [finding.level for finding in findings] == ["good"] * 3
    assert not folder.exists()


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 16)
    findings = run_test(found_by(check_state, {}, tmp_path))
    assert findings[-1].level == "problem"
    assert "is damaged" in findings[-1].words


def test_a_folder_that_cannot_be_written_is_told() -> None:
    findings = run_test(found_by(check_state, {}, Path("/proc/voipnode")))  # where even root makes no file
    assert findings[0].level == "problem"
    assert "cannot write to its folder /proc/voipnode" in findings[0].words


def test_a_database_that_does_not_answer_is_told(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/state.db"
    assert ("good", "there is no state.db yet: the node makes one") in told(
        run_test(found_by(check_state, {"state": {"url": url}}, tmp_path))
    )


def test_little_room_is_told(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(state, "LOW_BYTES", 2**62)
    assert [finding.level for finding in run_test(found_by(check_state, {}, tmp_path))][1] == "warning"
    monkeypatch.setattr(state, "VERY_LOW_BYTES", 2**62)
    assert [finding.level for finding in run_test(found_by(check_state, {}, tmp_path))][1] == "problem"
