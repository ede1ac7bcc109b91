"""Measures at the door, around the calls, and has the recordings analysed where that holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from voipnode.calls.errors import NotNowError
from voipnode.calls.hooks import DoorSound, Frame
from voipnode.dsp.speaker_analysis import SpeakerAnalyser, SpeakerMeasurement
from voipnode.dsp.speaker_signal import SpeakerSignal

T = TypeVar("T")
AFTER_CALL_S = 5.0  # a visitor who calls again should not be met by a sweep


class Aside(Protocol):
    """Does work of a tenth of a second elsewhere than in the loop."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


async def in_a_thread(work: Callable[[], T], /) -> T:
    """For half a million samples, which are too many for the loop that carries calls."""
    return await asyncio.to_thread(work)


class Measuring:
    """Measures at `door` with one signal; `aside` does the arithmetic."""

    def __init__(self, door: DoorSound, signal: SpeakerSignal, aside: Aside = in_a_thread) -> None:
        self.signal = signal
        self._door = door
        self._aside = aside
        self._analyser: SpeakerAnalyser | None = None

    async def run(self) -> SpeakerMeasurement:
        """Measure once, as soon as no call is on; where one begins meanwhile, again after it."""
        heard = await self._recording()
        return await self._aside(lambda: self._analysed(heard))

    async def _recording(self) -> Frame:
        while True:
            try:
                return await self._door.play_and_record(self.signal.samples)
            except NotNowError:
                await self._door.until_free(AFTER_CALL_S)

    def _analysed(self, heard: Frame) -> SpeakerMeasurement:
        if self._analyser is None:
            self._analyser = SpeakerAnalyser(self.signal)
        return self._analyser.analyse(heard)
