"""The reader module: what readers read goes to whoever decides, and readers show what came of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from voipnode.calls.commands import ListReaders, PairReader, PresentCard, ReadCard, ReadKeys
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import CardRead, InputChanged, Problem, ReaderChanged, ReaderFeedback, ReaderPrompt
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription, Tasks
from voipnode.credentials.data_sets import CHIPS, ChipCard, DataSet, Place, presented
from voipnode.modules.reader.drivers import NOT_CONNECTED, Light, Link, ReaderDriver, SimulatedReader
from voipnode.modules.reader.face import Face
from voipnode.modules.reader.pace import CARD, KEY, Pace
from voipnode.modules.reader.reader_key import ReaderKey, ReaderKeyError
from voipnode.modules.reader.settings import ReaderSettings, ReadersSettings

if TYPE_CHECKING:
    from voipnode.modules.reader.osdp_line import OsdpLine

NAME = "reader"
KEYS_FOLDER = "readers"  # in the state folder
MAX_WAITING = 8  # cards and keys of one reader that nobody has looked at yet
MAX_PAIRING_S = 600.0
REFUSED_AGAIN_S = 3600.0
SHOWN_DIGITS = 4  # of a masked UID


@dataclass(slots=True)
class Reader:
    """A reader with its driver, what it shows, and how it is reached."""

    settings: ReaderSettings
    driver: ReaderDriver
    face: Face
    data_sets: tuple[DataSet, ...] = ()
    link: Link = field(default_factory=lambda: Link(NOT_CONNECTED, detail="switched off"))
    pace: Pace = field(default_factory=Pace)
    waiting: int = 0
    refused: int = 0  # of what it sent
    refused_at: float | None = None  # when that was last told


class ReaderModule:
    """The readers of `settings`."""

    def __init__(self, house: House, settings: ReadersSettings) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._keys = house.state_dir / KEYS_FOLDER
        self._readers: dict[str, Reader] = {}
        self._lines: dict[str, OsdpLine] = {}  # by device
        self._tasks = Tasks(NAME)
        self._places: list[Subscription] = []
        self._make(settings.readers)

    def _make(self, wanted: Sequence[ReaderSettings]) -> list[Reader]:
        """The readers as the settings have them; those that are new, none of them switched on, are returned."""
        known, self._readers = self._readers, {}
        for one in wanted:
            kept = known.get(one.name)
            self._readers[one.name] = kept if kept is not None and kept.settings == one else self._new(one)
        return [reader for name, reader in self._readers.items() if known.get(name) is not reader]

    def _new(self, one: ReaderSettings) -> Reader:
        driver = self._driver(one)
        return Reader(one, driver, Face(one), tuple(each.model for each in one.data_sets))

    def _driver(self, one: ReaderSettings) -> ReaderDriver:
        """The driver that the settings name; of the others nothing is loaded."""
        match one.driver:
            case "osdp":
                from voipnode.modules.reader.osdp_reader import OsdpReader

                return OsdpReader(one, ReaderKey(self._keys, one.name))
            case "wiegand":
                from voipnode.modules.reader.wiegand_reader import WiegandReader

                return WiegandReader(one)
            case "simulated":
                return SimulatedReader()

    async def start(self) -> None:
        """Begin to listen. A line that is not there is told and sought. Raises CallError if a library is missing."""
        bus, commands = self._bus, self._commands
        self._places = [
            bus.subscribe(ReaderPrompt, self._prompt, who=NAME),
            bus.subscribe(ReaderFeedback, self._feedback, who=NAME),
            bus.subscribe(InputChanged, self._input, who=NAME),
            commands.register(ListReaders, self._list, who=NAME),
            commands.register(PresentCard, self._present_card, who=NAME),
            commands.register(PairReader, self._pair, who=NAME),
        ]
        self._switch_on(list(self._readers.values()))

    def use(self, settings: ReadersSettings) -> None:
        """Have these readers from now on. Those that stay as they are are not touched, but on a line that changes."""
        wanted = {one.name: one for one in settings.readers}
        had = {name: reader.settings for name, reader in self._readers.items()}
        others = [one for name, one in had.items() if wanted.get(name) != one]  # that go, or change
        others += [one for name, one in wanted.items() if had.get(name) != one]
        if not others:
            return
        devices = {one.device for one in others if one.driver == "osdp"}
        for device in devices & self._lines.keys():
            self._lines.pop(device).stop()
        names = {one.name for one in others}
        for name in [name for name, one in had.items() if name in names or one.device in devices]:
            self._readers.pop(name).driver.stop()
        try:
            self._switch_on(self._make(settings.readers))
        except CallError as error:
            self._bus.publish(Problem(at=self._bus.clock(), where=NAME, detail=str(error)))

    def _switch_on(self, readers: Sequence[Reader]) -> None:
        on_lines: dict[str, list[ReaderDriver]] = defaultdict(list)
        for reader in readers:
            if not reader.settings.enabled:
                continue
            reader.driver.start(_Ear(self, reader))
            reader.driver.light(reader.face.lasting)
            if reader.settings.driver == "osdp":
                on_lines[reader.settings.device].append(reader.driver)
        for device, drivers in on_lines.items():
            from voipnode.modules.reader.osdp_line import line_of

            line = self._lines[device] = line_of(drivers)
            line.start()

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        for line in self._lines.values():
            line.stop()
        self._lines = {}
        for reader in self._readers.values():
            reader.driver.stop()
        await self._tasks.close()

    # -- what readers say

    def linked(self, reader: Reader, link: Link) -> None:
        """A reader is reached in another way than before."""
        opened = link.tampered and not reader.link.tampered
        reader.link = link
        self._bus.publish(
            ReaderChanged(
                at=self._bus.clock(),
                reader=reader.settings.name,
                state=link.state,
                secure=link.secure,
                tampered=link.tampered,
                detail=link.detail,
            )
        )
        if opened:
            self._problem(reader, "somebody opened the reader, or took it from the wall")

    def heard_card(self, reader: Reader, uid: str, bits: int, chip: ChipCard | None) -> None:
        """A reader read a card."""
        if self._keeps_pace(reader, CARD) and (wish := self._wish(reader, uid, bits, chip)) is not None:
            self._later(reader, wish)

    def heard_keys(self, reader: Reader, keys: str) -> None:
        """Keys were pressed at a reader."""
        if self._keeps_pace(reader, KEY * len(keys)):
            self._later(reader, ReadKeys(reader=reader.settings.name, keys=keys))

    def _keeps_pace(self, reader: Reader, takes: float) -> bool:
        if reader.waiting < MAX_WAITING and reader.pace.allows(takes, self._bus.clock()):
            return True
        self.refused(reader, "cards or keys faster than anybody shows or presses them")
        return False

    def refused(self, reader: Reader, why: str) -> None:
        """A reader sent what is neither card nor keys: told once in a while, for a bad wire brings it all day."""
        reader.refused += 1
        now = self._bus.clock()
        if reader.refused_at is None or now >= reader.refused_at + REFUSED_AGAIN_S:
            reader.refused_at = now
            self._problem(reader, f"what it sent was refused: {why} ({reader.refused} times so far); see to its wires")

    def _later(self, reader: Reader, command: ReadCard | ReadKeys) -> None:
        reader.waiting += 1
        self._tasks.start(self._bring(reader, command))

    async def _bring(self, reader: Reader, command: ReadCard | ReadKeys) -> None:
        try:
            await self._commands.execute(command)
        except CallError as error:
            self._problem(reader, str(error))
        finally:
            reader.waiting -= 1

    def _wish(self, reader: Reader, uid: str, bits: int, chip: ChipCard | None) -> ReadCard | None:
        """What is to be done with a card; None where it is not read here, which nobody is told of."""
        settings = reader.settings
        if settings.chip_types or settings.data_sets:
            read = None if chip is None else presented(chip, reader.data_sets, settings.chip_types or CHIPS)
            if (chip is not None and read is None) or (chip is None and settings.chip_types):
                return None
            if read is not None and read.protected:
                uid, bits = read.uid, read.bits
        if settings.reverse_uid:
            uid = bytes.fromhex(uid)[::-1].hex().upper()
        shown = _shown_uid(uid, settings.uid_in_events)
        kind = "" if chip is None else chip.chip
        self._bus.publish(CardRead(at=self._bus.clock(), reader=settings.name, uid=shown, bits=bits, chip=kind))
        return ReadCard(reader=settings.name, uid=uid, bits=bits)

    # -- what readers show

    def _prompt(self, event: ReaderPrompt) -> None:
        if reader := self._readers.get(event.reader):
            self._show(reader, *reader.face.prompt(event.prompt, event.for_s))

    def _feedback(self, event: ReaderFeedback) -> None:
        if reader := self._readers.get(event.reader):
            self._show(reader, *reader.face.feedback(event.led, event.for_s, event.beeps))

    def _input(self, event: InputChanged) -> None:
        for reader in self._readers.values():
            light, beeps = reader.face.wire(event.input, event.active)
            self._show(reader, light, 0)
            if beeps is not None:
                reader.driver.beep(beeps)

    def _show(self, reader: Reader, light: Light | None, beeps: int) -> None:
        if light is not None:
            reader.driver.light(light)
        if beeps:
            reader.driver.beep(beeps)

    # -- commands

    def driver(self, name: str) -> ReaderDriver:
        """The driver of a reader, for instance to see what a simulated one shows; raises UnknownNameError."""
        return self._reader(name).driver

    def _reader(self, name: str) -> Reader:
        if name not in self._readers:
            known = ", ".join(sorted(self._readers)) or "none: add one under [[readers]]"
            raise UnknownNameError(f"there is no reader {name!r}; there are: {known}")
        return self._readers[name]

    def _list(self, command: ListReaders) -> str:
        return json.dumps([_shown(reader) for reader in self._readers.values()])

    async def _present_card(self, command: PresentCard) -> str:
        """By software; readers that nobody has set, such as those of pages, have no rules of their own."""
        reader = self._readers.get(command.reader)
        if reader is None:
            return await self._commands.execute(ReadCard(reader=command.reader, uid=command.uid, bits=command.bits))
        uid = _bytes("uid", command.uid)
        chip = _chip_card(command, uid)
        wish = self._wish(reader, uid.hex().upper(), command.bits, chip)
        if wish is None:
            return "ignored"
        return await self._commands.execute(wish)

    def _pair(self, command: PairReader) -> str:
        reader = self._reader(command.reader)
        line = self._lines.get(reader.settings.device)
        if line is None or not reader.settings.enabled:
            raise NotNowError(f"reader {command.reader!r}: only an OSDP reader that is switched on can be paired")
        if not reader.settings.secure_channel or reader.settings.key.get_secret_value():
            given = "key is" if reader.settings.key.get_secret_value() else "secure_channel = false is"
            raise NotNowError(f"reader {command.reader!r}: {given} set in the settings, so there is nothing to pair")
        if not 0 < command.for_s <= MAX_PAIRING_S:
            raise CallError(f"for_s: {command.for_s:g}; up to {MAX_PAIRING_S:g} s")
        try:
            line.pair(command.reader, command.for_s)
        except ReaderKeyError as error:
            raise CallError(str(error)) from error
        return ""

    def _problem(self, reader: Reader, detail: str) -> None:
        self._bus.publish(Problem(at=self._bus.clock(), where=f"{NAME}.{reader.settings.name}", detail=detail))


class _Ear:
    """Brings what one reader says to the module."""

    def __init__(self, module: ReaderModule, reader: Reader) -> None:
        self._module = module
        self._reader = reader

    def card(self, uid: str, bits: int, chip: ChipCard | None = None) -> None:
        self._module.heard_card(self._reader, uid, bits, chip)

    def keys(self, keys: str) -> None:
        self._module.heard_keys(self._reader, keys)

    def refused(self, why: str) -> None:
        self._module.refused(self._reader, why)

    def link(self, link: Link) -> None:
        self._module.linked(self._reader, link)


def _shown_uid(uid: str, how: str) -> str:
    """As much of a UID as may be told."""
    if how == "whole":
        return uid
    if how == "none":
        return ""
    end = uid[-SHOWN_DIGITS:] if len(uid) > SHOWN_DIGITS else ""
    return "*" * (len(uid) - len(end)) + end


def _bytes(field: str, text: str) -> bytes:
    """Bytes in hexadecimal, perhaps with : or - between them; raises CallError, which quotes nothing but a UID."""
    try:
        return bytes.fromhex(text.replace(":", " ").replace("-", " "))
    except ValueError:
        given = f'"{text}" is no card UID; ' if field == "uid" else ""
        raise CallError(f"{field}: {given}write its bytes in hexadecimal") from None


def _chip_card(command: PresentCard, csn: bytes) -> ChipCard | None:
    """The card that is shown by software, where it is said of what kind it is."""
    if not command.chip:
        return None
    if command.chip not in CHIPS:
        raise CallError(f'chip: "{command.chip}" is no kind of card; there are {", ".join(CHIPS)}')
    places = tuple(Place(address, _bytes("data", data), _bytes("key", key)) for address, key, data in command.places)
    return ChipCard(command.chip, csn, _bytes("secure_id", command.secure_id), places)


def _shown(reader: Reader) -> dict[str, Any]:
    settings, link = reader.settings, reader.link
    return {
        "name": settings.name,
        "driver": settings.driver,
        "enabled": settings.enabled,
        "state": link.state,
        "secure": link.secure,
        "tampered": link.tampered,
        "detail": link.detail,
        "pairs": settings.driver == "osdp"
        and settings.enabled
        and settings.secure_channel
        and not settings.key.get_secret_value(),
        "chip_types": list(settings.chip_types),
        "refused": reader.refused,
    }


def build(house: House, settings: ReadersSettings) -> ReaderModule:
    return ReaderModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, ReadersSettings, build)
