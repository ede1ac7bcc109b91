"""An OSDP reader on a pseudo-terminal, libosdp's own at its far end: what it reads, what it shows, how it is lost."""

from __future__ import annotations

import asyncio
import binascii
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from osdp.constants import Capability, CardFormat

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.osdp_peer import ALL, KEY, OsdpPeer, Wire
from voipnode.calls.commands import AddHolder, PairReader, PulsePort, ReadCard, ReadKeys
from voipnode.calls.events import AccessGranted, Event, Problem, ReaderChanged, ReaderFeedback, ReaderPrompt
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.entry.module import EntryModule
from voipnode.modules.entry.settings import EntrySettings
from voipnode.modules.reader.module import ReaderModule
from voipnode.modules.reader.settings import ReadersSettings

WIEGAND_26 = bytes.fromhex("4B0F8A40")  # 26 bits, filled up to 32
OTHER_KEY = bytes(16)


class Place:
    """A node's readers on a wire; what they bring is kept, or goes to an entry list."""

    def __init__(self, folder: Path, wire: Wire, readers: list[dict[str, Any]]) -> None:
        self.folder = folder
        self.bus = Bus(asyncio.get_running_loop().time)
        self.events: list[Event] = []
        self.bus.subscribe(Event, self.events.append, who="test")
        self.commands = Commands()
        self.read: list[ReadCard | ReadKeys] = []
        self.house = House(self.bus, self.commands, folder)
        common = {"driver": "osdp", "device": wire.device, "baud": 115200}
        settings = ReadersSettings.model_validate({"readers": [{**common, **reader} for reader in readers]})
        self.module = ReaderModule(self.house, settings)
        self.wire = wire

    def keep_what_is_read(self) -> None:
        def keep(command: ReadCard | ReadKeys) -> str:
            self.read.append(command)
            return "denied"

        self.commands.register(ReadCard, keep, who="test")
        self.commands.register(ReadKeys, keep, who="test")

    @property
    def links(self) -> list[ReaderChanged]:
        return [event for event in self.events if isinstance(event, ReaderChanged)]

    async def until(self, what: str, holds: Callable[[], object]) -> None:
        async with within(PATIENCE_S, what, lambda: [self.events[-5:], self.read]):
            while not holds():  # noqa: ASYNC110 -- the far end is turned by polling, too
                await asyncio.sleep(0.005)

    async def connected(self) -> None:
        await self.until("connection", lambda: self.links and self.links[-1].state == "connected")

    async def lost(self) -> None:
        await self.until("loss", lambda: self.links[-1].state != "connected")


Story = Callable[[Place, OsdpPeer], Awaitable[None]]


def tell(folder: Path, story: Story, peer_key: bytes | None = KEY, peer: Any = None, **reader: Any) -> Place:
    """A story of one reader, "outside", whose settings are `reader`; `peer`: what libosdp's is made with."""

    async def main() -> Place:
        wire = Wire()
        place = Place(folder, wire, [{"name": "outside", "key": KEY.hex(), **reader}])
        place.keep_what_is_read()
        far = OsdpPeer(wire, peer_key, **(peer or {}))
        far.plug_in()
        try:
            await place.module.start()
            await story(place, far)
        finally:
            await place.module.stop()
            await place.module.stop()
            far.pull_out()
        return place

    return run_test(main())


def test_a_card_at_an_osdp_reader_opens_the_door_once_and_its_light_turns_green(tmp_path: Path) -> None:
    async def main() -> None:
        wire = Wire()
        place = Place(tmp_path, wire, [{"name": "outside", "key": KEY.hex()}])
        pulses: list[PulsePort] = []
        place.commands.register(PulsePort, lambda wish: pulses.append(wish) or "", who="test")
        entry = EntryModule(place.house, EntrySettings(), cost=16)
        peer = OsdpPeer(wire)
        peer.plug_in()
        await entry.start()
        await place.module.start()
        try:
            await place.commands.execute(AddHolder(values={"name": "Anna", "card_uid": "012C3E29", "uses_left": 10}))
            await place.connected()
            peer.card(WIEGAND_26, 26)
            await place.until("green light", lambda: any(led["on_color"] == 2 for led in peer.lights()))
            await place.until("beep", peer.beeps)
        finally:
            await place.module.stop()
            await entry.stop()
            peer.pull_out()
        assert [(pulse.who, pulse.how) for pulse in pulses] == [("Anna", "card at outside")]
        (granted,) = [event for event in place.events if isinstance(event, AccessGranted)]
        assert granted.uses_left == 9
        (green,) = [led for led in peer.lights() if led["on_color"] == 2]
        assert (green["temporary"], green["timer_count"], green["control_code"]) == (True, 20, 2)
        assert (peer.lights()[0]["on_color"], [beep["rep_count"] for beep in peer.beeps()]) == (4, [1])

    run_test(main())


