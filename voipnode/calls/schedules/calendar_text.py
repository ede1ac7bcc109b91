"""A schedule as iCalendar text (RFC 5545): a whole calendar, one event, or only what stands in an event.

The libraries that read it take 60 ms to load, so that only a node with such a schedule loads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from voipnode.calls.schedules.spans import Span, to_utc

if TYPE_CHECKING:
    from icalendar import Event

MAX_EVENTS = 500
EXAMPLE = 'an event such as "DTSTART:20260105T080000" "DURATION:PT10H" "RRULE:FREQ=WEEKLY;BYDAY=MO,TU", a line each'
_TOO_OFTEN = re.compile(r"FREQ=(SECONDLY|MINUTELY)", re.IGNORECASE)  # half a million occurrences a year and more
_MARGIN = timedelta(days=2)  # the libraries compare times without a zone as if they were UTC


class CalendarText:
    """The events of a calendar. Raises ValueError that says what is wrong with `text`."""

    def __init__(self, text: str) -> None:
        import recurring_ical_events
        from icalendar import Calendar

        try:
            calendar = Calendar.from_ical(_whole(text))
        except (ValueError, KeyError, IndexError) as error:
            raise ValueError(f"is not iCalendar: {error}; write a VCALENDAR, or {EXAMPLE}") from None
        events = calendar.events
        if not events:
            raise ValueError(f"has no event; write a VCALENDAR with a VEVENT, or {EXAMPLE}")
        if len(events) > MAX_EVENTS:
            raise ValueError(f"has {len(events)} events; at most {MAX_EVENTS}")
        for event in events:
            _check(event)
        self._query = recurring_ical_events.of(calendar)
        try:
            next(self._query.all())  # its rules are read, too
        except StopIteration:
            raise ValueError("has no event that ever takes place") from None
        except (ValueError, KeyError) as error:
            raise ValueError(f"has a rule that cannot be read: {error}") from None

    def spans(self, window: Span, zone: tzinfo | None) -> Iterator[Span]:
        """The events that can touch `window`, in UTC; times and days without a zone of their own are in `zone`."""
        for event in self._query.between(window[0] - _MARGIN, window[1] + _MARGIN):
            yield _moment(event.start, zone), _moment(event.end, zone)


def _whole(text: str) -> str:
    """A calendar around an event, and an event around its lines, where the text has none."""
    text = "\r\n".join(line for line in text.strip().splitlines() if line.strip())
    if "BEGIN:VCALENDAR" in text:
        return text
    if "BEGIN:VEVENT" not in text:
        text = f"BEGIN:VEVENT\r\nUID:1\r\n{text}\r\nEND:VEVENT"
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:voipnode\r\n{text}\r\nEND:VCALENDAR\r\n"


def _check(event: Event) -> None:
    for name, words in event.errors:
        what = f"{name} of an event cannot be read" if name else "is not iCalendar"
        raise ValueError(f"{what}: {words}; write a VCALENDAR, or {EXAMPLE}")
    if "DTSTART" not in event:
        raise ValueError(f"an event has no DTSTART; write {EXAMPLE}")
    for name in ("DTSTART", "DTEND"):
        if (place := event.get(name)) is not None:
            zone = place.params.get("TZID")
            if zone and isinstance(place.dt, datetime) and place.dt.tzinfo is None:
                raise ValueError(f'{name}: there is no time zone "{zone}"; write one such as Europe/Vienna')
    if event.end <= event.start:
        raise ValueError(
            "an event ends no later than it begins; it needs a DTEND after its DTSTART, or a DURATION such as PT8H"
        )
    rules = event.get("RRULE")
    for rule in rules if isinstance(rules, list) else [rules]:
        if rule is not None and _TOO_OFTEN.search(rule.to_ical().decode()):
            raise ValueError("RRULE: an event may take place once an hour at most (FREQ=HOURLY)")


def _moment(value: Any, zone: tzinfo | None) -> datetime:
    """A time of day with or without a zone, or a day, which begins at midnight."""
    if not isinstance(value, datetime):
        assert isinstance(value, date)
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 -- the wall's
    return to_utc(value, zone) if value.tzinfo is None else to_utc(value, value.tzinfo)
