"""A Wiegand reader: frames by a pipe, a serial line and GPIO become cards and keys, and noise becomes nothing."""

from __future__ import annotations

import asyncio
import os
import pty
import random
import tty
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import gpiod
import pytest

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import ReadCard, ReadKeys
from voipnode.calls.errors import CallError
from voipnode.calls.events import Event, Problem
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.credentials.frames import Timing, pulses
from voipnode.modules.reader.drivers import Link
from voipnode.modules.reader.module import ReaderModule
from voipnode.modules.reader.settings import ReaderSettings, ReadersSettings
from voipnode.modules.reader.wiegand_gpio import CONSUMER, GpioFrames
from voipnode.modules.reader.wiegand_reader import WiegandReader

# H10301: facility 150, number 7956; even parity over 5 ones makes the first bit, odd parity over 6 the last.
CARD = "1" "10010110" "0001111100010100" "1"  # fmt: skip
UID = "032C3E29"
WRONG_PARITY = "0" + CARD[1:]


class Ear:
    """Keeps what a reader says."""

    def __init__(self) -> None:
        self.cards: list[tuple[str, int]] = []
        self.pressed: list[str] = []
        self.refusals: list[str] = []
        self.links: list[Link] = []
        self.news = asyncio.Event()

    def card(self, uid: str, bits: int, chip: object = None) -> None:
        self.cards.append((uid, bits))
        self.news.set()

    def keys(self, keys: str) -> None:
        self.pressed.append(keys)
        self.news.set()

    def refused(self, why: str) -> None:
        self.refusals.append(why)
        self.news.set()

    def link(self, link: Link) -> None:
        self.links.append(link)
        self.news.set()

    async def until(self, what: str, holds: Callable[[], object]) -> None:
        async with within(PATIENCE_S, what, lambda: vars(self)):
            while not holds():
                await self.news.wait()
                self.news.clear()


def settings(device: str, **others: Any) -> ReaderSettings:
    return ReaderSettings.model_validate({"name": "outside", "driver": "wiegand", "device": device, **others})


def with_pipe(folder: Path, story: Callable[[Ear, int], Awaitable[None]], **others: Any) -> Ear:
    """A reader on a pipe, whose other end the story writes."""
    path = folder / "wiegand"
    os.mkfifo(path)

    async def main() -> Ear:
        ear = Ear()
        reader = WiegandReader(settings(str(path), **others))
        reader.start(ear)
        end = os.open(path, os.O_WRONLY)
        try:
            await story(ear, end)
        finally:
            os.close(end)
            reader.stop()
            reader.stop()
        return ear

    return run_test(main())


def test_frames_by_a_pipe_are_cards_and_keys(tmp_path: Path) -> None:
    async def story(ear: Ear, end: int) -> None:
        os.write(end, f"{CARD}\n40 2000 25000 0111\n\n10".encode())
        await ear.until("key", lambda: ear.pressed)
        os.write(end, f"10\r\n1011\n{WRONG_PARITY}\n".encode())
        await ear.until("refusal", lambda: ear.refusals)

    ear = with_pipe(tmp_path, story)
    assert (ear.cards, ear.pressed, ear.refusals) == ([(UID, 26)], ["7", "*", "#"], ["26 bits with wrong parity"])
    assert ear.links[0].state == "connected"


def test_a_pin_that_comes_as_a_number_has_its_digits_and_its_end(tmp_path: Path) -> None:
    async def story(ear: Ear, end: int) -> None:
        os.write(end, f"{CARD}\n".encode())
        await ear.until("keys", lambda: ear.pressed)

    form = {"keypress_format": "Wiegand26", "keypress_facility_code": 150, "keypress_digits": 5}
    assert with_pipe(tmp_path, story, **form).pressed == ["07956#"]


def test_cards_of_another_format_are_refused_where_one_is_set(tmp_path: Path) -> None:
    async def story(ear: Ear, end: int) -> None:
        os.write(end, f"{'10' * 16}\n{CARD}\n".encode())
        await ear.until("card", lambda: ear.cards)

    ear = with_pipe(tmp_path, story, card_format="Wiegand26")
    assert (ear.cards, len(ear.refusals)) == ([(UID, 26)], 1)


