"""Checks run side by side, each within its limit, and none hides what the others found."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.doctor_case import case_of
from voipnode.doctor.findings import Case, Check, Finding, Level, Report, examine, good, problem
from voipnode.doctor.threads import in_thread


async def quick(case: Case) -> AsyncIterator[Finding]:
    yield good("quick")


async def hanging(case: Case) -> AsyncIterator[Finding]:
    yield good("before")
    await asyncio.Event().wait()


async def hanging_in_a_thread(case: Case) -> AsyncIterator[Finding]:
    yield good(str(await in_thread(threading.Event().wait)))


async def broken(case: Case) -> AsyncIterator[Finding]:
    yield good("before")
    raise RuntimeError("oh")


def test_what_hangs_or_breaks_keeps_nobody_from_the_end(tmp_path: Path) -> None:
    checks = tuple(Check(run.__name__, 0.2, run) for run in (hanging, hanging_in_a_thread, broken, quick))

    async def play() -> list[Report]:
        async with case_of({}, tmp_path) as case:
            return await examine(case, checks)

    begun = time.monotonic()
    reports = run_test(play())
    assert time.monotonic() - begun < 2.0
    assert [report.worst for report in reports] == [Level.PROBLEM, Level.PROBLEM, Level.PROBLEM, Level.GOOD]
    assert reports[0].findings[0] == good("before")
    assert "not done within 0.2 s" in reports[0].findings[1].words
    assert "RuntimeError: oh" in reports[2].findings[1].words


def test_the_worst_finding_counts() -> None:
    assert Report("").worst is Level.GOOD
    assert Report("", [good("a"), problem("b", "c"), good("d")]).worst is Level.PROBLEM


def test_what_a_thread_raises_is_raised_to_who_waits() -> None:
    def fail() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        run_test(in_thread(fail))
