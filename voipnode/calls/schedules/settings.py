"""Settings of schedules: `[[schedules]]` of voipnode.toml, and what is wrong with what they say of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from voipnode.calls.account_settings import Line
from voipnode.calls.references import Broken, listed
from voipnode.calls.schedules.calendar_text import CalendarText
from voipnode.calls.schedules.times import EXAMPLES, parse_times

ALWAYS, NEVER = "always", "never"
BUILT_IN = (ALWAYS, NEVER)
MAX_SCHEDULES = 64
MAX_CALENDAR_CHARS = 100_000
SHORTEST_PULSE_S = 60  # each is an event, in the log, too


def _times(text: str) -> str:
    parse_times(text)
    return text


def _zone(name: str) -> str:
    if name:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f'there is no time zone "{name}"; write one such as Europe/Vienna or UTC') from None
    return name


def _calendar(text: str) -> str:
    if text.strip():
        CalendarText(text)
    return text


TimesLine = Annotated[str, Field(max_length=200), AfterValidator(_times)]


class ScheduleSettings(BaseModel):
    """When something holds: in any of `times`, or while an event of `icalendar` takes place, but not in `except`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line = Field(min_length=1, max_length=64, description='"always" and "never" are there by themselves.')
    times: tuple[TimesLine, ...] = Field(
        default=(),
        max_length=64,
        description=f"Days and times as the wall's clock shows them: {EXAMPLES}.",
        json_schema_extra={"lines": True},
    )
    icalendar: Annotated[str, AfterValidator(_calendar)] = Field(
        default="",
        max_length=MAX_CALENDAR_CHARS,
        json_schema_extra={"lines": True},
        description="A calendar as telephones and calendar programs export it (RFC 5545), or the lines of one event.",
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        default="", description='Such as "Europe/Vienna"; empty: the system\'s.'
    )
    pulse_every_s: int = Field(
        default=0,
        ge=0,
        le=31 * 86_400,
        description="Not a duration but moments, so many seconds (60 or more) from one to the next, counted from the"
        " beginning of each of its times, or from midnight; 0: a duration.",
    )
    exceptions: tuple[Line, ...] = Field(
        default=(), max_length=16, alias="except", description="Schedules during which it does not hold: holidays."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if 0 < self.pulse_every_s < SHORTEST_PULSE_S:
            raise ValueError(f"pulse_every_s: {self.pulse_every_s} is too often, {SHORTEST_PULSE_S} or more is right")
        if not self.times and not self.icalendar.strip() and not self.pulse_every_s:
            raise ValueError(f"a schedule needs times, such as {EXAMPLES}, or icalendar")
        return self


def broken_schedules(schedules: Sequence[ScheduleSettings]) -> Iterator[Broken]:
    """Names used twice, exceptions that do not exist, and exceptions of each other."""
    names = [schedule.name for schedule in schedules]
    by_name = {schedule.name: schedule for schedule in reversed(schedules)}  # of the same name, the first
    for index, schedule in enumerate(schedules):
        here = ("schedules", index)
        if schedule.name in BUILT_IN:
            yield (*here, "name"), schedule.name, "is there by itself; give it another name"
        elif schedule.name in names[:index]:
            yield (*here, "name"), schedule.name, f"is the name of schedules[{names.index(schedule.name)}], too"
        for place, other in enumerate(schedule.exceptions):
            if other not in by_name and other not in BUILT_IN:
                yield (*here, "except", place), other, no_such_schedule(names)
            elif other in by_name and by_name[other].pulse_every_s:
                yield (*here, "except", place), other, "has pulse_every_s: it is moments, and lasts for no time"
        if (chain := _chain(schedule.name, by_name)) and index == min(map(names.index, chain)):
            yield (*here, "except"), None, f"leads in a circle: {' -> '.join(chain)}"


def no_such_schedule(names: Sequence[str]) -> str:
    """What is said of a schedule that does not exist."""
    return f"there is no such schedule; there is {listed({*names, *BUILT_IN})}"


def _chain(name: str, by_name: dict[str, ScheduleSettings]) -> list[str]:
    """The way from a schedule through exceptions back to itself; empty where there is none."""
    ways, seen = [[name]], {name}
    while ways:
        way = ways.pop()
        for other in by_name[way[-1]].exceptions:
            if other == name:
                return [*way, other]
            if other in by_name and other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return []
