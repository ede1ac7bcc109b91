"""Relay, entry list and event log on a disk that is full, and on one that may only be read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from pathlib import Path

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.line_observer import OPEN_CONTACT
from tests.support.small_disk import fill, read_only, small_disk
from voipnode.calls.commands import AddHolder, ListHolders, ReadCard
from voipnode.calls.events import AccessDenied, Event, PortChanged
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.entry.module import EntryModule
from voipnode.modules.entry.settings import EntrySettings
from voipnode.modules.relay.module import RelayModule
from voipnode.modules.relay.settings import RelaySettings
from voipnode.store.settings import StateSettings
from voipnode.store.state import EventLog

ALWAYS, THRICE = "AA", "BB"  # the cards of who may enter without limit, and of who may three times
OPEN_S = 0.3


class Door:
    """What a node has of a door, on `disk`."""

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        self.events: list[Event] = []
        self.problems: list[str] = []
        bus = Bus(time.monotonic)
        bus.subscribe(Event, self.events.append, who="test")
        self.log = EventLog(StateSettings(), disk, on_problem=self.problems.append, retry_s=0.05)
        bus.subscribe(Event, lambda event: self.log.append(event.name, event.to_dict()), who="log")
        self.house = House(bus, Commands(), disk, written=self.log.flush)
        self.relay = RelayModule(self.house, RelaySettings.model_validate({"ports": [{"name": "door"}]}))
        self.entry = EntryModule(self.house, EntrySettings(duration_s=OPEN_S), cost=16)

    async def start(self) -> None:
        await self.log.start()
        await self.relay.start()
        await self.entry.start()
        for name, card, uses in (("Anna", ALWAYS, None), ("Bob", THRICE, 3)):
            values = {"name": name, "card_uid": card, "uses_left": uses}
            await self.house.commands.execute(AddHolder(values=values))

    async def stop(self) -> None:
        await self.entry.stop()
        await self.relay.stop()
        await self.log.stop()

    async def card(self, uid: str) -> str:
        return await self.house.commands.execute(ReadCard(reader="outside", uid=uid))

    async def uses_left(self) -> int:
        holders = json.loads(await self.house.commands.execute(ListHolders()))
        return next(each["uses_left"] for each in holders if each["name"] == "Bob")

    async def lets_in(self, uid: str) -> None:
        """The door opens, and shuts by itself."""
        shut = asyncio.Event()
        place = self.house.bus.subscribe(PortChanged, lambda event: None if event.active else shut.set(), who="test")
        assert await self.card(uid) == "granted"
        async with within(PATIENCE_S, "end of the opening"):
            await shut.wait()
        place.cancel()
        moves = [(event.active, event.why) for event in self.events if isinstance(event, PortChanged)]
        assert moves[-2:] == [(True, "pulse"), (False, "expired")]
        assert (self.disk / "lines" / "door").read_bytes() == OPEN_CONTACT

    async def has_no_place_to_count(self) -> None:
        """What needs no writing works as ever; a use that cannot be counted is refused, and is not lost."""
        before = await self.uses_left()
        await self.lets_in(ALWAYS)
        assert await self.card(THRICE) == "denied"
        assert "entry.db cannot be written" in [e.why for e in self.events if isinstance(e, AccessDenied)][-1]
        assert await self.uses_left() == before
        assert (self.disk / "lines" / "door").read_bytes() == OPEN_CONTACT


def test_a_disk_that_takes_nothing_lets_in_who_may_always_enter_and_loses_no_use(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "512k") as disk:
        run_test(_full_then_read_only(Door(disk)))


async def _full_then_read_only(door: Door) -> None:
    await door.start()
    await door.lets_in(THRICE)
    filler = fill(door.disk)
    await door.has_no_place_to_count()
    assert any("the event log" in problem for problem in door.problems)
    filler.unlink()
    await door.lets_in(THRICE)
    assert await door.uses_left() == 1
    with read_only(door.disk):
        await door.has_no_place_to_count()
    await door.lets_in(THRICE)
    assert await door.card(THRICE) == "denied"  # and not a fourth time
    await door.stop()
    openings = [e for e in door.events if isinstance(e, PortChanged) and e.active]
    assert len(openings) == 5
    with contextlib.closing(sqlite3.connect(door.disk / "state.db")) as state:  # what the full disk refused came later
        rows = state.execute("SELECT name FROM events WHERE name IN ('door.opened', 'access.granted')").fetchall()
    assert sorted(name for (name,) in rows) == ["access.granted"] * 5 + ["door.opened"] * 5
