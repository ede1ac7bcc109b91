"""Spans of time in UTC, from their beginning up to, and without, their end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo

Span = tuple[datetime, datetime]


def to_utc(local: datetime, zone: tzinfo | None) -> datetime:
    """What the wall shows in `zone` (None: the system's), in UTC.

    A time that the clocks skip in spring is as much later as they skip; one that comes twice is the first one
    (RFC 5545 §3.3.5).
    """
    return (local.replace(tzinfo=zone) if zone is not None else local).astimezone(UTC)


def merged(spans: Iterable[Span], window: Span) -> list[Span]:
    """The spans within `window`, in order, those that touch each other as one; empty ones are left out."""
    found: list[Span] = []
    for start, end in sorted((max(start, window[0]), min(end, window[1])) for start, end in spans):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def without(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What is left of `spans` where `others` are not; both are `merged`."""
    left: list[Span] = []
    for start, end in spans:
        at = start
        for other_start, other_end in others:
            if other_end <= at:
                continue
            if other_start >= end:
                break
            if at < other_start:
                left.append((at, other_start))
            at = other_end
        if at < end:
            left.append((at, end))
    return left
