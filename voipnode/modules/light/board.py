"""The activities of light and siren that run, of which the one with the highest priority is seen and heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from voipnode.calls.errors import NotNowError
from voipnode.modules.light.profile import CALL_LIGHT, PREVIEW, Profile

MAX_ACTIVITIES = 10


@dataclass(frozen=True, slots=True)
class Activity:
    """A profile that runs: what for, by whom, and until when (None: until it is stopped)."""

    profile: Profile
    name: str
    who: str
    began_at: float
    ends_at: float | None

    @property
    def is_own(self) -> bool:
        """Whether the node itself began it; those have a place whatever else runs."""
        return not self.profile.removable or self.profile.name in (CALL_LIGHT, PREVIEW)


class SignalBoard:
    """Up to 10 activities of profiles, and the node's own. It has no clock: `now` is in seconds of the caller's."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], Activity] = {}  # the last begun last

    def start(self, profile: Profile, now: float, *, name: str = "", who: str = "") -> None:
        """Begin; an activity of that profile and name that runs begins anew. Raises NotNowError where ten run."""
        ends_at = None if profile.lasts_s is None else now + profile.lasts_s
        activity = Activity(profile, name or profile.name, who, now, ends_at)
        key = (profile.name, activity.name)
        others = sum(not each.is_own for place, each in self._running.items() if place != key)
        if not activity.is_own and others >= MAX_ACTIVITIES:
            words = f'profile "{profile.name}": {MAX_ACTIVITIES} activities run already; stop one of them'
            raise NotNowError(words)
        self._running.pop(key, None)
        self._running[key] = activity

    def end(self, which: Callable[[Activity], bool]) -> list[Activity]:
        """End those activities; returns them."""
        ended = [each for each in self if which(each)]
        for each in ended:
            del self._running[each.profile.name, each.name]
        return ended

    def shown(self) -> Activity | None:
        """The one with the highest priority; of equals, the one that began last."""
        found: Activity | None = None
        for each in self:
            if found is None or each.profile.priority >= found.profile.priority:
                found = each
        return found

    def next_end(self) -> float | None:
        """When the next one ends by itself."""
        return min((each.ends_at for each in self if each.ends_at is not None), default=None)

    def __iter__(self) -> Iterator[Activity]:
        return iter(tuple(self._running.values()))