def test_cards_keys_and_the_tamper_switch_arrive(tmp_path: Path) -> None:
    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.connected()
        assert place.links[-1].secure
        peer.card(WIEGAND_26, 26)
        await place.until("raw card", lambda: len(place.read) == 1)
        peer.card(b"abc", 24, form=CardFormat.Unspecified)
        await place.until("a card of another kind", lambda: len(place.read) == 2)
        peer.keys(b"12\x7f3\x0d\x00x")
        await place.until("keys", lambda: len(place.read) == 3)
        peer.tamper(True)
        await place.until("tampering", lambda: place.links[-1].tampered)
        peer.tamper(False)
        await place.until("its end", lambda: not place.links[-1].tampered)

    place = tell(tmp_path, story)
    assert place.read == [
        ReadCard(reader="outside", uid="012C3E29", bits=26),
        ReadCard(reader="outside", uid="616263", bits=24),
        ReadKeys(reader="outside", keys="12*3#"),
    ]
    told = [event.detail for event in place.events if isinstance(event, Problem)]
    assert told == ["somebody opened the reader, or took it from the wall"]
    assert "3E29" not in repr(place.read)
    assert "****3E29" in repr(place.events)
    assert "012C3E29" not in repr(place.events)


def test_unplugged_it_is_missed_and_plugged_in_again_it_serves(tmp_path: Path) -> None:
    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.connected()
        place.wire.is_cut = True
        await place.lost()
        assert (place.links[-1].state, place.links[-1].detail) == ("connecting", "the line is silent")
        place.wire.is_cut = False
        await place.connected()
        peer.card(WIEGAND_26, 26)
        await place.until("card", lambda: place.read)

    tell(tmp_path, story)


def test_a_reader_that_was_without_power_is_found_again_and_knows_its_colour(tmp_path: Path) -> None:
    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.connected()
        await place.until("its colour", lambda: any(not led["temporary"] for led in peer.lights()))
        peer.pull_out()
        again = OsdpPeer(place.wire)
        again.plug_in()
        await place.until("its colour again", lambda: any(not led["temporary"] for led in again.lights()))
        again.card(WIEGAND_26, 26)
        await place.until("card", lambda: place.read)
        again.pull_out()

    tell(tmp_path, story)


def test_a_line_that_is_gone_is_sought(tmp_path: Path) -> None:
    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.connected()
        peer.pull_out()
        place.wire.close()
        await place.lost()
        assert place.wire.device in place.links[-1].detail

    tell(tmp_path, story)


def test_with_a_wrong_key_nothing_is_read(tmp_path: Path) -> None:
    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.until("answer", lambda: place.links and "this key" in place.links[-1].detail)
        peer.card(WIEGAND_26, 26)
        await asyncio.sleep(0.3)

    place = tell(tmp_path, story, peer_key=OTHER_KEY)
    assert place.read == []
    assert {link.state for link in place.links} == {"connecting"}


def test_a_reader_in_the_clear_is_not_taken_for_a_protected_one(tmp_path: Path) -> None:
    in_clear = {"capabilities": ALL[1:]}

    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.until("answer", lambda: place.links and "this key" in place.links[-1].detail)
        peer.card(WIEGAND_26, 26)
        await asyncio.sleep(0.3)

    assert tell(tmp_path, story, peer_key=None, peer=in_clear).read == []

    async def in_the_clear(place: Place, peer: OsdpPeer) -> None:
        await place.connected()
        assert (place.links[-1].secure, "in the clear" in place.links[-1].detail) == (False, True)
        peer.card(WIEGAND_26, 26)
        await place.until("card", lambda: place.read)

    tell(tmp_path, in_the_clear, peer_key=None, peer=in_clear, secure_channel=False, key="")


