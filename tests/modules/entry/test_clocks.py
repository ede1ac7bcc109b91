"""The wall's clock set back and forth by hours, and changed to and from summer time, while holders come and go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.modules.entry.test_entry import Place, tell
from voipnode.calls.schedules.schedules import Schedules
from voipnode.calls.schedules.settings import ScheduleSettings
from voipnode.calls.schedules.watch import ScheduleWatch

HOURS = (-5, 11, -6)  # in all: as it was


def test_a_lockout_lasts_as_long_as_it_does_whatever_the_clock_shows(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", pin="7391")
        for number in range(5):
            assert await place.keys(f"000{number}") == "denied"
        for hours in HOURS:
            place.utc += timedelta(hours=hours)
            place.now += 9.9
            assert await place.keys("7391") == "locked"
        place.now += 0.3  # 30 s
        assert await place.keys("7391") == "granted"

    tell(tmp_path, story)


def test_a_pin_that_is_awaited_is_awaited_as_long_whatever_the_clock_shows(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", card_uid="AABB", pin="7391")
        assert await place.card("AABB") == "pin"
        for key, hours in zip("739", HOURS, strict=True):
            place.utc += timedelta(hours=hours)
            place.now += 9.9
            assert await place.keys(key) == "key"
        assert await place.keys("1") == "granted"

    tell(tmp_path, story)


def test_validity_goes_by_what_the_clock_shows(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        limits = {"valid_from_utc": "2026-06-01T11:00:00Z", "valid_to_utc": "2026-06-01T13:00:00Z"}
        await place.add("Guest", card_uid="AABB", uses_left=9, **limits)
        outcomes = []
        for hours in (0, 1, -1, -2, 1, 1):  # 12:00, 13:00, 12:00, 10:00, 11:00, 12:00
            place.utc += timedelta(hours=hours)
            outcomes.append(await place.card("AABB"))
        assert outcomes == ["granted", "denied", "granted", "denied", "granted", "granted"]

    place = tell(tmp_path, story)
    assert [event.uses_left for event in place.granted] == [8, 7, 6, 5]  # a refusal costs none


@pytest.mark.parametrize(
    ("day", "limits", "minutes"),
    [
        ("2026-03-29", ("2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"), 60),  # 02:00 to 03:00 is skipped
        ("2026-10-25", ("2026-10-25T01:30:00+02:00", "2026-10-25T03:30:00+01:00"), 180),  # and comes twice
        ("2026-10-25", ("2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"), 60),  # from the first to the second
    ],
)
def test_validity_and_schedule_over_a_change_of_summer_time(
    tmp_path: Path, day: str, limits: tuple[str, str], minutes: int
) -> None:
    """A holder by his limits and one by a schedule of the same wall's times, asked every half hour of the night."""
    zone = ZoneInfo("Europe/Vienna")
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC)
    first, last = (datetime.fromisoformat(limit) for limit in limits)
    calendar = f"DTSTART:{first.astimezone(UTC):%Y%m%dT%H%M%SZ}\nDTEND:{last.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    night = ScheduleSettings(name="night", times=("01:30-03:30",), time_zone="Europe/Vienna")
    if first.hour != 1:
        night = ScheduleSettings(name="night", icalendar=calendar)

    async def story(place: Place) -> None:
        await place.add("Limits", card_uid="AA", valid_from_utc=limits[0], valid_to_utc=limits[1])
        await place.add("Schedule", card_uid="BB", schedule="night")
        watch = ScheduleWatch(Schedules([night]), place.bus, lambda: place.utc)
        place.utc = midnight
        watch.start()
        granted = {"AA": 0, "BB": 0}
        for _ in range(12):
            watch.look_again()
            for card in granted:
                granted[card] += await place.card(card) == "granted"
            place.utc += timedelta(minutes=30)
        await watch.stop()
        assert granted == {"AA": minutes // 30, "BB": minutes // 30}

    tell(tmp_path, story)
