"""When a test is due: by the wall's clock, whatever that does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.modules.speaker_test.schedule import TimeOfDay, WallTimer

PRAGUE = ZoneInfo("Europe/Prague")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PRAGUE)


@pytest.mark.parametrize(
    ("at", "now", "due"),
    [
        ("18:00", "2026-11-21T17:59:59", "2026-11-21T18:00+01:00"),
        ("18:00", "2026-11-21T18:00:00", "2026-11-22T18:00+01:00"),
        ("18:00", "2026-12-31T20:00:00", "2027-01-01T18:00+01:00"),
        ("18:00", "2026-03-28T19:00:00", "2026-03-29T18:00+02:00"),  # 23 hours later: summer time begins
        ("18:00", "2026-10-24T19:00:00", "2026-10-25T18:00+01:00"),  # 25 hours later
        ("02:30", "2026-03-29T00:00:00", "2026-03-29T03:30+02:00"),  # there is no 02:30 on that day
        ("02:30", "2026-10-25T00:00:00", "2026-10-25T02:30+02:00"),  # there are two: the first
        ("02:30", "2026-10-25T02:30:01", "2026-10-26T02:30+01:00"),  # and not the second
    ],
)
def test_it_is_the_time_of_day_that_the_wall_shows(at: str, now: str, due: str) -> None:
    found = TimeOfDay(time.fromisoformat(at), zone=PRAGUE).next(local(now), None)
    assert found == datetime.fromisoformat(due)
    assert found.tzinfo is UTC


def test_every_so_many_days_since_the_last_one() -> None:
    weekly = TimeOfDay(time(18), 7, PRAGUE)
    assert weekly.next(local("2026-11-21T19:00"), None) == local("2026-11-22T18:00")
    assert weekly.next(local("2026-11-22T18:00"), local("2026-11-22T18:00")) == local("2026-11-29T18:00")
    assert weekly.next(local("2026-12-24T12:00"), local("2026-11-22T18:00")) == local("2026-12-24T18:00")  # it was off


class Wall:
    """A clock on the wall that somebody may set: it goes as the loop's does, `ahead` of it."""

    def __init__(self) -> None:
        self.ahead = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.ahead + timedelta(seconds=asyncio.get_running_loop().time())


@pytest.mark.parametrize(
    ("set_by_h", "rings_after_h"),
    [(0, 6), (2, 4), (-3, 9), (10, 2)],  # +10 h at 1:30 after: it is past six, which is noticed within the hour
)
def test_a_clock_that_is_set_meanwhile_is_noticed(set_by_h: int, rings_after_h: int) -> None:
    rung: list[float] = []

    async def scene() -> None:
        wall, loop = Wall(), asyncio.get_running_loop()
        timer = WallTimer(wall.now, lambda: rung.append(loop.time()))
        timer.set(datetime(2026, 11, 21, 18, tzinfo=UTC))
        await asyncio.sleep(1.5 * 3600)
        wall.ahead += timedelta(hours=set_by_h)
        await asyncio.sleep(20 * 3600)

    run_virtual(scene(), limit_s=90_000)
    assert rung == [rings_after_h * 3600]


def test_a_cancelled_one_is_silent() -> None:
    rung: list[float] = []

    async def scene() -> None:
        timer = WallTimer(Wall().now, lambda: rung.append(1.0))
        timer.set(datetime(2026, 11, 21, 12, 5, tzinfo=UTC))
        timer.cancel()
        await asyncio.sleep(600)

    run_virtual(scene())
    assert rung == []
