"""Schedules as iCalendar text (RFC 5545)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from voipnode.calls.schedules.calendar_text import CalendarText
from voipnode.calls.schedules.spans import merged

VIENNA = ZoneInfo("Europe/Vienna")
EVENT = "DTSTART:20260105T080000\nDURATION:PT10H\nRRULE:FREQ=WEEKLY;BYDAY=MO,TU"


def spans(text: str, first: str, last: str) -> list[tuple[str, str]]:
    window = (datetime.fromisoformat(first).replace(tzinfo=UTC), datetime.fromisoformat(last).replace(tzinfo=UTC))
    found = merged(CalendarText(text).spans(window, VIENNA), window)
    return [(f"{start:%Y%m%dT%H%M}", f"{end:%Y%m%dT%H%M}") for start, end in found]


def calendar(*events: str) -> str:
    lines = "\n".join(f"BEGIN:VEVENT\nUID:{number}\n{text}\nEND:VEVENT" for number, text in enumerate(events))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:test\n{lines}\nEND:VCALENDAR\n"


def test_the_lines_of_one_event_are_enough_and_are_of_the_zone_of_the_schedule() -> None:
    assert spans(EVENT, "2026-11-22", "2026-11-26") == [
        ("20261123T0700", "20261123T1700"),
        ("20261124T0700", "20261124T1700"),
    ]
    assert spans(EVENT, "2026-07-06", "2026-07-07") == [("20260706T0600", "20260706T1600")]  # an hour earlier in summer


def test_an_event_beside_midnight_is_found_by_the_zone_that_it_is_in() -> None:
    text = "DTSTART:20261123T003000\nDURATION:PT15M"
    assert spans(text, "2026-11-22T23:00", "2026-11-23T00:00") == [("20261122T2330", "20261122T2345")]


def test_an_event_before_it_first_takes_place_is_none() -> None:
    assert spans(EVENT, "2025-11-22", "2025-11-26") == []


def test_events_of_another_zone_in_utc_and_whole_days() -> None:
    text = calendar(
        "DTSTART;TZID=America/New_York:20261123T120000\nDTEND;TZID=America/New_York:20261123T130000",
        "DTSTART:20261124T120000Z\nDTEND:20261124T130000Z",
        "DTSTART;VALUE=DATE:20261125\nDTEND;VALUE=DATE:20261127",
    )
    assert spans(text, "2026-11-22", "2026-11-28") == [
        ("20261123T1700", "20261123T1800"),
        ("20261124T1200", "20261124T1300"),
        ("20261124T2300", "20261126T2300"),
    ]


def test_what_is_taken_out_of_a_series_is_out() -> None:
    text = "DTSTART:20261123T080000\nDTEND:20261123T090000\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20261124T080000"
    assert [start for start, _ in spans(text, "2026-11-22", "2026-12-22")] == [
        "20261123T0700",
        "20261125T0700",
        "20261126T0700",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "is not iCalendar"),
        ("RRULE:FREQ=DAILY", "has no DTSTART"),
        ("DTSTART:20260105T080000\nRRULE:FREQ=DAILY", "needs a DTEND after its DTSTART"),
        ("DTSTART:20260105T080000\nDTEND:20260105T070000", "needs a DTEND after its DTSTART"),
        ("DTSTART:2026\nDURATION:PT1H", "DTSTART of an event cannot be read"),
        ("DTSTART:20260105T080000\nDURATION:PT1H\nRRULE:FREQ=NEVER", "RRULE of an event cannot be read"),
        ("DTSTART:20260105T080000\nDURATION:PT1S\nRRULE:FREQ=SECONDLY", "once an hour at most"),
        ("DTSTART;TZID=Nowhere/Land:20260105T080000\nDURATION:PT1H", 'there is no time zone "Nowhere/Land"'),
        ("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nEND:VCALENDAR", "has no event"),
        (calendar(*[EVENT] * 501), "at most 500"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        CalendarText(text)
