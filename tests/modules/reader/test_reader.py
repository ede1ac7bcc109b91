"""Readers by software: what is done to their cards, what they show, and what the settings refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import ListReaders, PairReader, PresentCard, ReadCard, ReadKeys
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import (
    CardRead,
    Event,
    InputChanged,
    Problem,
    ReaderChanged,
    ReaderFeedback,
    ReaderPrompt,
)
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.credentials.data_sets import ChipCard
from voipnode.modules.reader.drivers import UNTIL_STOPPED, Light, SimulatedReader
from voipnode.modules.reader.module import MAX_WAITING, ReaderModule
from voipnode.modules.reader.settings import ReadersSettings
from voipnode.settings import NodeSettings


class Place:
    """A simulated reader "outside", and whoever decides."""

    def __init__(self, folder: Path, **reader: Any) -> None:
        self.now = 100.0
        self.bus = Bus(lambda: self.now)
        self.events: list[Event] = []
        self.bus.subscribe(Event, self.events.append, who="test")
        self.commands = Commands()
        self.read: list[ReadCard | ReadKeys] = []
        self.refuses = ""
        self.answers = asyncio.Event()
        self.answers.set()
        self.commands.register(ReadCard, self._decide, who="test")
        self.commands.register(ReadKeys, self._decide, who="test")
        settings = ReadersSettings.model_validate({"readers": [{"name": "outside", **reader}]})
        self.module = ReaderModule(House(self.bus, self.commands, folder), settings)

    async def _decide(self, command: ReadCard | ReadKeys) -> str:
        await self.answers.wait()
        if self.refuses:
            raise NotNowError(self.refuses)
        self.read.append(command)
        return "granted"

    @property
    def reader(self) -> SimulatedReader:
        driver = self.module.driver("outside")
        assert isinstance(driver, SimulatedReader)
        return driver

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


Story = Callable[[Place], Awaitable[None]]


def tell(folder: Path, story: Story, **reader: Any) -> Place:
    place = Place(folder, **reader)

    async def main() -> None:
        await place.module.start()
        try:
            await story(place)
        finally:
            await place.module.stop()
            await place.module.stop()

    run_virtual(main())
    return place


def test_cards_and_keys_go_to_whoever_decides(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.reader.card("04A1B2C3D4E5F6", 56)
        place.reader.keys("12#")
        await settle()

    place = tell(tmp_path, story)
    assert place.read == [
        ReadCard(reader="outside", uid="04A1B2C3D4E5F6", bits=56),
        ReadKeys(reader="outside", keys="12#"),
    ]
    (seen,) = place.told(CardRead)
    assert (seen.uid, seen.bits) == ("**********E5F6", 56)
    assert place.told(ReaderChanged)[0].state == "connected"


@pytest.mark.parametrize(
    ("shown", "uid", "told"),
    [
        ("masked", "AABB", "****"),
        ("masked", "04A1B2C3", "****B2C3"),
        ("whole", "04A1B2C3", "04A1B2C3"),
        ("none", "AA", ""),
    ],
)
def test_as_much_of_a_uid_is_told_as_the_settings_let(tmp_path: Path, shown: str, uid: str, told: str) -> None:
    async def story(place: Place) -> None:
        place.reader.card(uid)

    assert [event.uid for event in tell(tmp_path, story, uid_in_events=shown).told(CardRead)] == [told]


def test_kinds_of_cards_that_are_not_on_the_list_are_ignored_without_a_sound(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.reader.card("04A1B2C3", 32, ChipCard("MIFARE_Classic", bytes.fromhex("04A1B2C3")))
        place.reader.card("04A1B2C4", 32)
        place.reader.card("04A1B2C5", 32, ChipCard("MIFARE_DESFire", bytes.fromhex("04A1B2C5")))
        await settle()
        wish = PresentCard(reader="outside", uid="04:A1:B2:C6", chip="MIFARE_Classic")
        assert await place.commands.execute(wish) == "ignored"

    place = tell(tmp_path, story, chip_types=["MIFARE_DESFire"])
    assert [(command.reader, command.uid) for command in place.read if isinstance(command, ReadCard)] == [
        ("outside", "04A1B2C5")
    ]
    assert place.reader.beeps == []


STAFF = {
    "name": "Staff",
    "chip": "MIFARE_DESFire",
    "address": "F51780/1",
    "key": "00112233445566778899AABBCCDDEEFF",
    "offset_bits": 8,
    "length_bits": 32,
    "required": True,
    "use_as_uid": True,
}


def test_protected_data_count_instead_of_a_serial_number_and_copies_are_ignored(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        data = (STAFF["address"], STAFF["key"], "FF00012345FF")
        other_key = (STAFF["address"], "00" * 16, "FF00012345FF")
        outcomes = [
            await place.commands.execute(
                PresentCard(reader="outside", uid="04A1B2C3", chip="MIFARE_DESFire", places=places)
            )
            for places in ((data,), (other_key,), ())
        ]
        assert outcomes == ["granted", "ignored", "ignored"]
        assert await place.commands.execute(PresentCard(reader="outside", uid="04A1B2C4", chip="LEGIC")) == "granted"
        assert STAFF["key"] not in repr(PresentCard(reader="outside", uid="04", places=(data,)))
        wrong = (("F51780/1", "secret", ""),)
        with pytest.raises(CallError, match=r"^key: write its bytes in hexadecimal$"):
            await place.commands.execute(PresentCard(reader="outside", uid="04", chip="LEGIC", places=wrong))

    place = tell(tmp_path, story, data_sets=[STAFF])
    assert place.read == [
        ReadCard(reader="outside", uid="00012345", bits=32),
        ReadCard(reader="outside", uid="04A1B2C4"),
    ]
    assert place.reader.beeps == []


def test_a_uid_is_reversed_by_its_bytes_also_by_software(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.reader.card("04A1B2C3", 32)
        await settle()
        assert await place.commands.execute(PresentCard(reader="outside", uid="c3-b2-a1-04")) == "granted"

    place = tell(tmp_path, story, reverse_uid=True)
    assert [command.uid for command in place.read if isinstance(command, ReadCard)] == ["C3B2A104", "04A1B2C3"]


def test_a_card_for_a_reader_that_is_no_setting_is_read_as_it_is(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        assert await place.commands.execute(PresentCard(reader="page", uid="04A1B2C3")) == "granted"
        with pytest.raises(CallError, match="no card UID"):
            await place.commands.execute(PresentCard(reader="outside", uid="xyz"))

    assert tell(tmp_path, story).read == [ReadCard(reader="page", uid="04A1B2C3")]


def test_what_nobody_takes_is_told(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.refuses = "not now"
        place.reader.keys("1")
        await settle()

    (problem,) = tell(tmp_path, story).told(Problem)
    assert (problem.where, problem.detail) == ("reader.outside", "not now")


def test_who_tries_cards_through_at_the_wires_gets_two_a_second_and_one_word(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        for number in range(1000):
            place.reader.card(f"{number:08X}")
            await settle(3)
        assert len(place.read) == 8
        place.now += 10.0
        for number in range(1000):
            place.reader.card(f"{number:08X}")
            await settle(3)
        assert len(place.read) == 16
        place.now += 1.0
        place.reader.keys("123456789")
        await settle(3)
        assert len(place.read) == 16
        place.reader.keys("12345678")
        await settle(3)
        (listed,) = json.loads(await place.commands.execute(ListReaders()))
        assert listed["refused"] == 1000 - 8 + 1000 - 8 + 1

    place = tell(tmp_path, story)
    assert len(place.read) == 17
    assert len(place.told(CardRead)) == 16
    (problem,) = place.told(Problem)
    assert "faster than anybody" in problem.detail


def test_what_waits_for_an_answer_is_bounded(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.answers.clear()
        for _ in range(MAX_WAITING + 1):
            place.reader.keys("1")
        await settle()
        place.answers.set()
        await settle()

    place = tell(tmp_path, story)
    assert (len(place.read), len(place.told(Problem))) == (MAX_WAITING, 1)


def test_what_the_entry_list_answers_is_shown_and_heard(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        for prompt, for_s in (("pin", 10.0), ("key", 10.0), ("granted", 2.0), ("denied", 2.0), ("locked", 30.0)):
            place.bus.publish(ReaderPrompt(reader="outside", prompt=prompt, for_s=for_s))
        place.bus.publish(ReaderPrompt(reader="outside", prompt="idle"))
        place.bus.publish(ReaderPrompt(reader="inside", prompt="granted", for_s=2.0))

    reader = tell(tmp_path, story, colours={"granted": "cyan"}).reader
    assert reader.lights == [
        Light("blue"),
        Light("amber", True, 10.0),
        Light("amber", True, 10.0),
        Light("cyan", False, 2.0),
        Light("red", False, 2.0),
        Light("red", True, 30.0),
        Light("blue"),
    ]
    assert reader.beeps == [1, 1, 3, 3]


def test_a_door_controller_decides_by_its_word(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.bus.publish(ReaderFeedback(reader="outside", led="red"))
        place.bus.publish(ReaderFeedback(reader="outside", led="green", for_s=3.0, beeps=2))
        place.bus.publish(ReaderPrompt(reader="outside", prompt="idle"))
        place.bus.publish(ReaderFeedback(reader="outside", led="plaid", beeps=1000))

    reader = tell(tmp_path, story).reader
    assert reader.lights == [Light("blue"), Light("red"), Light("green", False, 3.0), Light("red")]
    assert reader.beeps == [2, 10]


@pytest.mark.parametrize(
    ("wires", "shown"),
    [
        (["I1"], ["red", "green", "red"]),
        (["I1", "I2"], ["off", "cyan", "magenta", "white"]),  # idle, led1, both, led2
    ],
)
def test_a_door_controller_decides_by_wires(tmp_path: Path, wires: list[str], shown: list[str]) -> None:
    colours = {"idle": "off", "low": "red", "high": "green", "led1": "cyan", "led2": "white", "both": "magenta"}

    async def story(place: Place) -> None:
        for name, active in (("I1", True), ("I2", True), ("I1", False), ("I3", True), ("I3", False), ("I4", True)):
            place.bus.publish(InputChanged(input=name, active=active, source="hardware"))

    reader = tell(tmp_path, story, led_inputs=wires, beeper_input="I3", colours=colours).reader
    assert [light.colour for light in reader.lights] == shown
    assert reader.beeps == [UNTIL_STOPPED, 0]


def test_a_beeper_that_is_off_is_silent(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.bus.publish(ReaderPrompt(reader="outside", prompt="denied", for_s=2.0))
        place.bus.publish(InputChanged(input="I3", active=True, source="hardware"))

    assert tell(tmp_path, story, beeper=False, beeper_input="I3").reader.beeps == []


def test_the_readers_are_listed_and_only_those_with_a_key_to_give_are_paired(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        (listed,) = json.loads(await place.commands.execute(ListReaders()))
        assert (listed["name"], listed["state"], listed["driver"], listed["pairs"]) == (
            "outside",
            "connected",
            "simulated",
            False,
        )
        with pytest.raises(NotNowError, match="only an OSDP reader"):
            await place.commands.execute(PairReader(reader="outside"))
        with pytest.raises(UnknownNameError, match="there are: outside"):
            await place.commands.execute(PairReader(reader="inside"))

    tell(tmp_path, story)


def test_a_reader_that_is_off_reads_nothing(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.reader.card("04A1B2C3")
        await settle()
        (listed,) = json.loads(await place.commands.execute(ListReaders()))
        assert (listed["state"], listed["detail"]) == ("not connected", "switched off")

    place = tell(tmp_path, story, enabled=False)
    assert (place.read, place.events) == ([], [])


def test_readers_are_changed_while_the_node_runs_and_the_others_are_not_touched(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        before = place.reader
        place.module.use(ReadersSettings.model_validate({"readers": [{"name": "outside"}, {"name": "inside"}]}))
        assert place.reader is before
        place.module.use(ReadersSettings.model_validate({"readers": [{"name": "outside", "reverse_uid": True}]}))
        before.card("04A1B2C3")  # taken from the wall
        place.reader.card("04A1B2C3")
        await settle()

    place = tell(tmp_path, story)
    assert place.read == [ReadCard(reader="outside", uid="C3B2A104")]
    assert [event.reader for event in place.told(ReaderChanged)] == ["outside", "inside", "outside"]


OSDP = {"driver": "osdp", "device": "/dev/ttyS1"}


@pytest.mark.parametrize(
    ("readers", "field", "words"),
    [
        ([{"name": "a b"}], "name", "pattern"),
        ([{"name": "a", "driver": "osdp"}], "device", "such as /dev/ttyS1"),
        ([{"name": "a", "device": "/dev/ttyS1"}], "device", '"osdp" or "wiegand"'),
        ([{"name": "a", "key": "00" * 16}], "key", 'only readers with driver = "osdp"'),
        ([{"name": "a", **OSDP, "baud": 1200}], "baud", "9600, 19200"),
        ([{"name": "a", **OSDP, "address": 127}], "address", "126"),
        ([{"name": "a", **OSDP, "key": "12"}], "key", "32 hexadecimal digits"),
        ([{"name": "a", **OSDP, "key": "00" * 16, "secure_channel": False}], "key", "protects nothing"),
        ([{"name": "a", **OSDP, "chip_types": ["MIFARE"]}], "chip_types", "at the reader"),
        ([{"name": "a", "driver": "wiegand"}], "device", "such as /dev/gpiochip0"),
        ([{"name": "a", "driver": "wiegand", "device": "/dev/gpiochip0"}], "lines", "D0 and D1"),
        ([{"name": "a", "driver": "wiegand", "device": "/dev/gpiochip0", "lines": [4, 4]}], "lines", "D0 and D1"),
        ([{"name": "a", **OSDP, "lines": [4, 5]}], "lines", "no other has any"),
        ([{"name": "a", "driver": "wiegand", "device": "/run/w", "key": "00" * 16}], "key", 'driver = "osdp"'),
        ([{"name": "a", **OSDP, "data_sets": [STAFF]}], "data_sets", "at the reader"),
        ([{"name": "a", "data_sets": [{**STAFF, "key": "0"}]}], "data_sets", "in hexadecimal"),
        ([{"name": "a", "data_sets": [{**STAFF, "chip": "x"}]}], "chip", "MIFARE_Classic"),
        ([{"name": "a", "chip_types": ["MYFARE"]}], "chip_types", "MIFARE_Classic"),
        ([{"name": "a"}, {"name": "a"}], "name", "another reader"),
        ([{"name": "a", **OSDP}, {"name": "b", **OSDP}], "address", "another reader on /dev/ttyS1"),
        ([{"name": "a", **OSDP}, {"name": "b", **OSDP, "address": 1, "baud": 19200}], "baud", "one speed"),
        ([{"name": "a", "led_inputs": ["I9"]}], "led_inputs", '"button"'),
        ([{"name": "a", "beeper_input": "I9"}], "beeper_input", '"button"'),
    ],
)
def test_settings_that_cannot_be_are_told_by_their_field(readers: list[Any], field: str, words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        NodeSettings.model_validate({"readers": readers})
    (error,) = raised.value.errors()
    assert words in error["msg"]
    assert error["loc"][:1] == ("readers",)
    assert field in error["loc"]
    assert "00" * 16 not in str(raised.value)