def test_a_helper_that_ends_is_followed_by_the_next_one(tmp_path: Path) -> None:
    async def story(ear: Ear, end: int) -> None:
        path = tmp_path / "wiegand"
        for times in (1, 2):
            path.write_text(f"{CARD}\n")
            await ear.until("card", lambda times=times: len(ear.cards) == times)

    with_pipe(tmp_path, story)


def test_noise_is_refused_and_what_follows_is_heard(tmp_path: Path) -> None:
    seed = random.Random(5)

    async def story(ear: Ear, end: int) -> None:
        for _ in range(30):
            os.write(end, bytes(byte for byte in seed.randbytes(200) if byte not in b"01"))
        os.write(end, b"\n0000000\n")
        await ear.until("the end of the noise", lambda: ear.refusals[-1:] == ["7 bits that are no key in FourBit"])
        ear.refusals.clear()
        os.write(end, b"1" * 5000)
        await ear.until("a line that is too long", lambda: ear.refusals)
        os.write(end, f"11\n{CARD}\n".encode())
        await ear.until("card", lambda: ear.cards)

    ear = with_pipe(tmp_path, story)
    assert (ear.cards, ear.pressed, ear.refusals) == ([(UID, 26)], [], ["a line without an end"])


def test_a_serial_line_that_is_gone_is_sought_and_what_is_none_is_told() -> None:
    async def main() -> None:
        far, near = pty.openpty()
        tty.setraw(near)
        ear = Ear()
        reader = WiegandReader(settings(os.ttyname(near)))
        reader.start(ear)
        os.close(near)
        os.write(far, f"{CARD}\n".encode())
        await ear.until("card", lambda: ear.cards)
        os.close(far)
        await ear.until("loss", lambda: ear.links[-1].state == "connecting")
        reader.stop()
        assert ear.links[-1].detail.startswith("/dev/pts/")
        other = WiegandReader(settings("/dev"))
        other.start(ear)
        other.stop()
        assert "neither a pipe (mkfifo) nor a serial line" in ear.links[-1].detail

    run_test(main())


def test_what_is_refused_is_told_once_in_an_hour(tmp_path: Path) -> None:
    path = tmp_path / "wiegand"
    os.mkfifo(path)

    async def main() -> None:
        now = 100.0
        bus, commands = Bus(lambda: now), Commands()
        read: list[ReadCard | ReadKeys] = []
        problems: list[Problem] = []
        bus.subscribe(Event, lambda event: problems.append(event) if isinstance(event, Problem) else None, who="test")
        commands.register(ReadCard, lambda command: read.append(command) or "denied", who="test")
        one = {"name": "outside", "driver": "wiegand", "device": str(path)}
        module = ReaderModule(House(bus, commands, tmp_path), ReadersSettings.model_validate({"readers": [one]}))
        await module.start()
        path.write_text(f"{WRONG_PARITY}\n{WRONG_PARITY}\n{CARD}\n")
        async with within(PATIENCE_S, "card"):
            while not read:
                await settle()
        await module.stop()
        assert read == [ReadCard(reader="outside", uid=UID, bits=26)]
        assert [problem.where for problem in problems] == ["reader.outside"]
        assert "wrong parity" in problems[0].detail

    run_test(main())


