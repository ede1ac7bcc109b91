"""The readable form of a schedule: one line of days and times, such as "Mon-Fri 08:00-18:00".

A line has one to three parts, in any order, and holds where all of them do:

    Mon-Fri            days of the week; also "Sat,Sun", "Fri-Mon" and "daily"
    12-24..12-26       days of every year, month first; also a single one
    2026-08-03..2026-08-21    days of one year; also a single one
    08:00-12:00,13:00-17:00   times; one that ends no later than it begins, as 22:00-06:00, ends on the next day

Without times it is the whole day. A span belongs to the day on which it begins: "Sat 22:00-06:00" ends on Sunday.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from voipnode.calls.schedules.spans import Span, to_utc

DAY_MINUTES = 24 * 60
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXAMPLES = '"Mon-Fri 08:00-18:00", "Sat,Sun 22:00-06:00", "12-24..12-26" or "2026-08-03..2026-08-21 daily"'
MAX_PARTS = 16  # of one comma list

Covers = Callable[[date], bool]
_BLANKS = re.compile(r"\s*(,|\.\.|[-–])\s*")
_TIME = re.compile(r"(\d{1,2}):(\d{2})$")
_DATE = re.compile(r"(?:(\d{4})-)?(\d{1,2})-(\d{1,2})$")


@dataclass(frozen=True, slots=True)
class Times:
    """One line: on which days, and from and to which minutes of the day; beyond 24 hours is the next day."""

    days: tuple[Covers, ...]
    minutes: tuple[tuple[int, int], ...]

    def spans(self, window: Span, zone: tzinfo | None) -> Iterator[Span]:
        """The spans, in UTC, of all days that can touch `window`."""
        day = window[0].astimezone(zone).date() - timedelta(days=1)  # one of yesterday may last
        last = window[1].astimezone(zone).date()
        while day <= last:
            if all(covers(day) for covers in self.days):
                for start, end in self.minutes:
                    yield _at(day, start, zone), _at(day, end, zone)
            day += timedelta(days=1)


def _at(day: date, minute: int, zone: tzinfo | None) -> datetime:
    return to_utc(datetime(day.year, day.month, day.day) + timedelta(minutes=minute), zone)  # noqa: DTZ001 -- the wall's


def parse_times(text: str) -> Times:
    """Read a line. Raises ValueError that names what is wrong and says what would be right."""
    words = _BLANKS.sub(r"\1", text.strip()).replace("–", "-").lower().split()
    if not words:
        raise ValueError(f"is empty; write for example {EXAMPLES}")
    days: list[Covers] = []
    minutes: list[tuple[int, int]] = []
    for word in words:
        parts = word.split(",")
        if len(parts) > MAX_PARTS:
            raise ValueError(f'"{word}" has {len(parts)} parts; at most {MAX_PARTS}')
        if ":" in word:
            minutes += [_minutes(part) for part in parts]
        elif word[0].isdigit():
            days.append(_any([_dates(part) for part in parts]))
        else:
            days.append(_weekdays(parts))
    return Times(tuple(days), tuple(minutes) or ((0, DAY_MINUTES),))


def _any(choices: list[Covers]) -> Covers:
    return lambda day: any(covers(day) for covers in choices)


def _minutes(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError(f'"{text}" has no end; write from when to when, such as 08:00-18:00')
    start, end = _minute(first), _minute(last)
    if start == DAY_MINUTES:
        raise ValueError(f'"{text}" begins at 24:00, which is 00:00 of the next day')
    if start == end:
        raise ValueError(f'"{text}" lasts no time; the whole day is 00:00-24:00')
    return start, end if end > start else end + DAY_MINUTES


def _minute(text: str) -> int:
    found = _TIME.match(text)
    if found is None:
        raise ValueError(f'"{text}" is no time; write hours and minutes, such as 08:00 or 24:00')
    minute = int(found[1]) * 60 + int(found[2])
    if int(found[2]) > 59 or minute > DAY_MINUTES:
        raise ValueError(f'"{text}" is no time of day; there is 00:00 to 24:00')
    return minute


def _weekdays(parts: list[str]) -> Covers:
    days: set[int] = set()
    for part in parts:
        if part == "daily":
            days |= set(range(7))
            continue
        first, dash, last = part.partition("-")
        start = _weekday(first)
        count = (_weekday(last) - start) % 7 if dash else 0
        days |= {(start + step) % 7 for step in range(count + 1)}
    return lambda day: day.weekday() in days


def _weekday(text: str) -> int:
    if text[:3] in WEEKDAYS and text in (text[:3], _full(text[:3])):
        return WEEKDAYS.index(text[:3])
    raise ValueError(f'"{text}" is no day; write Mon, Tue, Wed, Thu, Fri, Sat, Sun or daily, as in {EXAMPLES}')


def _full(short: str) -> str:
    return {"tue": "tuesday", "wed": "wednesday", "thu": "thursday", "sat": "saturday"}.get(short, f"{short}day")


def _dates(text: str) -> Covers:
    """A day or a range of days, of one year or of every year."""
    first, dots, last = text.partition("..")
    start, end = _date(first), _date(last if dots else first)
    if (start[0] is None) != (end[0] is None):
        raise ValueError(f'"{text}": both days need a year, or none of them')
    if start[0] is not None:
        if start > end:
            raise ValueError(f'"{text}" ends before it begins')
        return lambda day: start <= (day.year, day.month, day.day) <= end
    if start[1:] <= end[1:]:
        return lambda day: start[1:] <= (day.month, day.day) <= end[1:]
    return lambda day: (day.month, day.day) >= start[1:] or (day.month, day.day) <= end[1:]  # over the new year


def _date(text: str) -> tuple[int | None, int, int]:
    found = _DATE.match(text)
    if found is None:
        raise ValueError(f'"{text}" is no date; write 2026-12-24, or 12-24 for every year')
    year = None if found[1] is None else int(found[1])
    try:
        day = date(2024 if year is None else year, int(found[2]), int(found[3]))  # a leap year, so that 02-29 is one
    except ValueError:
        raise ValueError(f'"{text}" is no date; the month comes first, as in 12-24') from None
    return year, day.month, day.day