def test_pairing_gives_it_a_key_that_only_the_node_may_read(tmp_path: Path) -> None:
    async def story(place: Place, peer: OsdpPeer) -> None:
        assert (place.links[-1].state, "pair it" in place.links[-1].detail) == ("not connected", True)
        await place.commands.execute(PairReader(reader="outside"))
        await place.connected()
        assert place.links[-1].secure
        assert not any(link.state == "connected" and not link.secure for link in place.links)
        file = place.folder / "readers" / "outside.key"
        assert bytes.fromhex(file.read_text()) == peer.installed
        assert file.stat().st_mode & 0o777 == 0o600
        peer.card(WIEGAND_26, 26)
        await place.until("card", lambda: place.read)

    place = tell(tmp_path, story, peer_key=None, key="")
    assert place.read == [ReadCard(reader="outside", uid="012C3E29", bits=26)]


def test_pairing_that_comes_to_nothing_leaves_all_as_it_was(tmp_path: Path) -> None:
    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.commands.execute(PairReader(reader="outside", for_s=0.3))
        await place.until("end", lambda: place.links[-1].detail.startswith("pairing came to nothing"))
        assert place.links[-1].state == "not connected"
        assert sorted(path.name for path in (place.folder / "readers").iterdir()) == ["outside.new"]

    tell(tmp_path, story, key="")


def test_a_card_during_pairing_is_nobodys(tmp_path: Path) -> None:
    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.commands.execute(PairReader(reader="outside", for_s=60.0))
        peer.card(WIEGAND_26, 26)
        await place.until("a panel in the clear that has taken the card", lambda: peer.taken)
        await place.until("its turn", lambda: place.links)
        await asyncio.sleep(0.1)

    place = tell(tmp_path, story, peer_key=OTHER_KEY, key="")
    assert place.read == []


def test_pairing_whose_end_was_lost_is_finished_by_the_next_one(tmp_path: Path) -> None:
    """The reader has the key, and the node was killed before it knew."""
    folder = tmp_path / "readers"
    folder.mkdir()
    (folder / "outside.new").write_text(KEY.hex())
    (folder / "outside.new").chmod(0o600)

    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.commands.execute(PairReader(reader="outside"))
        await place.connected()
        assert (folder / "outside.key").read_text() == KEY.hex()

    tell(tmp_path, story, key="")


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "readers"
    folder.mkdir()
    (folder / "outside.key").write_text(KEY.hex())
    (folder / "outside.key").chmod(0o644)

    async def story(place: Place, peer: OsdpPeer) -> None:
        assert (place.links[-1].state, "chmod 600" in place.links[-1].detail) == ("not connected", True)

    tell(tmp_path, story, key="")


def test_a_reader_that_refuses_lights_is_not_lost_over_them(tmp_path: Path) -> None:
    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.connected()
        place.bus.publish(ReaderPrompt(reader="outside", prompt="denied", for_s=2.0))
        place.bus.publish(ReaderFeedback(reader="outside", led="red", beeps=2))
        peer.card(WIEGAND_26, 26)
        await place.until("card", lambda: place.read)
        assert (place.links[-1].state, peer.lights(), peer.beeps()) == ("connected", [], [])

    dumb = {"capabilities": [(Capability.CommunicationSecurity, 1, 1), (Capability.ContactStatusMonitoring, 1, 1)]}
    tell(tmp_path, story, peer=dumb)


class Tap:
    """The ears of one of several readers on a wire, which hear each other as on RS-485."""

    id = 0

    def __init__(self, wire: Wire, others: list[Tap]) -> None:
        self._wire = wire
        self._heard = bytearray()
        self._all = others
        others.append(self)

    def read(self, max_bytes: int) -> bytes:
        data = self._wire.read(max_bytes)
        for tap in self._all:
            tap._heard += data
        mine = bytes(self._heard[:max_bytes])
        del self._heard[:max_bytes]
        return mine

    def write(self, data: bytes) -> int:
        for tap in self._all:
            if tap is not self:
                tap._heard += data
        return self._wire.write(data)

    def flush(self) -> None:
        self._heard.clear()


