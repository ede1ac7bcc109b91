"""The siren gives way to calls, and ends in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from tests.support.switchboard import Clock, Device
from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import SoundSiren
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import CallError
from voipnode.calls.events import CallChanged, CallReason, CallState
from voipnode.calls.hooks import Bus, Commands
from voipnode.calls.siren import Siren


class Door:
    """A door's loudspeaker, whose clock the test turns."""

    def __init__(self) -> None:
        self.device, self.clock = Device(), Clock()
        self.bus, self.commands = Bus(asyncio.get_running_loop().time), Commands()
        self.siren = Siren(DoorBridge(self.device, self.clock), self.bus)
        self.siren.register(self.commands)

    def is_loud(self) -> bool:
        """Whether the next tenth of a second has sound; at rest the loudspeaker is not even asked."""
        before = len(self.device.heard)
        for _ in range(10):
            if self.clock.tick is not None:
                self.clock.tick(0.01)
        heard = self.device.heard[before:]
        return bool(heard) and float(np.abs(np.concatenate(heard)).max()) > 0.01

    def call(self, state: CallState, call: str = "c1") -> None:
        self.bus.publish(
            CallChanged(
                call=call, state=state, reason=CallReason.INITIATED, direction="outgoing", remote="a", account=""
            )
        )


def at_door(scenario: Callable[[Door], Awaitable[None]]) -> None:
    async def run() -> None:
        door = Door()
        await scenario(door)
        await door.siren.stop()
        assert not door.is_loud()

    run_virtual(run())


def test_it_is_silent_while_a_call_is_on_and_goes_on_after_it() -> None:
    async def scenario(door: Door) -> None:
        assert await door.commands.execute(SoundSiren(pattern="wail", intensity=5)) == "sounds"
        assert door.is_loud()
        door.call(CallState.CALLING)
        assert not door.is_loud()
        door.call(CallState.RINGING, "c2")
        door.call(CallState.TERMINATED)
        assert not door.is_loud(), "the other call is on"
        door.call(CallState.TERMINATED, "c2")
        assert door.is_loud()
        await door.commands.execute(SoundSiren())
        assert not door.is_loud()

    at_door(scenario)


def test_one_that_is_asked_for_in_a_call_sounds_after_it() -> None:
    async def scenario(door: Door) -> None:
        door.call(CallState.ACTIVE)
        assert await door.commands.execute(SoundSiren(pattern="yelp", intensity=5)) == "silent"
        assert not door.is_loud()
        door.call(CallState.TERMINATED)
        assert door.is_loud()

    at_door(scenario)


def test_it_lasts_no_longer_than_it_was_asked_for_calls_or_not() -> None:
    async def scenario(door: Door) -> None:
        await door.commands.execute(SoundSiren(pattern="two_tone", intensity=5, for_s=180.0))
        await asyncio.sleep(179.9)
        assert door.is_loud()
        door.call(CallState.ACTIVE)
        await asyncio.sleep(0.2)
        door.call(CallState.TERMINATED)
        assert not door.is_loud()

    at_door(scenario)


@pytest.mark.parametrize(
    "wish", [SoundSiren(pattern="howl"), SoundSiren(pattern="wail", intensity=9), SoundSiren(pattern="wail", for_s=0.0)]
)
def test_what_cannot_sound_is_refused_and_leaves_all_as_it_is(wish: SoundSiren) -> None:
    async def scenario(door: Door) -> None:
        await door.commands.execute(SoundSiren(pattern="chime", intensity=5))
        with pytest.raises(CallError, match="right"):
            await door.commands.execute(wish)
        assert door.is_loud()

    at_door(scenario)
