"""A card, a code or both at a reader, and what comes of it at the door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run_test
from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import (
    AddHolder,
    ChangeHolder,
    Command,
    DrawCode,
    LastCredential,
    ListHolders,
    PulsePort,
    ReadCard,
    ReadKeys,
    RemoveHolder,
)
from voipnode.calls.errors import CallError, FieldsError, NotNowError, UnsureError
from voipnode.calls.events import AccessDenied, AccessGranted, Event, Problem, ReaderPrompt, ScheduleChanged
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.entry.module import EntryModule
from voipnode.modules.entry.settings import EntrySettings


class Place:
    """A door with an entry list and readers; time is turned by hand."""

    def __init__(self, folder: Path, written: Callable[[], Awaitable[bool]] | None = None, **settings: Any) -> None:
        self.now = 100.0
        self.utc = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
        self.bus = Bus(lambda: self.now)
        self.events: list[Event] = []
        self.bus.subscribe(Event, self.events.append, who="test")
        self.commands = Commands()
        self.pulses: list[PulsePort] = []
        self.refuses = ""
        self.refusal: type[NotNowError] = NotNowError
        self.commands.register(PulsePort, self._pulse, who="test")
        house = House(self.bus, self.commands, folder, written=written)
        self.module = EntryModule(house, EntrySettings(**settings), utc_now=lambda: self.utc, cost=16)

    def _pulse(self, wish: PulsePort) -> str:
        if self.refuses:
            raise self.refusal(self.refuses)
        self.pulses.append(wish)
        return ""

    async def do(self, command: Command) -> str:
        return await self.commands.execute(command)

    async def add(self, name: str, **values: Any) -> int:
        return int(await self.do(AddHolder(values={"name": name, **values})))

    async def card(self, uid: str, *, bits: int = 0, reader: str = "outside") -> str:
        return await self.do(ReadCard(reader=reader, uid=uid, bits=bits))

    async def keys(self, keys: str, *, reader: str = "outside") -> str:
        return await self.do(ReadKeys(reader=reader, keys=keys))

    @property
    def why(self) -> str:
        """Why nobody was let in last."""
        return [event for event in self.events if isinstance(event, AccessDenied)][-1].why

    @property
    def granted(self) -> list[AccessGranted]:
        return [event for event in self.events if isinstance(event, AccessGranted)]


Story = Callable[[Place], Awaitable[None]]


def tell(folder: Path, story: Story, **settings: Any) -> Place:
    place = Place(folder, **settings)

    async def main() -> None:
        await place.module.start()
        try:
            await story(place)
        finally:
            await place.module.stop()
            await place.module.stop()

    run_test(main())
    return place


def test_a_card_opens_the_door_and_is_written_down(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", card_uid="04A1B2C3")
        assert await place.card("04:a1:b2:c3") == "granted"

    place = tell(tmp_path, story)
    (pulse,) = place.pulses
    assert (pulse.port, pulse.duration_s, pulse.who, pulse.how, pulse.authorised) == (
        "door",
        7.0,
        "Anna",
        "card at outside",
        True,
    )
    (granted,) = place.granted
    assert (granted.holder, granted.by, granted.conditions, granted.duress) == (
        "Anna",
        "card",
        ("Access granted",),
        False,
    )
    assert [event.prompt for event in place.events if isinstance(event, ReaderPrompt)] == ["granted"]


def test_who_asked_is_answered_when_the_log_has_it_and_the_door_waits_for_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        on_the_disk = asyncio.Event()
        place = Place(tmp_path, written=on_the_disk.wait)
        await place.module.start()
        await place.add("Anna", card_uid="AABB")
        asked = asyncio.create_task(place.card("AABB"))
        shown = asyncio.Event()
        place.bus.subscribe(ReaderPrompt, lambda event: shown.set(), who="test")
        await shown.wait()
        await settle()
        assert (len(place.pulses), len(place.granted), asked.done()) == (1, 1, False)
        on_the_disk.set()
        assert await asked == "granted"
        on_the_disk.clear()  # and a disk that does not answer is not waited for
        before = asyncio.get_running_loop().time()
        assert await place.card("AABB") == "granted"
        assert asyncio.get_running_loop().time() - before == 1.0
        await place.module.stop()

    run_virtual(main())


def test_ten_times_and_not_an_eleventh(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Guest", card_uid="AABB", uses_left=10)
        assert [await place.card("AABB") for _ in range(11)] == ["granted"] * 10 + ["denied"]

    place = tell(tmp_path, story)
    assert (len(place.pulses), place.why, place.granted[-1].uses_left) == (10, "used up", 0)


def test_two_readers_at_one_moment_tell_what_is_left_after_each(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Guest", card_uid="AABB", uses_left=5)
        await asyncio.gather(place.card("AABB", reader="front"), place.card("AABB", reader="back"))

    assert sorted(event.uses_left or 0 for event in tell(tmp_path, story).granted) == [3, 4]


def test_two_readers_at_one_moment_share_the_last_use(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Guest", card_uid="AABB", uses_left=1)
        at_both = await asyncio.gather(place.card("AABB", reader="front"), place.card("AABB", reader="back"))
        assert sorted(at_both) == ["denied", "granted"]

    assert len(tell(tmp_path, story).pulses) == 1


def test_a_pin_opens_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", pin="7391", conditions=["Cleaner came"])
        assert await place.keys("739") == "key"
        assert await place.keys("1") == "granted"
        assert await place.keys("7392") == "denied"

    place = tell(tmp_path, story)
    assert (place.granted[0].by, place.granted[0].conditions, place.why) == ("pin", ("Cleaner came",), "wrong code")
    assert place.pulses[0].how == "pin at outside"


def test_with_card_and_pin_both_are_wanted_in_this_order(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", card_uid="AABB", pin="7391")
        await place.add("Bob", pin="1111")
        assert await place.keys("7391") == "denied"
        assert "the card comes first" in place.why
        assert await place.card("AABB") == "pin"
        assert await place.keys("1111") == "denied"  # somebody else's
        assert await place.keys("7391") == "denied"  # the card has to be shown again
        assert await place.card("AABB") == "pin"
        assert await place.keys("7391") == "granted"
        assert await place.card("AABB") == "pin"
        place.now += 10.0  # entry.pin_timeout_s
        assert await place.keys("7391") == "denied"

    place = tell(tmp_path, story)
    assert [(pulse.who, pulse.how) for pulse in place.pulses] == [("Anna", "card and pin at outside")]


def test_the_duress_pin_opens_like_the_other_and_tells(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", pin="7391", duress_pin="7399")
        await place.add("Carl", card_uid="CC", pin="1212", duress_pin="1213")
        assert await place.keys("7399") == "granted"
        assert await place.card("CC") == "pin"
        assert await place.keys("1213") == "granted"

    place = tell(tmp_path, story)
    assert [(event.holder, event.duress) for event in place.granted] == [("Anna", True), ("Carl", True)]


def test_a_visitor_code_opens_alone_in_its_time(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        until = "2026-06-01T13:00:00Z"
        await place.add("Post", visitor_code="5555", uses_left=2, valid_to_utc=until, card_uid="DD", pin="8888")
        assert await place.keys("5555") == "granted"
        place.utc = datetime(2026, 6, 1, 13, 0, tzinfo=UTC)
        assert await place.keys("5555") == "denied"

    place = tell(tmp_path, story)
    assert (place.granted[0].by, place.why) == ("visitor_code", "was valid to 2026-06-01T13:00:00Z")


def test_outside_of_the_schedule_nobody_is_let_in(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", card_uid="AABB", schedule="day")
        assert await place.card("AABB") == "denied"
        place.bus.publish(ScheduleChanged(schedule="day", active=True))
        assert await place.card("AABB") == "granted"

    tell(tmp_path, story)


def test_unknown_cards_are_told_and_can_be_learnt_from(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        assert json.loads(await place.do(LastCredential())) == {}
        assert await place.card("00 11 22", bits=20) == "denied"
        last = json.loads(await place.do(LastCredential()))
        assert last == {
            "reader": "outside",
            "uid": "001122",
            "bits": 20,
            "at_utc": "2026-06-01T12:00:00Z",
            "holder": "",
        }
        await place.add("Anna", card_uid=last["uid"], card_bits=last["bits"])
        assert await place.card("001122", bits=20) == "granted"
        assert await place.card("001122", bits=24) == "denied"

    place = tell(tmp_path, story)
    assert place.why == "unknown card"
    assert not any("001122" in str(event) for event in place.events)  # who reads the log cannot copy a card


def test_who_tries_codes_is_slowed_and_told_of(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", pin="7391")
        for number in range(5):
            assert await place.keys(f"000{number}") == "denied"
        assert await place.keys("7391") == "locked"
        assert await place.keys("7391", reader="back") == "granted"  # other readers serve
        place.now += 30.0
        assert await place.keys("7391") == "granted"

    place = tell(tmp_path, story)
    problems = [event.detail for event in place.events if isinstance(event, Problem)]
    assert problems == ["5 wrong codes in a row: no codes are taken for 30 s"]


def test_a_door_that_does_not_open_costs_no_use(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Guest", card_uid="AABB", uses_left=1)
        place.refuses = "the guardian is down"
        assert await place.card("AABB") == "denied"
        place.refuses = ""
        assert await place.card("AABB") == "granted"

    place = tell(tmp_path, story)
    assert (place.why, len(place.granted)) == ("the guardian is down", 1)


def test_a_door_that_may_have_opened_for_a_moment_costs_the_use(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Guest", card_uid="AABB", uses_left=1)
        place.refuses, place.refusal = "the board gave no answer", UnsureError
        assert await place.card("AABB") == "denied"
        place.refuses = ""
        assert await place.card("AABB") == "denied"

    assert tell(tmp_path, story).why == "used up"


def test_without_a_port_only_rules_hear_of_it(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", card_uid="AABB")
        assert await place.card("AABB") == "granted"

    place = tell(tmp_path, story, port="")
    assert (place.pulses, len(place.granted)) == ([], 1)


def test_the_list_is_kept_changed_and_shown_without_codes(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        anna = await place.add("Anna", pin="7391", note="flat 3")
        await place.do(ChangeHolder(holder=anna, values={"suspended": True, "pin": "1234"}))
        (shown,) = json.loads(await place.do(ListHolders()))
        assert (shown["name"], shown["suspended"], shown["has_pin"], shown["note"]) == ("Anna", True, True, "flat 3")
        assert "pin" not in shown
        assert await place.keys("1234") == "denied"
        await place.do(ChangeHolder(holder=anna, values={"suspended": None}))
        assert await place.keys("1234") == "granted"
        assert await place.keys("7391") == "denied"

    tell(tmp_path, story)

    async def later(place: Place) -> None:
        assert await place.keys("1234") == "granted"  # another run of the node
        (shown,) = json.loads(await place.do(ListHolders()))
        await place.do(RemoveHolder(holder=shown["id"]))
        assert await place.keys("1234") == "denied"

    tell(tmp_path, later)


def test_a_drawn_code_is_free_and_of_the_right_length(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        codes = {json.loads(await place.do(DrawCode()))["code"] for _ in range(3)}
        assert all(len(code) == 6 and code.isdigit() for code in codes)
        assert len(codes) > 1

    tell(tmp_path, story, pin_length=6)


def test_what_cannot_be_is_refused_in_words(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        with pytest.raises(FieldsError, match="needs a card or a code"):
            await place.add("Nobody")
        with pytest.raises(CallError, match="hexadecimal"):
            await place.card("zz")
        with pytest.raises(CallError, match="a card has one"):
            await place.card("")
        with pytest.raises(CallError, match="at most 64"):
            await place.keys("1" * 65)
        with pytest.raises(CallError, match="faster than anybody"):
            await asyncio.gather(*(place.keys("1") for _ in range(20)))

    tell(tmp_path, story)


def test_a_list_that_cannot_be_read_lets_nobody_in_and_the_node_runs(tmp_path: Path) -> None:
    (tmp_path / "entry.db").write_bytes(b"x" * 5000)

    async def story(place: Place) -> None:
        assert await place.card("AABB") == "denied"
        assert await place.keys("7391") == "denied"

    place = tell(tmp_path, story)
    assert any(isinstance(event, Problem) and "no card and no code opens" in event.detail for event in place.events)
    assert place.pulses == []


def test_switched_off_nobody_is_let_in(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", card_uid="AABB")
        assert await place.card("AABB") == "denied"

    assert tell(tmp_path, story, enabled=False).pulses == []
