"""What the journal of the run before says in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from voipnode.modules.relay.history import ended_badly, previous_run
from voipnode.modules.relay.journal import MAX_BYTES, NAME, Journal, boot_id, older

WALL = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
START = {"what": "start", "wall": WALL, "boot": boot_id()}
ON = {"what": "line", "wall": WALL + 5, "line": "door", "active": True, "why": "pulse"}
OFF = {**ON, "wall": WALL + 12, "active": False, "why": "expired", "held_s": 7.0}


def end(why: str, detail: str) -> dict[str, Any]:
    return {"what": "end", "wall": WALL + 13, "why": why, "detail": detail}


@pytest.mark.parametrize(
    ("entries", "words", "badly"),
    [
        ([], "", False),
        ([START, ON, OFF, end("stop", "...")], "stopped in order at 2023-11-14 22:13:33 UTC", False),
        ([START, end("terminated", "...")], "stopped in order at 2023-11-14 22:13:33 UTC", False),
        (
            [START, ON, {**OFF, "why": "engine-lost", "held_s": 3.2}, end("engine-lost", "the engine was lost")],
            "the engine was lost at 2023-11-14 22:13:33 UTC; relay 'door' was on and was released after 3.2 s by the"
            " guardian",
            True,
        ),
        (
            [
                *(START, {**ON, "by": "Anna, card at outside"}),
                *({**OFF, "why": "engine-lost", "held_s": 3.2}, end("engine-lost", "the engine was lost")),
            ],
            "the engine was lost at 2023-11-14 22:13:33 UTC; relay 'door' was on (by Anna, card at outside) and was"
            " released after 3.2 s by the guardian",
            True,
        ),
        (
            [START, ON, OFF, end("engine-lost", "the engine was lost")],
            "the engine was lost at 2023-11-14 22:13:33 UTC",
            True,
        ),
        (
            [START, {**ON, "by": "a rule"}, {"what": "lost", "wall": WALL + 6}],
            "the guardian was lost at 2023-11-14 22:13:26 UTC; relay 'door' was on (by a rule) and fell back with it",
            True,
        ),
        (
            [{**START, "boot": "another"}, ON, OFF],
            "the machine stopped without warning after 2023-11-14 22:13:32 UTC",
            True,
        ),
        ([START, ON, OFF], "the guardian and its journal were lost after 2023-11-14 22:13:32 UTC", True),
        (
            [START, end("failed", "no chip"), START, end("stop", "")],
            "stopped in order at 2023-11-14 22:13:33 UTC",
            False,
        ),
    ],
)
def test_a_run_is_told_in_words(tmp_path: Path, entries: list[dict[str, Any]], words: str, badly: bool) -> None:
    if entries:
        (tmp_path / NAME).write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert previous_run(tmp_path) == words
    assert ended_badly(tmp_path) is badly


def test_half_a_line_and_strange_lines_are_passed_over(tmp_path: Path) -> None:
    good = [json.dumps(entry).encode() for entry in (START, end("stop", ""))]
    (tmp_path / NAME).write_bytes(
        b"\n".join([b'{"what": "li', good[0], b"[]", b'{"what": 3, "wall": 1}', b"\xff\x00", good[1], b'{"wh'])
    )
    assert previous_run(tmp_path).startswith("stopped in order")


def test_what_cannot_be_told_is_passed_over(tmp_path: Path) -> None:
    walls = ("1e300", "-1", "NaN", "Infinity", '"now"', "null")
    strange = "\n".join([*(f'{{"what": "start", "wall": {wall}}}' for wall in walls), "[" * 90_000])
    (tmp_path / NAME).write_text(f"{strange}\n{json.dumps(START)}\n{json.dumps(end('stop', ''))}\n{strange}\n")
    assert previous_run(tmp_path) == "stopped in order at 2023-11-14 22:13:33 UTC"


def test_a_run_is_read_across_the_change_of_files(tmp_path: Path) -> None:
    older(tmp_path / NAME).write_text(json.dumps(START) + "\n" + json.dumps(ON) + "\n")
    assert "fell back with it" in previous_run(tmp_path)
    (tmp_path / NAME).write_text(json.dumps(OFF) + "\n" + json.dumps(end("stop", "")) + "\n")
    assert previous_run(tmp_path).startswith("stopped in order")


def test_the_journal_is_bounded_and_keeps_one_older_file(tmp_path: Path) -> None:
    for _ in range(12):
        journal = Journal.start(tmp_path, keep_out_of=())
        for _ in range(60):
            journal.write("line", line="door", note="x" * 800)
        journal.write("end", why="stop")
        journal.close()
    assert (tmp_path / NAME).stat().st_size <= MAX_BYTES + 65536
    assert older(tmp_path / NAME).stat().st_size <= MAX_BYTES + 65536
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600  # it says who opened


def test_a_journal_without_a_folder_raises_nothing(tmp_path: Path) -> None:
    journal = Journal.start(tmp_path / "gone", keep_out_of=())
    journal.write("start")
    journal.write("line", note="x" * 5000)  # longer than the pipe takes in one piece: dropped
    journal.close()
    assert previous_run(tmp_path / "gone") == ""
