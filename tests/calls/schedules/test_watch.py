"""What is told of schedules, and when: in virtual time, with a wall clock that people may set."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests.support.virtual_loop import run_virtual
from voipnode.calls.events import ScheduleChanged, SchedulePulse
from voipnode.calls.hooks import Bus
from voipnode.calls.schedules.schedules import Schedules
from voipnode.calls.schedules.settings import ScheduleSettings
from voipnode.calls.schedules.watch import ScheduleWatch

MONDAY = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def office(*times: str) -> Schedules:
    return Schedules([ScheduleSettings(name="office", times=times)], UTC)


class Wall:
    """A clock on the wall that starts with the loop's, and what the watch told by it."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self.told: list[tuple[str, bool, str]] = []
        loop = asyncio.get_running_loop()
        self.bus = Bus(loop.time)
        self.bus.subscribe(ScheduleChanged, self._hear, who="test")

    def now(self) -> datetime:
        return MONDAY + timedelta(seconds=asyncio.get_running_loop().time()) + self.ahead

    def _hear(self, event: ScheduleChanged) -> None:
        self.told.append((f"{self.now():%a %H:%M:%S}", event.active, event.until_utc))


def test_it_is_told_at_the_start_and_at_each_beginning_and_end() -> None:
    async def scene() -> None:
        wall = Wall()
        watch = ScheduleWatch(office("Mon-Fri 08:00-18:00"), wall.bus, wall.now)
        watch.start()
        await asyncio.sleep(26 * 3600)
        await watch.stop()
        await asyncio.sleep(26 * 3600)
        assert wall.told == [
            ("Mon 07:00:00", False, "2026-11-23T08:00:00Z"),
            ("Mon 08:00:00", True, "2026-11-23T18:00:00Z"),
            ("Mon 18:00:00", False, "2026-11-24T08:00:00Z"),
            ("Tue 08:00:00", True, "2026-11-24T18:00:00Z"),
        ]

    run_virtual(scene(), limit_s=300_000)


def test_a_clock_that_is_set_back_and_forth_is_followed_as_soon_as_it_is_told() -> None:
    async def scene() -> None:
        wall = Wall()
        watch = ScheduleWatch(office("Mon-Fri 08:00-18:00"), wall.bus, wall.now)
        watch.look_again()  # before the start: nothing
        watch.start()
        for hours in (3, -5, 4):
            await asyncio.sleep(600)
            wall.ahead += timedelta(hours=hours)
            watch.look_again()
        await asyncio.sleep(2 * 3600)
        await watch.stop()
        assert wall.told == [
            ("Mon 07:00:00", False, "2026-11-23T08:00:00Z"),
            ("Mon 10:10:00", True, "2026-11-23T18:00:00Z"),
            ("Mon 05:20:00", False, "2026-11-23T08:00:00Z"),
            ("Mon 09:30:00", True, "2026-11-23T18:00:00Z"),
        ]

    run_virtual(scene(), limit_s=300_000)


def test_a_clock_that_is_set_is_noticed_within_the_hour() -> None:
    async def scene() -> None:
        wall = Wall()
        watch = ScheduleWatch(office("Mon-Fri 08:00-18:00"), wall.bus, wall.now)
        watch.start()
        await asyncio.sleep(2 * 3600)
        wall.ahead = -timedelta(hours=3)  # back to 06:00
        await asyncio.sleep(3600)
        assert wall.told[-1] == ("Mon 07:00:00", False, "2026-11-23T08:00:00Z")
        wall.ahead = timedelta(hours=2)  # forth to 12:00
        await asyncio.sleep(3600)
        assert wall.told[-1] == ("Mon 13:00:00", True, "2026-11-23T18:00:00Z")
        await watch.stop()

    run_virtual(scene(), limit_s=300_000)


def test_other_schedules_take_the_place_at_once_and_only_what_is_new_is_told() -> None:
    async def scene() -> None:
        wall = Wall()
        watch = ScheduleWatch(office("Mon-Fri 08:00-18:00"), wall.bus, wall.now)
        watch.start()
        watch.replace(office("Mon-Fri 07:30-18:00"))
        assert len(wall.told) == 1
        await asyncio.sleep(1800)
        assert wall.told[1:] == [("Mon 07:30:00", True, "2026-11-23T18:00:00Z")]
        watch.replace(office("Mon-Fri 09:00-18:00"))
        assert wall.told[2:] == [("Mon 07:30:00", False, "2026-11-23T09:00:00Z")]
        await watch.stop()

    run_virtual(scene(), limit_s=300_000)


def test_moments_are_told_each_once_and_those_that_a_halt_swallowed_are_one() -> None:
    async def scene() -> None:
        wall = Wall()
        pulses: list[str] = []
        wall.bus.subscribe(SchedulePulse, lambda event: pulses.append(f"{wall.now():%H:%M:%S}"), who="test")
        quarter = ScheduleSettings(name="quarter", times=("Mon 08:00-09:00",), pulse_every_s=900)
        watch = ScheduleWatch(Schedules([quarter], UTC), wall.bus, wall.now)
        watch.start()
        await asyncio.sleep(3600 + 1000)
        wall.ahead = timedelta(minutes=25)  # while it slept, 08:30 went by
        await asyncio.sleep(4 * 3600)
        await watch.stop()
        assert pulses == ["08:00:00", "08:15:00", "08:55:00"]
        assert wall.told == []

    run_virtual(scene(), limit_s=300_000)
