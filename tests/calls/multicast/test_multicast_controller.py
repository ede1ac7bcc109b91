"""Which announcement is heard at the door, and what it does to a call."""

from __future__ import annotations

import asyncio
import base64
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from tests.support.audio import find_tone_hz
from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import HoldCall, ResumeCall
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import CallChanged, CallHeld, CallReason, CallState, MulticastChanged
from voipnode.calls.hooks import Bus, Commands, Frame
from voipnode.calls.multicast.controller import MulticastController
from voipnode.calls.multicast.settings import MulticastSettings
from voipnode.codecs.g711 import mu_law
from voipnode.dsp.tones import Tone
from voipnode.media.srtp import ReceiveKey, SrtpProtection

LAN = "192.168.1.7"
KEY = base64.b64encode(bytes(range(30))).decode()
SECRET = {"profile": "SAVP", "srtp_key": KEY}


class Loudspeaker:
    """The door's device: keeps what is played, hears nothing."""

    description, rate_hz = "test", 8000

    def __init__(self) -> None:
        self.played: list[Frame] = []

    def start(self) -> None:
        return

    def stop(self) -> None:
        return

    def exchange(self, loudspeaker: Frame) -> Frame:
        self.played.append(loudspeaker.copy())
        return np.zeros(80, np.float32)


class Hand:
    """A clock that somebody turns by hand."""

    def __init__(self) -> None:
        self.ticks: list[Callable[[float], None]] = []

    def subscribe(self, tick: Callable[[float], None]) -> Callable[[], None]:
        self.ticks.append(tick)
        return lambda: self.ticks.remove(tick)


class Sender:
    """Sends a tone to a group, a packet of 20 ms at a time."""

    def __init__(self, hz: float, *, host: str = LAN, port: int = 40000, ssrc: int = 7, key: str = "") -> None:
        self.source = host, port
        self._tone = Tone(hz, rate_hz=8000, level_dbfs=-12)
        self._number, self._ssrc = 100, ssrc
        self._protection = SrtpProtection() if key else None
        if self._protection is not None:
            self._protection.key("AES_CM_128_HMAC_SHA1_80", base64.b64decode(key), [ReceiveKey(bytes(30))])

    def packet(self) -> bytes:
        self._number += 1
        sound = b"".join(mu_law().encode_frame(self._tone.next_frame()) for _ in range(2))
        header = bytes([0x80, 0]) + self._number.to_bytes(2, "big") + (self._number * 160).to_bytes(4, "big")
        data = header + self._ssrc.to_bytes(4, "big") + sound
        return data if self._protection is None else self._protection.protect(data, rtcp=False)


class Place:
    """A door with a multicast controller; time goes on by `run`."""

    def __init__(self, *sources: dict[str, Any]) -> None:
        self.now = 10.0
        self.bus = Bus(lambda: self.now)
        self.events: list[MulticastChanged] = []
        self.bus.subscribe(MulticastChanged, self.events.append, who="test")
        self.asked: list[str] = []
        self.commands = Commands()
        self.commands.register(HoldCall, lambda wish: self._hold(wish.call, held=True), who="test")
        self.commands.register(ResumeCall, lambda wish: self._hold(wish.call, held=False), who="test")
        self.refuses = ""
        self.device, self.hand = Loudspeaker(), Hand()
        door = DoorBridge(self.device, self.hand)
        settings = MulticastSettings.model_validate(
            {
                "sources": [
                    {"label": f"s{number}", "address": f"239.0.1.{number}", "port": 5004, **given}
                    for number, given in enumerate(sources)
                ]
            }
        )
        self.controller = MulticastController(settings, door=door, rate_hz=8000, bus=self.bus, commands=self.commands)
        self.controller.start()

    def _hold(self, call: str, *, held: bool) -> str:
        self.asked.append(f"{'hold' if held else 'resume'} {call}")
        if self.refuses:
            raise NotNowError(self.refuses)
        self.bus.publish(CallHeld(at=self.now, call=call, held=held, by="here"))
        return ""

    async def run(self, seconds: float, **senders: Sender) -> Frame:
        """Let time go by while these send to their groups; what was played meanwhile."""
        begin = len(self.device.played)
        for tick in range(round(seconds * 100)):
            self.now += 0.01
            for name, sender in senders.items() if tick % 2 == 0 else ():
                place = int(name.lstrip("s").partition("_")[0])
                self.controller.receive(self.controller.sources[place], sender.packet(), sender.source, self.now)
            due = self.controller.next_deadline()
            if due is not None and due <= self.now:
                self.controller.on_deadline(self.now)
            for listener in list(self.hand.ticks):
                listener(self.now)
            await asyncio.sleep(0)
        return np.concatenate([np.zeros(0, np.float32), *self.device.played[begin:]])

    def call(self, state: CallState, *, direction: str = "outgoing") -> None:
        self.bus.publish(
            CallChanged(
                at=self.now,
                call="c1",
                state=state,
                reason=CallReason.INITIATED,
                direction=direction,
                remote="sip:a@b",
                account="x",
            )
        )

    @property
    def told(self) -> list[str]:
        return [f"{event.source} {event.state}" for event in self.events]


def on_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    @functools.wraps(test)
    def run() -> None:
        run_virtual(test())

    return run


def hz(sound: Frame) -> float:
    return find_tone_hz(sound[-2400:], 8000)


@on_a_loop
async def test_an_announcement_is_heard_and_told_and_over_when_it_ceases() -> None:
    place = Place({})
    assert hz(await place.run(1.0, s0=Sender(500))) == pytest.approx(500, abs=5)
    assert place.told == ["s0 playing"]
    assert (place.events[0].sender, place.events[0].encrypted, place.events[0].codec) == (LAN, False, "PCMU")
    await place.run(1.0)
    assert place.told == ["s0 playing", "s0 ended"]
    assert not place.hand.ticks  # the door rests
    assert hz(await place.run(1.0, s0=Sender(900, port=41000, ssrc=8))) == pytest.approx(900, abs=5)  # the next one


