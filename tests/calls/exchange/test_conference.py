"""Conferences: who joins hears all others, up to so many, with the door where it takes part."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.room_rig import Far, RoomRig
from voipnode.calls.exchange.conference import Conferences
from voipnode.calls.exchange.destination import Destination
from voipnode.calls.exchange.room import Exchange
from voipnode.calls.exchange.service_settings import ConferenceSettings
from voipnode.dsp.tones import Tone

HOUSE = Destination("conference", "house")


def tones_of(far: Far) -> set[int]:
    """What it hears, in steps of 100 Hz."""
    sound = far.sound(0.4)
    spectrum = np.abs(np.fft.rfft((sound - sound.mean()) * np.hanning(len(sound))))
    loud = np.flatnonzero(spectrum > spectrum.max() / 4)
    return {round(float(at) / 0.4 / 100) * 100 for at in loud}


def conferences(rig: RoomRig, **settings: object) -> Conferences:
    return Conferences(rig.core, [ConferenceSettings(name="house", **settings)])  # type: ignore[arg-type]


def joined(rig: RoomRig, service: Conferences, count: int) -> list[Far]:
    fars = [rig.party(joins=False) for _ in range(count)]
    for number, far in enumerate(fars):
        room = service.room(HOUSE)
        assert room is not None
        room.join(far.leg, rig.now)
        far.tone = Tone(500.0 + 200 * number)
    return fars


def test_three_hear_the_two_others_each() -> None:
    rig = RoomRig()
    anna, bert, carl = joined(rig, conferences(rig), 3)
    rig.run(1.0)
    assert tones_of(anna) == {700, 900}
    assert tones_of(bert) == {500, 900}
    assert tones_of(carl) == {500, 700}


def test_who_is_alone_hears_silence_and_two_exchange_packets() -> None:
    rig = RoomRig()
    service = conferences(rig)
    (anna,) = joined(rig, service, 1)
    rig.run(0.5)
    assert float(np.abs(anna.sound(0.4)).max()) < 0.01
    assert len(anna.got) > 20
    joined(rig, service, 1)
    room = service.room(HOUSE)
    assert room is not None
    assert room.exchange is Exchange.PACKETS


def test_a_full_one_takes_nobody_until_somebody_leaves() -> None:
    rig = RoomRig()
    service = conferences(rig, max_parties=2)
    anna, bert = joined(rig, service, 2)
    assert service.room(HOUSE) is None
    room = service._rooms["house"]
    room.leave(anna.leg, rig.now)
    assert service.room(HOUSE) is room
    room.leave(bert.leg, rig.now)
    assert service.parties("house") == 0
    assert rig.clock.tick is None


def test_one_of_another_name_is_none() -> None:
    rig = RoomRig()
    assert conferences(rig).room(Destination("conference", "garden")) is None


def test_with_the_door_the_visitor_takes_part() -> None:
    rig = RoomRig()
    service = conferences(rig, with_door=True)
    anna, bert = joined(rig, service, 2)
    rig.run(1.0)
    assert tones_of(anna) == {700}
    assert float(np.mean(anna.sound(0.4))) == pytest.approx(0.25, abs=0.02), "the door's microphone"
    visitor = np.concatenate(rig.device.heard[-40:])
    spectrum = np.abs(np.fft.rfft(visitor * np.hanning(3200)))
    assert {int(at) for at in np.argsort(spectrum)[-2:]} == {200, 280}
    room = service.room(HOUSE)
    assert room is not None
    for far in (anna, bert):
        room.leave(far.leg, rig.now)
    assert not rig.device.running