def test_two_readers_share_a_line(tmp_path: Path) -> None:
    async def main() -> None:
        wire = Wire()
        taps: list[Tap] = []
        readers = [{"name": name, "address": number, "key": KEY.hex()} for number, name in enumerate(("in", "out"))]
        place = Place(tmp_path, wire, readers)
        place.keep_what_is_read()
        peers = [OsdpPeer(Tap(wire, taps), address=number) for number in range(2)]
        for peer in peers:
            peer.plug_in()
        await place.module.start()
        try:
            await place.until(
                "both", lambda: {link.reader for link in place.links if link.state == "connected"} == {"in", "out"}
            )
            peers[1].card(WIEGAND_26, 26)
            await place.until("card", lambda: place.read)
            assert [command.reader for command in place.read] == ["out"]
        finally:
            await place.module.stop()
            for peer in peers:
                peer.pull_out()

    run_test(main())


@pytest.mark.parametrize("secure", [True, False])
def test_whoever_takes_the_readers_place_shows_cards_only_where_it_is_in_the_clear(
    tmp_path: Path, secure: bool
) -> None:
    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.connected()
        peer.pull_out()
        place.wire.heard.clear()
        answered = 0
        async with within(PATIENCE_S, "two questions"):
            while answered < 2 and not place.read:
                place.wire.read(256)
                for question in _frames(place.wire.heard):
                    place.wire.write(_card_answer(question))
                    answered += 1
                await asyncio.sleep(0.005)
        await place.until("loss", lambda: place.read or place.links[-1].state != "connected")

    in_clear = {} if secure else {"secure_channel": False, "key": "", "peer": {"capabilities": ALL[1:]}}
    place = tell(tmp_path, story, **in_clear)
    assert place.read == ([] if secure else [ReadCard(reader="outside", uid="012C3E29", bits=26)])


def _frames(heard: bytearray) -> Iterator[bytes]:
    """Whole frames (SOM, address, length, control, ...) that were heard, taken out of it."""
    while (start := heard.find(0x53)) >= 0 and len(heard) >= start + 5:
        size = int.from_bytes(heard[start + 2 : start + 4], "little")
        if len(heard) < start + size:
            return
        yield bytes(heard[start : start + size])
        del heard[: start + size]


def _card_answer(question: bytes) -> bytes:
    """A card in the clear, with the sequence number and the kind of checksum that the question has."""
    return _sealed(bytes([0x50, 0, 1, 26, 0, *WIEGAND_26]), control=question[4] & 0x07)


def _sealed(body: bytes, *, control: int) -> bytes:
    """A reply of reader 0."""
    has_crc = bool(control & 0x04)
    frame = bytes([0x53, 0x80, 5 + len(body) + (2 if has_crc else 1), 0, control, *body])
    if has_crc:
        return frame + binascii.crc_hqx(frame, 0x1D0F).to_bytes(2, "little")
    return frame + bytes([-sum(frame) & 0xFF])


def test_noise_on_the_line_is_no_card(tmp_path: Path) -> None:
    """Fuzz: whatever somebody puts on the wire beside the reader opens nothing, and it is found again."""
    seed = random.Random(7)

    async def story(place: Place, peer: OsdpPeer) -> None:
        await place.connected()
        for turn in range(60):
            place.wire.write(_hostile(seed, turn))
            await asyncio.sleep(0.01)
        await place.connected()
        assert place.read == []
        async with within(PATIENCE_S, "a card after all that"):
            while not place.read:  # what was shown while the reader was being found again is forgotten
                peer.card(WIEGAND_26, 26)
                await asyncio.sleep(0.3)

    place = tell(tmp_path, story)
    assert {repr(command) for command in place.read} == {"ReadCard(reader='outside', bits=26)"}


def _hostile(seed: random.Random, turn: int) -> bytes:
    """Noise, a card in the clear, or one cut short or with more in it."""
    if turn % 3 == 0:
        return seed.randbytes(seed.randrange(1, 400))
    frame = _sealed(bytes([0x50, 0, 1, 26, 0, *WIEGAND_26]), control=seed.randrange(8))
    if turn % 3 == 1:
        return frame
    at = seed.randrange(len(frame))
    return frame[:at] + seed.randbytes(seed.randrange(3)) + frame[at + seed.randrange(2) :]
