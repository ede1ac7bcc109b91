"""What `voipnode doctor` prints, its exit codes, and its end when something hangs."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from voipnode.cli import doctor
from voipnode.cli.exit_codes import ExitCode
from voipnode.doctor.findings import Report, good, note, problem, warning

SICK = [
    Report("Ports", [good("free"), problem("taken [by] me", "stop me")]),
    Report("Clock", [warning("late", "hurry")]),
]
WELL = [Report("Ports", [good("free")]), Report("Clock", [note("so so")]), Report("Nothing", [])]


def run(monkeypatch: pytest.MonkeyPatch, reports: list[Report], *, as_json: bool = False) -> ExitCode:
    async def examine(*args: object, **more: object) -> list[Report]:
        return reports

    monkeypatch.setattr(doctor, "examine_node", examine)
    monkeypatch.setattr("logging.disable", lambda level: None)
    return doctor.examine_here(None, Path("/nowhere"), ntp="", plays=False, as_json=as_json)


def test_each_problem_is_printed_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, SICK) is ExitCode.FAILED
    said = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert said == [
        "Settings", "ok    the defaults: no problems",
        "Ports", "ok    free", "bad   taken [by] me", "-> stop me",
        "Clock", "warn  late", "-> hurry",
        "1 problem, 1 warning.",
    ]  # fmt: skip


def test_where_nothing_is_wrong_the_exit_code_is_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, WELL) is ExitCode.OK
    out = capsys.readouterr().out
    assert out.endswith("Nothing is wrong.\n")
    assert "Nothing\n" not in out


def test_for_programs_it_is_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, SICK, as_json=True) is ExitCode.FAILED
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["worst"] == "problem"
    assert [check["worst"] for check in told["checks"]] == ["problem", "warning"]
    assert told["checks"][0]["findings"][1] == {"level": "problem", "words": "taken [by] me", "remedy": "stop me"}


def test_an_examination_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stuck, left = threading.Event(), []

    async def examine(*args: object, **more: object) -> list[Report]:
        stuck.wait()  # as a library does that blocks the loop itself
        return []

    monkeypatch.setattr(doctor, "LIMIT_S", 0.1)
    monkeypatch.setattr(doctor, "GRACE_S", 0.1)
    monkeypatch.setattr(doctor, "_leave", left.append)
    monkeypatch.setattr(doctor, "examine_node", examine)
    monkeypatch.setattr("logging.disable", lambda level: None)
    assert doctor.examine_here(None, Path("/nowhere"), ntp="", plays=False, as_json=False) is ExitCode.FAILED
    assert left == [ExitCode.FAILED]
    assert "did not come to its end" in capsys.readouterr().err
    stuck.set()
