"""The readable form of schedules: what a line means on the wall's clock, and what is said of one that means nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from voipnode.calls.schedules.spans import merged
from voipnode.calls.schedules.times import parse_times

VIENNA = ZoneInfo("Europe/Vienna")


def spans(text: str, first: str, last: str) -> list[tuple[str, str]]:
    """When the line holds between two days, as the wall in Vienna shows it, with the offset from UTC where both are
    needed to tell."""
    window = tuple(datetime.fromisoformat(day).replace(tzinfo=VIENNA).astimezone(UTC) for day in (first, last))
    found = merged(parse_times(text).spans((window[0], window[1]), VIENNA), (window[0], window[1]))
    return [tuple(f"{moment.astimezone(VIENNA):%m-%d %H:%M}" for moment in span) for span in found]  # type: ignore[misc] # two each


def test_days_of_the_week_and_times() -> None:
    assert spans("Mon-Fri 08:00-18:00", "2026-11-19", "2026-11-24") == [
        ("11-19 08:00", "11-19 18:00"),
        ("11-20 08:00", "11-20 18:00"),
        ("11-23 08:00", "11-23 18:00"),
    ]
    assert spans("sat , Sunday 9:00 - 10:00, 11:00–12:00", "2026-11-20", "2026-11-23") == [
        ("11-21 09:00", "11-21 10:00"),
        ("11-21 11:00", "11-21 12:00"),
        ("11-22 09:00", "11-22 10:00"),
        ("11-22 11:00", "11-22 12:00"),
    ]


def test_days_over_the_end_of_the_week() -> None:
    assert spans("Sat-Mon 00:00-24:00", "2026-11-16", "2026-11-30") == [
        ("11-16 00:00", "11-17 00:00"),
        ("11-21 00:00", "11-24 00:00"),
        ("11-28 00:00", "11-30 00:00"),
    ]


def test_a_span_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    assert spans("Sat 22:00-06:00", "2026-11-20", "2026-11-24") == [("11-21 22:00", "11-22 06:00")]
    assert spans("Sat 22:00-06:00", "2026-11-22", "2026-11-23") == [("11-22 00:00", "11-22 06:00")]


def test_a_day_without_times_is_all_of_it_and_times_without_days_are_daily() -> None:
    assert spans("2026-11-21", "2026-11-20", "2026-11-24") == [("11-21 00:00", "11-22 00:00")]
    assert spans("12:00-13:00", "2026-11-20", "2026-11-21") == [("11-20 12:00", "11-20 13:00")]


def test_days_of_every_year_and_of_one() -> None:
    assert spans("12-24..12-26", "2026-01-01", "2028-01-01") == [("12-24 00:00", "12-27 00:00")] * 2
    assert spans("12-30..01-02", "2026-12-01", "2027-02-01") == [("12-30 00:00", "01-03 00:00")]
    assert spans("2026-12-30..2027-01-01 Thu", "2026-12-01", "2027-02-01") == [("12-31 00:00", "01-01 00:00")]
    assert spans("02-29", "2026-01-01", "2029-01-01") == [("02-29 00:00", "03-01 00:00")]
    assert spans("12-24,01-06 08:00-09:00", "2026-12-01", "2027-02-01") == [
        ("12-24 08:00", "12-24 09:00"),
        ("01-06 08:00", "01-06 09:00"),
    ]


def lengths(text: str, day: str) -> list[timedelta]:
    window = (datetime.fromisoformat(day).replace(tzinfo=UTC), datetime.fromisoformat(day).replace(tzinfo=UTC))
    window = (window[0] - timedelta(hours=2), window[0] + timedelta(hours=26))
    return [end - start for start, end in merged(parse_times(text).spans(window, VIENNA), window)]


def test_when_the_clocks_skip_an_hour() -> None:
    """2026-03-29 in Vienna: after 02:00 comes 03:00. What is skipped is as much later; what ends before it begins by
    that is nothing."""
    assert lengths("2026-03-29", "2026-03-29") == [timedelta(hours=23)]
    assert spans("2026-03-29 02:00-02:30", "2026-03-29", "2026-03-30") == [("03-29 03:00", "03-29 03:30")]
    assert spans("2026-03-29 02:30-03:00", "2026-03-29", "2026-03-30") == []


def test_when_an_hour_comes_twice() -> None:
    """2026-10-25 in Vienna: after 03:00 comes 02:00 again. What comes twice is the first one."""
    assert lengths("2026-10-25", "2026-10-25") == [timedelta(hours=25)]
    assert lengths("2026-10-25 02:00-02:30", "2026-10-25") == [timedelta(minutes=30)]
    assert lengths("2026-10-25 02:00-03:00", "2026-10-25") == [timedelta(hours=2)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("Funday 08:00-18:00", '"funday" is no day'),
        ("Mon-Fry", '"fry" is no day'),
        ("Mon 08:00", '"08:00" has no end'),
        ("Mon 08:00-25:00", '"25:00" is no time of day'),
        ("Mon 08:60-09:00", '"08:60" is no time of day'),
        ("Mon 8-18:00", '"8" is no time'),
        ("Mon 08:00-08:00", "lasts no time"),
        ("Mon 24:00-02:00", "begins at 24:00"),
        ("24-12", "the month comes first"),
        ("2026-02-29", '"2026-02-29" is no date'),
        ("2026-12-24..12-26", "both days need a year"),
        ("2026-12-26..2026-12-24", "ends before it begins"),
        ("8", '"8" is no date'),
        (",".join(["Mon"] * 17), "at most 16"),
    ],
)
def test_what_means_nothing_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_times(text)
