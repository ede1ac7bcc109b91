"""All schedules of the node: which are active at a moment, and when that changes next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from voipnode.calls.errors import UnknownNameError
from voipnode.calls.schedules.calendar_text import CalendarText
from voipnode.calls.schedules.settings import ALWAYS, NEVER, ScheduleSettings, no_such_schedule
from voipnode.calls.schedules.spans import Span, merged, without
from voipnode.calls.schedules.times import Times, parse_times

HORIZONS = (timedelta(days=2), timedelta(days=40), timedelta(days=400))  # how far ahead a change is looked for


class Schedules:
    """The schedules of the settings, and "always" and "never".

    Times are aware datetimes; a schedule without a time zone is in `zone` (None: the system's, as it is when asked).
    """

    def __init__(self, settings: Sequence[ScheduleSettings] = (), zone: tzinfo | None = None) -> None:
        self._schedules = {each.name: _Schedule(each, zone) for each in settings}

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the settings that last."""
        return tuple(name for name, each in self._schedules.items() if not each.pulse_every)

    @property
    def pulsing(self) -> tuple[str, ...]:
        """Those of the settings that have moments instead."""
        return tuple(name for name, each in self._schedules.items() if each.pulse_every)

    def is_active(self, name: str, now: datetime) -> bool:
        """Whether a schedule is active; "" is always. Raises UnknownNameError."""
        return bool(self._spans(name, (now, now + timedelta(microseconds=1))))

    def next_change(self, name: str, now: datetime) -> datetime | None:
        """When a schedule next begins or ends, in UTC; None where it does not in the next 400 days."""
        for horizon in HORIZONS:
            window = (now, now + horizon)
            spans = self._spans(name, window)
            if spans and spans[0][0] > now:
                return spans[0][0]
            if spans and spans[0][1] < window[1]:
                return spans[0][1]
        return None

    def next_pulse(self, name: str, now: datetime) -> datetime | None:
        """The next moment of a pulsing schedule, later than `now`, in UTC; None where the next 400 days have none."""
        schedule = self._schedules[name]
        for horizon in HORIZONS:
            window = (now, now + horizon)
            spared = [span for other in schedule.exceptions for span in self._spans(other, window)]
            if (found := schedule.next_pulse(window, spared)) is not None:
                return found
        return None

    def _spans(self, name: str, window: Span) -> list[Span]:
        if name in ("", ALWAYS):
            return [window]
        if name == NEVER:
            return []
        schedule = self._schedules.get(name)
        if schedule is None:
            raise UnknownNameError(f'schedule "{name}": {no_such_schedule(self.names)}')
        spans = schedule.spans(window)
        for other in schedule.exceptions if spans else ():
            spans = without(spans, self._spans(other, window))
        return spans


class _Schedule:
    """One schedule, read once."""

    def __init__(self, settings: ScheduleSettings, zone: tzinfo | None) -> None:
        self.exceptions = settings.exceptions
        self.pulse_every = timedelta(seconds=settings.pulse_every_s)
        self._zone = ZoneInfo(settings.time_zone) if settings.time_zone else zone
        self._sources: list[Times | CalendarText] = [parse_times(line) for line in settings.times]
        if settings.icalendar.strip():
            self._sources.append(CalendarText(settings.icalendar))
        if not self._sources:
            self._sources.append(parse_times("daily"))

    def spans(self, window: Span) -> list[Span]:
        """When it is active within `window`, its exceptions not yet taken away."""
        return merged([span for source in self._sources for span in source.spans(window, self._zone)], window)

    def next_pulse(self, window: Span, spared: Sequence[Span]) -> datetime | None:
        """The first moment after the beginning of `window` and within it that no span of `spared` covers."""
        spans = [span for source in self._sources for span in source.spans(window, self._zone)]
        found = [each for span in spans if (each := self._first(span, window, spared)) is not None]
        return min(found, default=None)

    def _first(self, span: Span, window: Span, spared: Sequence[Span]) -> datetime | None:
        start, end = span[0], min(span[1], window[1])
        moment = self._next(start, window[0]) if start <= window[0] else start
        while moment < end:
            over = max((until for since, until in spared if since <= moment < until), default=None)
            if over is None:
                return moment
            moment = self._next(start, over - timedelta(microseconds=1))  # the exception's end is past it
        return None

    def _next(self, start: datetime, after: datetime) -> datetime:
        """The first moment after `after`, counted from `start`."""
        return start + self.pulse_every * ((after - start) // self.pulse_every + 1)
