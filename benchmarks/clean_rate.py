"""The highest rate of calls that a subject answers without a failure and without a repeated message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sip_load import Load, Result, run_load
from subjects import Subject

CALL_S = 1.0
WARM_UP_S = 2.0
MEASURE_S = 5.0
ATTEMPTS = 2  # at each rate: a machine that does something else for a moment must not decide

Start = Callable[[Path], Subject]


@dataclass(slots=True)
class Search:
    """What was tried: the last result at every rate, and the highest clean rate (0: not even the first)."""

    results: dict[int, Result] = field(default_factory=dict)
    highest: int = 0


def find_clean_rate(start: Start, rates: Sequence[int], folder: Path, *, timed_at: int = 0) -> Search:
    """Try ascending `rates` until one is not clean, then once half-way between that and the last clean one.

    Each attempt has a program of its own, since one that was overloaded goes on for half a minute. At the rate
    `timed_at` the times to the answer are taken as well.
    """
    search = Search()
    rates = list(rates)
    for place, rate in enumerate(rates):
        if _is_clean(start, rate, folder, search, timed=rate == timed_at):
            search.highest = rate
            continue
        below = rates[place - 1] if place else 0
        if place and _is_clean(start, (below + rate) // 2, folder, search, timed=False):
            search.highest = (below + rate) // 2
        break
    return search


def _is_clean(start: Start, rate: int, folder: Path, search: Search, *, timed: bool) -> bool:
    for attempt in range(ATTEMPTS):
        name = f"{rate}-{attempt}"
        subject = start(folder / name)
        try:
            result = run_load(subject, Load(rate, MEASURE_S, WARM_UP_S, CALL_S, timed), folder / f"{name}-load")
        finally:
            subject.stop()
        search.results[rate] = result
        print(
            f"    {result.failed} failed, {result.retransmissions} repeated,"
            f" {result.cpu_s_per_1000_calls:.2f} CPU s per 1,000 calls",
            flush=True,
        )
        if result.clean:
            return True
    return False
