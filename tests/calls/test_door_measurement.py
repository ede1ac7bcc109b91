"""Measuring at the door: raw sound in both directions, and a call that begins has the device at once."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tests.support.ticker import LoopTicker
from tests.support.virtual_loop import run_virtual
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.door_measurement import DoorMeasurement
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import CallChanged, CallReason, CallState
from voipnode.calls.hooks import Bus, Frame
from voipnode.media.bridge import FramePort

RATE_HZ = 8000


class Wire:
    """A loudspeaker whose sound the microphone hears 10 ms later, at half the level; keeps a diary."""

    rate_hz = RATE_HZ
    description = "test"

    def __init__(self) -> None:
        self.diary: list[str] = []
        self.played: list[Frame] = []
        self._last = np.zeros(RATE_HZ // 100, np.float32)
        self.hums = False

    def start(self) -> None:
        self.diary.append("start")

    def stop(self) -> None:
        self.diary.append("stop")

    def exchange(self, loudspeaker: Frame) -> Frame:
        self.played.append(loudspeaker.copy())
        heard, self._last = self._last * np.float32(0.5), loudspeaker.copy()
        return heard + np.float32(0.1 * self.hums)


class Party(FramePort):
    codec_rate_hz = RATE_HZ

    def __init__(self) -> None:
        self.heard: list[Frame] = []

    def run_at(self, rate_hz: int) -> None:
        return

    def pull(self, now: float) -> Frame:
        return np.zeros(RATE_HZ // 100, np.float32)

    def push(self, frame: Frame, now: float) -> None:
        self.heard.append(frame.copy())

    def send(self, now: float) -> None:
        return


class Door:
    def __init__(self) -> None:
        self.device, self.clock = Wire(), LoopTicker()
        self.bus = Bus(asyncio.get_running_loop().time)
        self.measurement = DoorMeasurement(self.device, self.clock, self.bus)
        self.bridge = DoorBridge(self.device, self.clock, self.measurement)

    def call(self, state: CallState) -> None:
        self.bus.publish(
            CallChanged(
                call="c1", state=state, reason=CallReason.INITIATED, direction="incoming", remote="", account=""
            )
        )


SOUND = np.linspace(-1, 1, 1234).astype(np.float32)  # no whole number of frames


def test_what_is_played_comes_back_as_the_microphone_heard_it() -> None:
    async def scene() -> None:
        door = Door()
        heard = await door.measurement.play_and_record(SOUND)
        assert heard.dtype == np.float32
        assert np.array_equal(heard[80:], SOUND[:-80] * np.float32(0.5))
        assert not heard[:80].any()
        assert asyncio.get_running_loop().time() == pytest.approx(0.16)  # 16 frames
        assert door.device.diary == ["start", "stop"]
        assert door.clock.subscribers == 0

    run_virtual(scene())


def test_there_is_one_at_a_time() -> None:
    async def scene() -> None:
        door = Door()
        first = asyncio.ensure_future(door.measurement.play_and_record(SOUND))
        await asyncio.sleep(0.05)
        with pytest.raises(NotNowError, match="something is being measured already"):
            await door.measurement.play_and_record(SOUND)
        await first
        assert door.measurement.why_not == ""

    run_virtual(scene())


def test_during_a_call_nothing_is_measured() -> None:
    async def scene() -> None:
        door, party = Door(), Party()
        door.bridge.join(party)
        with pytest.raises(NotNowError, match="a call is on"):
            await door.measurement.play_and_record(SOUND)
        door.bridge.leave(party)
        assert door.measurement.why_not == ""
        assert len(await door.measurement.play_and_record(SOUND)) == len(SOUND)

    run_virtual(scene())


def test_a_call_that_rings_without_sound_as_yet_is_a_call() -> None:
    async def scene() -> None:
        door = Door()
        under_way = asyncio.ensure_future(door.measurement.play_and_record(SOUND))
        await asyncio.sleep(0.05)
        door.call(CallState.RINGING)
        with pytest.raises(NotNowError, match="a call began"):
            await under_way
        assert door.device.diary == ["start", "stop"]
        assert door.measurement.why_not == "a call is on"
        door.call(CallState.TERMINATED)
        assert door.measurement.why_not == ""

    run_virtual(scene())


def test_a_call_that_begins_gets_a_device_at_rest_and_hears_nothing_of_it() -> None:
    async def scene() -> None:
        door, party = Door(), Party()
        under_way = asyncio.ensure_future(door.measurement.play_and_record(np.ones(RATE_HZ, np.float32)))
        await asyncio.sleep(0.055)
        door.bridge.join(party)
        assert door.device.diary == ["start", "stop", "start"]
        with pytest.raises(NotNowError, match="a call began"):
            await under_way
        played = len(door.device.played)
        door.device.hums = True
        await asyncio.sleep(0.805)
        assert [frame.any() for frame in party.heard] == [False] * 50 + [True] * 30  # while it dies away, nothing
        assert not np.any(door.device.played[played:])  # of the measurement, nothing more
        assert door.device.diary == ["start", "stop", "start"]  # nor does its end stop the call's device
        assert door.clock.subscribers == 1

    run_virtual(scene())


def test_who_waits_is_told_when_nothing_has_been_in_the_way_for_a_while() -> None:
    async def scene() -> None:
        door, party, loop = Door(), Party(), asyncio.get_running_loop()
        door.call(CallState.RINGING)
        waiting = asyncio.ensure_future(door.measurement.until_free(5.0))
        await asyncio.sleep(10.0)
        door.bridge.join(party)
        door.call(CallState.TERMINATED)
        await asyncio.sleep(10.0)
        door.bridge.leave(party)
        await asyncio.sleep(3.0)
        door.call(CallState.RINGING)  # the visitor tries once more
        door.call(CallState.TERMINATED)
        await waiting
        assert loop.time() == pytest.approx(28.0)

    run_virtual(scene())


def test_one_that_nobody_waits_for_any_more_stops_the_device() -> None:
    async def scene() -> None:
        door = Door()
        under_way = asyncio.ensure_future(door.measurement.play_and_record(SOUND))
        await asyncio.sleep(0.05)
        under_way.cancel()
        await asyncio.gather(under_way, return_exceptions=True)
        assert door.device.diary == ["start", "stop"]
        assert door.measurement.why_not == ""

    run_virtual(scene())


def test_too_long_a_sound_is_refused() -> None:
    async def scene() -> None:
        with pytest.raises(ValueError, match="at most 120 s"):
            await Door().measurement.play_and_record(np.zeros(121 * RATE_HZ, np.float32))

    run_virtual(scene())
