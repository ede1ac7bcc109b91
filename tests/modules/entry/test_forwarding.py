"""What the entry list does not know goes to the door controller; what it knows, never."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run_test
from voipnode.calls.commands import AddHolder, ForwardCredential, PulsePort, ReadCard, ReadKeys
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import AccessDenied, Event, Problem, ReaderFeedback, ReaderPrompt
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.entry.module import EntryModule
from voipnode.modules.entry.settings import EntrySettings

CARD = "04A1B2C3"


class Place:
    """A door with an entry list and a door controller behind it, which gets `forwarded`."""

    def __init__(self, folder: Path, *, controller: bool = True, **settings: Any) -> None:
        self.now = 100.0
        self.bus = Bus(lambda: self.now)
        self.events: list[Event] = []
        self.bus.subscribe(Event, self.events.append, who="test")
        self.commands = Commands()
        self.opened: list[str] = []
        self.forwarded: list[tuple[str, int, str]] = []
        self.deaf = ""
        self.commands.register(PulsePort, self._pulse, who="test")
        if controller:
            self.commands.register(ForwardCredential, self._forward, who="test")
        self.module = EntryModule(House(self.bus, self.commands, folder), EntrySettings(**settings), cost=16)

    def _pulse(self, wish: PulsePort) -> str:
        self.opened.append(wish.who)
        return ""

    def _forward(self, command: ForwardCredential) -> str:
        if self.deaf:
            raise NotNowError(self.deaf)
        self.forwarded.append((command.uid, command.bits, command.keys))
        return "forwarded"

    async def card(self, uid: str, bits: int = 0) -> str:
        return await self.commands.execute(ReadCard(reader="gate", uid=uid, bits=bits))

    async def keys(self, keys: str) -> str:
        return await self.commands.execute(ReadKeys(reader="gate", keys=keys))

    async def add(self, name: str, **values: Any) -> None:
        await self.commands.execute(AddHolder(values={"name": name, **values}))

    @property
    def why(self) -> list[str]:
        return [event.why for event in self.events if isinstance(event, AccessDenied)]


def tell(folder: Path, story: Callable[[Place], Awaitable[None]], **settings: Any) -> Place:
    async def main() -> Place:
        place = Place(folder, **{"use_controller": True, **settings})
        await place.module.start()
        try:
            await story(place)
        finally:
            await place.module.stop()
        return place

    return run_test(main())


def test_unknown_ones_are_forwarded_and_known_ones_never(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", card_uid=CARD)
        await place.add("Bert", pin="1111")
        await place.add("Carl", card_uid="0C", pin="2222")
        await place.add("Dora", card_uid="0D", suspended=True)
        assert await place.card(CARD) == "granted"
        assert await place.keys("1111") == "granted"
        assert await place.card("0D") == "denied"  # known, and not let in
        assert await place.keys("2222") == "denied"  # known, and not enough alone
        assert await place.card("0C") == "pin"
        assert await place.keys("9999") == "denied"  # a wrong PIN of a known card
        assert await place.card("0C") == "pin"
        assert await place.keys("1111") == "denied"  # another holder's
        assert place.forwarded == []
        assert await place.card("DEADBEEF", 26) == "forwarded"
        assert await place.keys("3333") == "forwarded"
        assert await place.keys("44#") == "forwarded"
        assert place.forwarded == [("DEADBEEF", 26, ""), ("", 0, "3333"), ("", 0, "44#")]

    place = tell(tmp_path, story, wrong_codes=50)
    assert place.opened == ["Anna", "Bert"]
    prompts = [event.prompt for event in place.events if isinstance(event, ReaderPrompt)]
    assert prompts[-1] == "idle"
    assert not any(pin in str(place.events) for pin in ("3333", "44#", "9999", "DEADBEEF"))


def test_a_card_of_other_bits_is_another_card(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", card_uid="02EC0C86", card_bits=26)
        assert await place.card("02EC0C86", 26) == "granted"
        assert await place.card("02EC0C86", 32) == "forwarded"

    tell(tmp_path, story)


def test_a_controller_that_does_not_hear_is_told_as_a_denial(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.deaf = "the door controller is not reached"
        assert await place.card("DEADBEEF") == "denied"
        assert await place.keys("3333") == "denied"
        place.deaf = ""
        assert place.forwarded == []  # nothing of it comes later

    place = tell(tmp_path, story)
    assert place.why == ["unknown to us; the door controller is not reached"] * 2


def test_a_list_that_cannot_be_read_forwards_nothing(tmp_path: Path) -> None:
    """Who cannot know what is known must not hand it on."""
    (tmp_path / "entry.db").write_bytes(b"this is no database, but long enough to be taken for one" * 40)

    async def story(place: Place) -> None:
        assert await place.card("DEADBEEF") == "denied"
        assert await place.keys("3333") == "denied"

    assert tell(tmp_path, story).forwarded == []


def test_without_the_setting_nothing_is_forwarded(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        assert await place.card("DEADBEEF") == "denied"

    place = tell(tmp_path, story, use_controller=False)
    assert (place.forwarded, place.why) == ([], ["unknown card"])


def test_with_the_list_switched_off_everything_is_forwarded(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.add("Anna", card_uid=CARD)
        assert await place.card(CARD) == "forwarded"
        assert await place.keys("12") == "key"
        assert await place.keys("34") == "forwarded"
        assert await place.keys("5#") == "forwarded"
        place.deaf = "the door controller is not reached"
        assert await place.card(CARD) == "denied"

    place = tell(tmp_path, story, enabled=False, use_controller=False)
    assert place.forwarded == [(CARD, 0, ""), ("", 0, "1234"), ("", 0, "5#")]
    assert place.opened == []
    assert place.why == ["the door controller is not reached"]


def test_with_the_list_switched_off_and_no_controller_nobody_is_let_in(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        assert await place.card(CARD) == "denied"
        assert await place.keys("1234") == "denied"

    tell(tmp_path, story, enabled=False, use_controller=False, controller=False)


@pytest.mark.parametrize("green_after_s", [None, 1.0, 9.0])
def test_forwarded_codes_are_no_way_to_try_ours(tmp_path: Path, green_after_s: float | None) -> None:
    """Codes that nobody has count as wrong, unless the controller says green to them, soon."""

    async def story(place: Place) -> None:
        for code in ("5551", "5552", "5553"):
            assert await place.keys(code) == "forwarded"
            if green_after_s is not None:
                place.now += green_after_s
                place.bus.publish(ReaderFeedback(reader="gate", led="green", for_s=3.0))
        locked = await place.keys("5554")
        assert locked == ("forwarded" if green_after_s == 1.0 else "locked")
        await asyncio.sleep(0)

    place = tell(tmp_path, story, wrong_codes=3, lock_s=3600)
    problems = [event.detail for event in place.events if isinstance(event, Problem)]
    assert ("3 wrong codes in a row: no codes are taken for 3600 s" in problems) == (green_after_s != 1.0)


def test_a_green_card_forgives_no_wrong_codes(tmp_path: Path) -> None:
    """Else whoever has a card of the controller's could try all codes between two shows of it."""

    async def story(place: Place) -> None:
        for code in ("5551", "5552"):
            await place.keys(code)
        await place.card("DEADBEEF")
        place.bus.publish(ReaderFeedback(reader="gate", led="green", for_s=3.0))
        await place.keys("5553")
        assert await place.keys("5554") == "locked"

    tell(tmp_path, story, wrong_codes=3)
