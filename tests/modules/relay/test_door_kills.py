"""A few doors killed at random moments while they let somebody in; `make kill-door` kills two hundred."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.door_kills import Doors, Outcome

LATE_S = 5.0  # of whoever looks, on however busy a machine; `make kill-door` allows 50 ms
GOOD = Outcome(0.2, "card", seen_s=[0.2], acknowledged=1, opened=2, used=3, granted=1, logged=2, named=2)


def test_a_killed_door_shuts_counts_right_and_remembers_what_it_has_said(tmp_path: Path) -> None:
    with Doors(tmp_path, seed=7020) as doors:
        outcomes = [doors.kill_one(after) for after in ("acknowledged", "card", "card", "ready")]
    assert [outcome.faults(LATE_S) for outcome in outcomes] == [[]] * 4
    assert outcomes[0].acknowledged >= 1
    assert all("the engine was lost" in outcome.previous for outcome in outcomes[1:])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(GOOD, longest_s=0.3), "the relay was on for 0.300 s of 0.200 s"),
        (replace(GOOD, seen_s=[0.3]), "the relay was on for 0.300 s of 0.200 s"),
        (replace(GOOD, used=1), "2 openings for 1 uses"),
        (replace(GOOD, used=4), "4 uses are gone for 2 openings"),
        (replace(GOOD, granted=0), "1 grants were told, but"),
        (replace(GOOD, seen_s=[0.1] * 3), "3 openings seen on the line, 2 in the journal"),
    ],
)
def test_what_must_not_be_is_noticed(wrong: Outcome, words: str) -> None:
    assert GOOD.faults(0.05) == []
    [fault] = wrong.faults(0.05)
    assert fault.startswith(words)
