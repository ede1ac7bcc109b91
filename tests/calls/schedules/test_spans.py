"""Sets of spans: what is left of some where others are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from voipnode.calls.schedules.spans import Span, merged, without

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
Hours = list[tuple[int, int]]


def spans(*hours: tuple[int, int]) -> list[Span]:
    return [(MIDNIGHT + timedelta(hours=start), MIDNIGHT + timedelta(hours=end)) for start, end in hours]


def hours(found: list[Span]) -> Hours:
    return [tuple(int((moment - MIDNIGHT).total_seconds()) // 3600 for moment in span) for span in found]  # type: ignore[misc] # two each


@pytest.mark.parametrize(
    ("others", "left"),
    [
        ([], [(2, 6), (8, 12)]),
        ([(0, 2), (6, 8), (12, 14)], [(2, 6), (8, 12)]),
        ([(0, 3), (5, 9), (11, 20)], [(3, 5), (9, 11)]),
        ([(3, 4), (5, 6), (8, 9)], [(2, 3), (4, 5), (9, 12)]),
        ([(2, 6)], [(8, 12)]),
        ([(0, 24)], []),
    ],
)
def test_what_is_left(others: Hours, left: Hours) -> None:
    assert hours(without(spans((2, 6), (8, 12)), spans(*others))) == left


def test_what_touches_is_one_and_what_is_outside_is_none() -> None:
    window = spans((3, 20))[0]
    assert hours(merged(spans((10, 12), (1, 2), (2, 4), (4, 6), (11, 11), (18, 22), (15, 14)), window)) == [
        (3, 6),
        (10, 12),
        (18, 20),
    ]
