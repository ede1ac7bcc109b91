"""When the next test is due: a time of day, as the wall shows it, every so many days."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo

LONGEST_TIMER_S = 3600.0  # so soon it is noticed that somebody has set the clock


class TimeOfDay:
    """A time of day in the system's zone, or in `zone`, at most every `every_days` days."""

    def __init__(self, at: time, every_days: int = 1, zone: tzinfo | None = None) -> None:
        self._at = at
        self._every = every_days
        self._zone = zone

    def next(self, now: datetime, last: datetime | None) -> datetime:
        """The first one after `now` that is no sooner than the days after `last` (None: never yet), in UTC.

        A time that the clocks skip in spring is as much later as they skip; one that comes twice is the first one.
        """
        day = now.astimezone(self._zone).date()
        if last is not None:
            day = max(day, last.astimezone(self._zone).date() + timedelta(days=self._every))
        while (found := self._on(day)) <= now:
            day += timedelta(days=1)
        return found

    def _on(self, day: date) -> datetime:
        local = datetime.combine(day, self._at)
        return (local.replace(tzinfo=self._zone) if self._zone is not None else local).astimezone(UTC)


class WallTimer:
    """Calls `due` once when the wall's clock reaches a moment, even if that clock is set meanwhile.

    It waits by the loop's clock, which nobody sets, an hour at a time.
    """

    def __init__(self, now: Callable[[], datetime], due: Callable[[], None]) -> None:
        self._now = now
        self._due = due
        self._at: datetime | None = None
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at: datetime) -> None:
        """Be due then, and not when it was due before."""
        self.cancel()
        self._at = at
        self._wait()

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _wait(self) -> None:
        assert self._at is not None
        left_s = (self._at - self._now()).total_seconds()
        self._handle = asyncio.get_running_loop().call_later(min(max(left_s, 0.0), LONGEST_TIMER_S), self._look)

    def _look(self) -> None:
        assert self._at is not None
        self._handle = None
        if self._now() < self._at:
            self._wait()
        else:
            self._due()
