"""The door's sound on its way: what the front end is given, who decides what it does, and what is told of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest

from voipnode.calls.commands import ChangeSound, ReadSound
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import CallError
from voipnode.calls.events import Event, SoundChanged
from voipnode.calls.hooks import Bus, Commands, Frame
from voipnode.calls.sound_desk import SoundDesk
from voipnode.calls.sound_wishes import SoundWishes, agree
from voipnode.dsp.front_end_options import PLAIN, FrontEndOptions

ECHO = replace(PLAIN, echo_cancellation=True)
ON, OFF, DEVICE = SoundWishes("on", "on", "on"), SoundWishes("off", "off", "off"), SoundWishes()


class Room:
    """A device whose microphone hears its loudspeaker 20 ms later, 6 dB softer; keeps what was played."""

    description = "test"

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.played: list[Frame] = []
        self.start()

    def start(self) -> None:
        self._air = [np.zeros(self.rate_hz // 100, np.float32)] * 2

    def stop(self) -> None:
        return

    def exchange(self, loudspeaker: Frame) -> Frame:
        self.played.append(loudspeaker.copy())
        self._air.append(loudspeaker * np.float32(0.5))
        return self._air.pop(0)


class Caller:
    """Speaks noise at -20 dBFS, keeps what it hears."""

    shared_encoder = None

    def __init__(self, codec_rate_hz: int = 8000) -> None:
        self.codec_rate_hz = codec_rate_hz
        self.heard: list[Frame] = []
        self._dice = np.random.default_rng(1)

    def run_at(self, rate_hz: int) -> None:
        self._size = rate_hz // 100

    def pull(self, now: float) -> Frame:
        return self._dice.normal(0, 0.07, self._size).astype(np.float32)

    def push(self, frame: Frame, now: float) -> None:
        self.heard.append(frame.copy())

    def push_coded(self, coded: bytes, now: float) -> None:
        raise AssertionError("it shares no encoder")

    def send(self, now: float) -> None:
        return

    def level_db(self, last: int = 50) -> float:
        """Of what it hears, against what it says."""
        return 10 * float(np.log10(np.mean(np.square(self.heard[-last:])) / 0.07**2 + 1e-12))


class Clock:
    def subscribe(self, tick: object, send: object = None) -> object:
        self.tick = tick
        return lambda: None

    def run(self, ticks: int) -> None:
        for _ in range(ticks):
            self.tick(0.0)  # type: ignore[operator]  # a test's clock


def door(device_hz: int = 16000, options: FrontEndOptions = PLAIN) -> tuple[DoorBridge, Room, Clock]:
    room, clock = Room(device_hz), Clock()
    return DoorBridge(room, clock, options=options), room, clock  # type: ignore[arg-type]  # as much of a clock as it needs


@pytest.mark.parametrize(("device_hz", "codec_hz"), [(8000, 8000), (16000, 8000), (48000, 16000)])
def test_a_caller_does_not_hear_himself_whatever_the_rates(device_hz: int, codec_hz: int) -> None:
    bridge, _, clock = door(device_hz, ECHO)
    caller = Caller(codec_hz)
    bridge.join(caller, DEVICE)
    clock.run(300)
    assert caller.level_db() < -6 - 20
    report = bridge.report()
    assert report.erle_db is not None
    assert report.erle_db > 20


def test_the_room_is_known_from_call_to_call() -> None:
    """The second caller hears nothing of himself from his first word on, at whichever rate he calls."""
    bridge, _, clock = door(16000, ECHO)
    for codec_hz in (8000, 16000):
        caller = Caller(codec_hz)
        bridge.join(caller, DEVICE)
        clock.run(300)
        bridge.leave(caller)
    for codec_hz in (8000, 16000):
        caller = Caller(codec_hz)
        bridge.join(caller, DEVICE)
        clock.run(30)
        assert caller.level_db(last=25) < -6 - 18
        bridge.leave(caller)


def test_without_anything_to_do_the_sound_passes_as_it_is() -> None:
    bridge, room, clock = door(8000)
    caller = Caller()
    bridge.join(caller, DEVICE)
    clock.run(10)
    np.testing.assert_array_equal(caller.heard[5], room.played[5 - 2] * np.float32(0.5))
    assert bridge.report().latency_ms == 0.0


def test_the_echo_of_what_is_played_at_another_gain_goes_too() -> None:
    """The far end is what the loudspeaker is given: after its gain, and after its limiter."""
    bridge, room, clock = door(8000, replace(ECHO, output_gain_db=20.0))
    caller = Caller()
    bridge.join(caller, DEVICE)
    clock.run(400)
    assert 0.9 < max(np.abs(frame).max() for frame in room.played) <= 1.0
    softer_db = caller.level_db() - 10 * np.log10(np.mean(np.square(room.played[-50:])) / 0.07**2)
    assert softer_db < -6 - 15


@pytest.mark.parametrize(
    ("wishes", "is_on"),
    [
        ([], True),
        ([DEVICE], True),
        ([OFF], False),
        ([ON], True),
        ([OFF, OFF], False),
        ([OFF, DEVICE], True),
        ([OFF, ON], True),
    ],
)
def test_one_microphone_a_block_is_on_where_anybody_wants_it(wishes: list[SoundWishes], is_on: bool) -> None:
    agreed = agree(FrontEndOptions(input_gain_db=3.0), wishes)
    assert (agreed.echo_cancellation, agreed.noise_suppression, agreed.automatic_gain_control) == (is_on,) * 3
    assert agreed.input_gain_db == 3.0


def test_an_account_that_wants_it_on_gets_it_where_the_device_has_it_off() -> None:
    assert not agree(PLAIN, [DEVICE]).echo_cancellation
    assert agree(PLAIN, [SoundWishes(echo_cancellation="on")]).echo_cancellation
    assert not agree(PLAIN, [SoundWishes(echo_cancellation="on")]).noise_suppression


def test_who_comes_and_goes_changes_what_is_done() -> None:
    bridge, _, clock = door(8000, ECHO)
    without, with_it, ringing = Caller(), Caller(), Caller()
    bridge.join(ringing)  # it hears no microphone, and has no say
    assert bridge.in_force.echo_cancellation
    bridge.join(without, OFF)
    assert not bridge.in_force.echo_cancellation
    clock.run(50)
    assert without.level_db(20) > -7
    bridge.join(with_it, DEVICE)
    assert bridge.in_force.echo_cancellation
    bridge.leave(with_it)
    assert not bridge.in_force.echo_cancellation
    bridge.leave(without)
    assert bridge.in_force.echo_cancellation


def test_gains_and_switches_change_by_command_and_are_told() -> None:
    bridge, room, clock = door(8000)
    events: list[Event] = []
    bus, commands, caller = Bus(lambda: 1.0), Commands(), Caller()
    bus.subscribe(Event, events.append, who="test")
    SoundDesk(bridge, bus).register(commands)
    bridge.join(caller, DEVICE)

    def ask(command: ChangeSound | ReadSound) -> str:
        return asyncio.run(commands.execute(command))

    ask(ChangeSound(input_muted=True, output_gain_db=-6.0))
    ask(ChangeSound(input_muted=True))  # nothing new, nothing told
    clock.run(10)
    assert not np.any(caller.heard[-1])
    assert np.sqrt(np.mean(np.square(room.played[-5:]))) == pytest.approx(0.035, rel=0.1)
    ask(ChangeSound(input_muted=False, output_muted=True, noise_cancellation=True))
    clock.run(10)
    assert not np.any(room.played[-1])
    told = [event for event in events if isinstance(event, SoundChanged)]
    assert [(each.input_muted, each.output_gain_db, each.output_muted) for each in told] == [
        (False, 0.0, False),
        (True, -6.0, False),
        (False, -6.0, True),
    ]
    now = json.loads(ask(ReadSound()))
    assert (now["noise_cancellation"], now["echo_cancellation"]) == (True, False)
    assert now["far_dbfs"] < -25
    with pytest.raises(CallError, match=r"input_gain_db = 31\.0: -40 to 30 is right"):
        ask(ChangeSound(input_gain_db=31.0))
    assert bridge.options.input_gain_db == 0.0


def test_a_disabled_microphone_stays_silent_whatever_is_set() -> None:
    bridge, _, clock = door(8000, FrontEndOptions(input_enabled=False, input_gain_db=30.0))
    caller = Caller()
    bridge.join(caller, ON)
    clock.run(20)
    assert not np.any(caller.heard)
