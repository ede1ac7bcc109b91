"""Tells when schedules begin and end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from voipnode.calls.events import ScheduleChanged, SchedulePulse
from voipnode.calls.hooks import Bus
from voipnode.calls.schedules.schedules import Schedules

LONGEST_TIMER_S = 3600.0  # so soon it is noticed that somebody has set the clock, where nobody tells


class ScheduleWatch:
    """Publishes `ScheduleChanged` for each schedule at the start, and whenever one begins or ends, and `SchedulePulse`
    for those that have moments instead, by one timer. Moments that a halt has swallowed are one.

    The timer runs by the loop's clock, which nobody sets, and the wall's clock is looked at once an hour at least.
    """

    def __init__(self, schedules: Schedules, bus: Bus, utc_now: Callable[[], datetime]) -> None:
        self._schedules = schedules
        self._bus = bus
        self._utc_now = utc_now
        self._told: dict[str, bool] = {}
        self._due: dict[str, datetime | None] = {}  # the next moment of each that has moments
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Tell how the schedules stand, and what changes from now on."""
        self._look()

    def replace(self, schedules: Schedules) -> None:
        """Watch these instead; only what is otherwise than before is told."""
        self._schedules = schedules
        self._due = {}
        self._told = {name: active for name, active in self._told.items() if name in schedules.names}
        self.look_again()

    def look_again(self) -> None:
        """Somebody has set the wall's clock: tell what is otherwise by it."""
        if self._timer is not None:
            self._timer.cancel()
            self._look()

    async def stop(self) -> None:
        """Tell nothing any more; may be called twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now = self._utc_now()
        left_s = LONGEST_TIMER_S
        for name in self._schedules.names:
            active, change = self._schedules.is_active(name, now), self._schedules.next_change(name, now)
            if change is not None:
                left_s = min(left_s, (change - now).total_seconds())
            if self._told.get(name) is not active:
                self._told[name] = active
                until = "" if change is None else change.isoformat(timespec="seconds").replace("+00:00", "Z")
                self._bus.publish(ScheduleChanged(schedule=name, active=active, until_utc=until))
        for name in self._schedules.pulsing:
            due = self._due.get(name)
            if due is not None and due <= now:
                self._bus.publish(SchedulePulse(schedule=name))
            due = self._due[name] = self._schedules.next_pulse(name, now)
            if due is not None:
                left_s = min(left_s, (due - now).total_seconds())
        self._timer = asyncio.get_running_loop().call_later(left_s, self._look)