@on_a_loop
async def test_a_higher_priority_interrupts_and_the_lower_one_goes_on_afterwards() -> None:
    place = Place({"priority": 10}, {"priority": 90})
    low, high = Sender(500), Sender(900, ssrc=9)
    await place.run(0.5, s0=low)
    assert hz(await place.run(0.6, s0=low, s1=high)) == pytest.approx(900, abs=5)
    await place.run(0.6, s0=low)
    assert hz(await place.run(0.5, s0=low)) == pytest.approx(500, abs=5)
    assert place.told == ["s0 playing", "s0 interrupted", "s1 playing", "s1 ended", "s0 playing"]


@on_a_loop
async def test_of_equals_the_first_goes_on() -> None:
    place = Place({}, {})
    first = Sender(500)
    await place.run(0.5, s1=first)
    assert hz(await place.run(0.5, s0=Sender(900), s1=first)) == pytest.approx(500, abs=5)
    assert place.told == ["s1 playing"]


@on_a_loop
async def test_nobody_slips_into_an_announcement() -> None:
    place = Place({})
    first = Sender(500)
    await place.run(0.5, s0=first)
    sound = await place.run(0.6, s0=first, s0_stranger=Sender(900, host="192.168.1.66", ssrc=66))
    assert hz(sound) == pytest.approx(500, abs=5)


@on_a_loop
async def test_only_the_sender_that_the_settings_name_is_heard() -> None:
    place = Place({"sender": "192.168.1.8"})
    await place.run(0.5, s0=Sender(500))
    assert (place.told, place.controller.sources[0].strangers) == ([], 25)
    await place.run(0.5, s0=Sender(500, host="192.168.1.8"))
    assert place.told == ["s0 playing"]


@on_a_loop
async def test_with_a_key_only_who_has_it_is_heard() -> None:
    place = Place(SECRET)
    await place.run(0.5, s0=Sender(900), s0_wrong=Sender(700, key=base64.b64encode(bytes(30)).decode()))
    assert place.told == []
    assert hz(await place.run(0.6, s0=Sender(500, key=KEY))) == pytest.approx(500, abs=5)
    assert place.events[0].encrypted


@on_a_loop
async def test_it_waits_while_a_call_is_on_and_is_not_played_late() -> None:
    place = Place({})
    place.call(CallState.CALLING)
    sender = Sender(500)
    await place.run(0.5, s0=sender)
    assert place.told == []
    place.call(CallState.TERMINATED)
    assert hz(await place.run(0.5, s0=sender)) == pytest.approx(500, abs=5)
    assert place.told == ["s0 playing"]


@on_a_loop
async def test_a_call_that_only_rings_here_does_not_silence_it_and_its_answer_does() -> None:
    place = Place({})
    place.call(CallState.RINGING, direction="incoming")
    await place.run(0.3, s0=Sender(500))
    assert place.told == ["s0 playing"]
    place.call(CallState.ACTIVE, direction="incoming")
    assert place.told == ["s0 playing", "s0 interrupted"]


@on_a_loop
async def test_beside_a_call_or_with_the_call_on_hold() -> None:
    place = Place({"during_call": "mix"}, {"during_call": "hold", "priority": 90})
    place.call(CallState.ACTIVE)
    low, high = Sender(500), Sender(900)
    await place.run(0.3, s0=low)
    assert (place.told, place.asked) == (["s0 playing"], [])
    await place.run(0.3, s0=low, s1=high)
    assert place.asked == ["hold c1"]
    await place.run(0.7, s0=low)
    assert place.asked == ["hold c1", "resume c1"]


@on_a_loop
async def test_a_call_answered_meanwhile_is_held_too() -> None:
    place = Place({"during_call": "hold"})
    place.call(CallState.CALLING)
    sender = Sender(500)
    await place.run(0.3, s0=sender)
    assert place.asked == []
    place.call(CallState.ACTIVE)
    await place.run(0.1, s0=sender)
    assert place.asked == ["hold c1"]


@on_a_loop
async def test_a_call_that_a_person_holds_stays_held() -> None:
    place = Place({"during_call": "hold"})
    place.call(CallState.ACTIVE)
    place.bus.publish(CallHeld(at=place.now, call="c1", held=True, by="here"))
    await place.run(0.3, s0=Sender(500))
    await place.run(1.0)
    assert (place.told, place.asked) == (["s0 playing", "s0 ended"], [])


@on_a_loop
async def test_a_call_that_cannot_be_held_is_left_as_it_is() -> None:
    place = Place({"during_call": "hold"})
    place.refuses = "the last hold or resume is still under way"
    place.call(CallState.ACTIVE)
    await place.run(0.3, s0=Sender(500))
    await place.run(1.0)
    assert place.asked == ["hold c1"]


@on_a_loop
async def test_whatever_comes_nothing_is_raised_and_nothing_sent() -> None:
    place = Place({}, SECRET)
    dice = np.random.default_rng(4)
    for size in (0, 1, 11, 12, 13, 172, 1500):
        for source in place.controller.sources:
            for first in (0x80, 0x00, 0x90, 0xBF, 22):
                data = bytes([first]) + dice.bytes(size) if size else b""
                place.controller.receive(source, data, (LAN, 9), place.now)
    assert place.told == []


@on_a_loop
async def test_stopping_silences_the_door() -> None:
    place = Place({})
    await place.run(0.3, s0=Sender(500))
    await place.controller.stop()
    assert (place.told, place.hand.ticks) == (["s0 playing", "s0 ended"], [])
