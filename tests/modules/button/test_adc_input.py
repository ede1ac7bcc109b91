"""A converter's files as the kernel shows them, and what is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.aio import run_test
from voipnode.calls.errors import CallError
from voipnode.modules.button.adc_input import AdcInput
from voipnode.modules.button.inputs import Contact, Terminal
from voipnode.modules.button.supervision import Supervision

LOOP = Supervision(resistor_ohm=4700, pull_up_ohm=4700, supply_v=3.3)
STEP_MV = 3300 / 4096  # a converter of 12 bits


class Converter:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "in_voltage_scale").write_text(f"{STEP_MV}\n")
        self.put(2.2)
        self.heard: list[Contact] = []
        self.troubles: list[str] = []
        self.told = asyncio.Event()
        self.input = AdcInput("loop", folder, 2, Terminal(LOOP), sample_s=0.001)

    def put(self, voltage_v: float) -> None:
        (self.folder / "in_voltage2_raw").write_text(f"{round(voltage_v * 1000 / STEP_MV)}\n")

    def hear(self, contact: Contact) -> None:
        self.heard.append(contact)
        self.told.set()

    def trouble(self, words: str) -> None:
        self.troubles.append(words)
        self.told.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self.told.clear()
                await self.told.wait()

    def start(self) -> Contact:
        return self.input.start(self.hear, self.trouble)


def play(folder: Path, story: Callable[[Converter], Awaitable[None]]) -> None:
    converter = Converter(folder)
    run_test(story(converter))


def test_samples_become_contacts(tmp_path: Path) -> None:
    async def story(adc: Converter) -> None:
        assert adc.start() is Contact.OPEN
        for voltage_v, contact in ((1.65, Contact.CLOSED), (0.01, Contact.SHORT), (3.29, Contact.CUT)):
            adc.put(voltage_v)
            await adc.until(lambda contact=contact: contact in adc.heard)  # type: ignore[misc] # of this very turn
        adc.input.stop()
        adc.input.stop()

    play(tmp_path, story)


def test_offset_and_divider_are_counted_in(tmp_path: Path) -> None:
    async def story(adc: Converter) -> None:
        (tmp_path / "in_voltage2_offset").write_text("-100")
        (tmp_path / "in_voltage2_raw").write_text(f"{round(165 / STEP_MV) + 100}")
        divided = AdcInput("loop", tmp_path, 2, Terminal(LOOP), sample_s=1, divider=10)
        assert divided.start(adc.hear, adc.trouble) is Contact.CLOSED
        divided.stop()

    play(tmp_path, story)


def test_a_converter_that_goes_away_is_told_once_and_read_again_when_it_is_back(tmp_path: Path) -> None:
    async def story(adc: Converter) -> None:
        adc.start()
        (tmp_path / "in_voltage2_raw").unlink()
        await adc.until(lambda: bool(adc.troubles))
        adc.put(1.65)
        await adc.until(lambda: Contact.CLOSED in adc.heard)
        assert [("there is no in_voltage2_raw" in words) for words in adc.troubles] == [True]
        adc.input.stop()

    play(tmp_path, story)


def test_a_converter_that_is_not_there_is_named(tmp_path: Path) -> None:
    nowhere = AdcInput("loop", tmp_path / "none", 2, Terminal(), sample_s=1)
    with pytest.raises(CallError, match=r'input "loop": .*none channel 2: there is no in_voltage2_raw'):
        nowhere.start(print, print)