class Chip:
    """The real gpiod with its door to the kernel replaced by functions of the same signature."""

    def __init__(self) -> None:
        self.signal, self._kernel = os.pipe()
        os.set_blocking(self.signal, False)
        self.request: Any = create_autospec(gpiod.LineRequest, instance=True)
        self.request.fd = self.signal
        self.request_lines: Any = create_autospec(gpiod.request_lines, return_value=self.request)
        self.library = SimpleNamespace(
            line=gpiod.line,
            LineSettings=gpiod.LineSettings,
            EdgeEvent=gpiod.EdgeEvent,
            request_lines=self.request_lines,
        )
        self._numbers = iter(range(1, 10_000))
        self.heard: list[Any] = []
        self.losses: list[str] = []

    def frames(self) -> GpioFrames:
        return GpioFrames("/dev/gpiochip0", (17, 27), 25_000, library=self.library)

    def edges(self, bits: str) -> Iterator[gpiod.EdgeEvent]:
        """The frame as the kernel writes it down."""
        falls, rises = gpiod.EdgeEvent.Type.FALLING_EDGE, gpiod.EdgeEvent.Type.RISING_EDGE
        for pulse in pulses([bits], Timing(), at_us=1_000_000):
            line = (17, 27)[pulse.line]
            for kind, at_us in ((falls, pulse.at_us), (rises, pulse.at_us + pulse.width_us)):
                number = next(self._numbers)
                yield gpiod.EdgeEvent(kind.value, at_us * 1000, line, number, number)

    async def tell(self, edges: list[gpiod.EdgeEvent]) -> None:
        def read(max_events: int | None = None) -> list[gpiod.EdgeEvent]:
            os.read(self.signal, 1)
            return edges

        self.request.read_edge_events.side_effect = read
        os.write(self._kernel, b"!")
        await settle()
        await asyncio.sleep(0.03)  # longer than the silence that ends a frame, in virtual time

    def close(self) -> None:
        os.close(self.signal)
        os.close(self._kernel)


def on_chip(story: Callable[[Chip, GpioFrames], Awaitable[None]]) -> Chip:
    chip = Chip()

    async def main() -> None:
        frames = chip.frames()

        def lost(trouble: str) -> None:
            chip.losses.append(trouble)
            frames.close()

        frames.open(chip.heard.append, lost)
        try:
            await story(chip, frames)
        finally:
            frames.close()
            frames.close()

    run_virtual(main())
    chip.close()
    return chip


def test_two_lines_are_asked_for_as_the_real_package_has_it() -> None:
    async def story(chip: Chip, frames: GpioFrames) -> None:
        asked = chip.request_lines.call_args
        (wanted,) = asked.kwargs["config"].values()
        assert (asked.args, asked.kwargs["consumer"], list(asked.kwargs["config"])) == (
            ("/dev/gpiochip0",),
            CONSUMER,
            [(17, 27)],
        )
        assert (wanted.direction, wanted.edge_detection) == (gpiod.line.Direction.INPUT, gpiod.line.Edge.BOTH)

    on_chip(story).request.release.assert_called_once_with()


def test_pulses_on_two_lines_are_a_frame() -> None:
    async def story(chip: Chip, frames: GpioFrames) -> None:
        edges = list(chip.edges(CARD))
        await chip.tell([*edges[:13]])
        await chip.tell([*edges[13:]])
        await chip.tell(list(chip.edges("0111")))

    async def one_by_one(chip: Chip, frames: GpioFrames) -> None:
        await chip.tell(list(chip.edges(CARD)))

    assert on_chip(one_by_one).heard == [CARD]
    assert on_chip(story).heard[-1] == "0111"


def test_an_edge_that_the_kernel_dropped_spoils_its_frame_and_no_other() -> None:
    async def story(chip: Chip, frames: GpioFrames) -> None:
        edges = list(chip.edges(CARD))
        await chip.tell([*edges[:10], *edges[12:]])
        await chip.tell(list(chip.edges(CARD)))

    spoilt, whole = on_chip(story).heard
    assert (type(spoilt).__name__, whole) == ("CredentialError", CARD)


def test_a_chip_that_is_gone_is_told() -> None:
    async def story(chip: Chip, frames: GpioFrames) -> None:
        chip.request.read_edge_events.side_effect = OSError(19, "No such device")
        os.write(chip._kernel, b"!")
        await settle()

    assert on_chip(story).losses == ["No such device"]


def test_without_gpiod_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gpiod", None)
    reader = WiegandReader(settings("/dev/gpiochip0", lines=[17, 27]))
    with pytest.raises(CallError, match=r"voipnode\[gpio\]"):
        reader.start(Ear())
