"""All schedules together: which are active, what exceptions take away, and when that changes next."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from voipnode.calls.errors import UnknownNameError
from voipnode.calls.schedules.schedules import Schedules
from voipnode.calls.schedules.settings import ScheduleSettings, broken_schedules

VIENNA = ZoneInfo("Europe/Vienna")


def schedule(name: str, *times: str, **more: object) -> ScheduleSettings:
    return ScheduleSettings.model_validate({"name": name, "times": times, **more})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=VIENNA)


OFFICE = Schedules(
    [
        schedule("office", "Mon-Fri 08:00-18:00", **{"except": ["holidays"]}),
        schedule("holidays", "12-24..12-26"),
        schedule("tokyo", "Mon 09:00-10:00", time_zone="Asia/Tokyo"),
    ],
    VIENNA,
)


@pytest.mark.parametrize(
    ("moment", "active", "next_change"),
    [
        ("2026-11-20 07:59:59.999", False, "2026-11-20 08:00"),
        ("2026-11-20 08:00", True, "2026-11-20 18:00"),
        ("2026-11-20 17:59:59.999", True, "2026-11-20 18:00"),
        ("2026-11-20 18:00", False, "2026-11-23 08:00"),
        ("2026-12-23 18:00", False, "2026-12-28 08:00"),  # Christmas takes Thursday and Friday away
        ("2026-12-24 09:00", False, "2026-12-28 08:00"),
    ],
)
def test_when_it_is_active_and_changes_next(moment: str, active: bool, next_change: str) -> None:
    assert OFFICE.is_active("office", at(moment)) is active
    assert OFFICE.next_change("office", at(moment)) == at(next_change)


def test_a_schedule_of_another_zone() -> None:
    assert OFFICE.next_change("tokyo", datetime(2026, 11, 20, tzinfo=UTC)) == datetime(2026, 11, 23, 0, 0, tzinfo=UTC)


def test_always_never_and_none() -> None:
    now = at("2026-11-20 08:00")
    assert [OFFICE.is_active(name, now) for name in ("always", "", "never")] == [True, True, False]
    assert [OFFICE.next_change(name, now) for name in ("always", "", "never")] == [None] * 3


def test_an_unknown_one_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UnknownNameError, match='there is "always", "holidays", "never", "office", "tokyo"'):
        OFFICE.is_active("ofice", at("2026-11-20 08:00"))


def test_what_changes_once_a_year_is_found_and_what_is_further_away_is_not_waited_for() -> None:
    after_christmas = at("2026-12-27 00:00")
    assert OFFICE.next_change("holidays", after_christmas) == at("2027-12-24 00:00")
    far = Schedules([schedule("far", "2029-01-01")], VIENNA)
    assert far.next_change("far", after_christmas) is None


def test_times_and_a_calendar_together() -> None:
    both = schedule("both", "Mon 08:00-09:00", icalendar="DTSTART:20261123T090000\nDURATION:PT1H")
    assert Schedules([both], VIENNA).next_change("both", at("2026-11-23 08:30")) == at("2026-11-23 10:00")


def test_every_minute_of_two_years_agrees_with_what_changes_next() -> None:
    """From change to change, over four changes of the clocks, nothing is left out."""
    now, last = at("2026-01-01").astimezone(UTC), at("2028-01-01").astimezone(UTC)
    changes = 0
    while now < last:
        following = OFFICE.next_change("office", now)
        assert following is not None
        assert OFFICE.is_active("office", following) is not OFFICE.is_active("office", now)
        for moment in (now + timedelta(minutes=1), now + (following - now) / 2, following - timedelta(microseconds=1)):
            assert OFFICE.is_active("office", moment) is OFFICE.is_active("office", now)
        now, changes = following, changes + 1
    assert changes == 2 * (261 + 261 - 2 - 1) + 1  # working days, without Christmas; it ends before the last one's end


def test_a_node_without_a_calendar_does_not_load_what_reads_one() -> None:
    program = (
        "import sys; from voipnode.calls.schedules.settings import ScheduleSettings as S; S(name='a', times=['daily']);"
        " assert 'icalendar' not in sys.modules; S(name='a', icalendar='DTSTART:20260105T080000\\nDURATION:PT1H');"
        " assert 'icalendar' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    ("times", "every_s", "moment", "next_pulse"),
    [
        ((), 3600, "2026-11-20 08:00", "2026-11-20 09:00"),  # later than now
        ((), 3600, "2026-11-20 08:00:01", "2026-11-20 09:00"),
        ((), 6 * 3600, "2026-11-20 19:00", "2026-11-21 00:00"),  # of the wall's day
        ((), 25_000, "2026-11-20 21:00", "2026-11-21 00:00"),  # counted from midnight anew
        (("Mon-Fri 08:00-10:00",), 900, "2026-11-20 09:44", "2026-11-20 09:45"),
        (("Mon-Fri 08:00-10:00",), 900, "2026-11-20 09:45", "2026-11-23 08:00"),  # its end is past it
        (("daily 18:00-18:01",), 86_400, "2026-11-20 18:00", "2026-11-21 18:00"),
        (("daily 18:00-18:01",), 86_400, "2026-12-23 18:00", "2026-12-27 18:00"),  # not in the holidays
        (("12-24..12-27 00:00-24:00",), 7 * 3600, "2026-12-26 23:00", "2026-12-27 00:00"),  # nor one of their day
        ((), 3600, "2026-03-29 01:59", "2026-03-29 03:00"),  # two o'clock is skipped
        ((), 3600, "2026-10-25 02:30", "2026-10-25 02:00+01:00"),  # and comes twice
    ],
)
def test_the_next_moment_of_one_that_pulses(times: tuple[str, ...], every_s: int, moment: str, next_pulse: str) -> None:
    pulse = schedule("pulse", *times, pulse_every_s=every_s, **{"except": ["holidays"]})
    pulsing = Schedules([pulse, schedule("holidays", "12-24..12-26")], VIENNA)
    due = datetime.fromisoformat(next_pulse)
    assert pulsing.next_pulse("pulse", at(moment)) == (due if due.tzinfo else due.replace(tzinfo=VIENNA))
    assert (pulsing.names, pulsing.pulsing) == (("holidays",), ("pulse",))


def test_moments_are_no_duration_and_not_too_often() -> None:
    with pytest.raises(ValidationError, match="59 is too often, 60 or more is right"):
        schedule("pulse", pulse_every_s=59)
    broken = broken_schedules([schedule("pulse", pulse_every_s=60), schedule("b", "daily", **{"except": ["pulse"]})])
    assert [(where, words.partition(":")[0]) for where, _, words in broken] == [
        (("schedules", 1, "except", 0), "has pulse_every_s")
    ]
