"""Which schedules are active, for whoever has to know at once."""

from __future__ import annotations

from voipnode.calls.events import ScheduleChanged
from voipnode.calls.hooks import Bus

ALWAYS = "always"


class ActiveSchedules:
    """What `ScheduleChanged` has told so far; a schedule of which nothing was told is not active."""

    def __init__(self, bus: Bus) -> None:
        self._active: dict[str, bool] = {}
        bus.subscribe(ScheduleChanged, self._changed, who="active schedules")

    def holds(self, name: str) -> bool:
        """Whether the schedule of that name is active; "always" is, "" is not."""
        return name == ALWAYS or self._active.get(name, False)

    def _changed(self, event: ScheduleChanged) -> None:
        self._active[event.schedule] = event.active
