"""From runs to a result."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from voipnode.dsp.speaker_verdict import Comparison, Verdict
from voipnode.modules.speaker_test.trial import MAX_RUNS, Trial

OK, WEAK, RATTLING, NOISY = Verdict.OK, Verdict.WEAK, Verdict.RATTLING, Verdict.TOO_NOISY


def run_of(verdict: Verdict) -> Comparison:
    nothing: Any = np.zeros(0)
    return Comparison(verdict, verdict.value, 0.0, 0.0, nothing, nothing, nothing, 1.0)


def outcome(verdicts: tuple[Verdict, ...]) -> tuple[Verdict | None, int]:
    """The result, and after how many of these runs."""
    trial = Trial()
    for count, verdict in enumerate(verdicts, 1):
        trial.add(run_of(verdict), None)  # type: ignore[arg-type]  # what was measured is only handed on
        if trial.result is not None:
            return trial.result.verdict, count
    return None, len(verdicts)


@pytest.mark.parametrize(
    ("verdicts", "result"),
    [
        ((OK,), (OK, 1)),
        ((NOISY, OK), (OK, 2)),
        ((WEAK,), (None, 1)),
        ((WEAK, WEAK), (WEAK, 2)),
        ((WEAK, OK), (None, 2)),
        ((WEAK, OK, OK), (OK, 3)),
        ((WEAK, OK, WEAK), (WEAK, 3)),
        ((RATTLING, NOISY, WEAK), (RATTLING, 3)),  # of two faults the first has the word
        ((NOISY, NOISY, NOISY, NOISY), (NOISY, 4)),
        ((WEAK, NOISY, NOISY, NOISY), (NOISY, 4)),
        ((WEAK, OK, NOISY, NOISY), (NOISY, 4)),
    ],
)
def test_a_fault_needs_two_runs_and_noise_is_no_answer(
    verdicts: tuple[Verdict, ...], result: tuple[Verdict | None, int]
) -> None:
    assert outcome(verdicts) == result


def test_every_trial_ends_and_none_is_ok_without_more_clean_runs_than_faulty_ones() -> None:
    for verdicts in itertools.product((OK, WEAK, NOISY), repeat=MAX_RUNS):
        result, count = outcome(verdicts)
        assert result is not None
        if result is OK:
            assert verdicts[:count].count(OK) > verdicts[:count].count(WEAK)
