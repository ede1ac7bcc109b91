"""Announcements at the door and looks outside: one way each, unnoticed by calls, and behind them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.audio import find_tone_hz
from tests.support.room_rig import Far, RoomRig
from voipnode.calls.call import Call
from voipnode.calls.events import CallReason, CallState
from voipnode.calls.exchange.destination import Destination
from voipnode.calls.exchange.door_services import ATTENTION_HZ, LookOuts, Pages
from voipnode.calls.exchange.service_settings import LookOutSettings, PageSettings
from voipnode.dsp.tones import Tone

PAGE, LOOK_OUT = Destination("page"), Destination("look_out")
MICROPHONE = 0.25  # what the door's says


def loudspeaker(rig: RoomRig, last_s: float) -> np.ndarray:
    return np.concatenate(rig.device.heard[-round(last_s * 100) :])


def visitor_calls(rig: RoomRig) -> Call:
    """A call has the door."""
    call = rig.core.table.new("outgoing", rig.fars[0].leg.account, "sip:anna@192.168.1.99")
    rig.core.table.enter(call, CallState.CALLING, CallReason.INITIATED, now=rig.now)
    return call


def hangs_up(rig: RoomRig, call: Call) -> None:
    rig.core.table.terminating(call, (CallReason.TERMINATED, 0, ""), rig.now)
    rig.core.table.finish(call, rig.now)


def paging(rig: RoomRig, pages: Pages) -> Far:
    anna = rig.party(joins=False)
    anna.tone = Tone(500)
    room = pages.room(PAGE)
    assert room is not None
    room.join(anna.leg, rig.now)
    return anna


def test_an_announcement_is_heard_at_the_door_after_a_tone() -> None:
    rig = RoomRig()
    anna = paging(rig, Pages(rig.core, PageSettings()))
    rig.run(0.4)
    assert find_tone_hz(loudspeaker(rig, 0.3)) == pytest.approx(ATTENTION_HZ, abs=2)
    assert find_tone_hz(anna.sound(0.2)) == pytest.approx(ATTENTION_HZ, abs=2)
    rig.run(0.8)
    assert find_tone_hz(loudspeaker(rig, 0.5)) == pytest.approx(500, abs=1)
    assert float(np.abs(anna.sound(0.5)).max()) < 0.01, "nothing of what is at the door"
    assert len(anna.got) > 50, "silence is sent, too"


def test_no_tone_where_none_is_wanted_and_nothing_stays() -> None:
    rig = RoomRig()
    pages = Pages(rig.core, PageSettings(attention_tone=False))
    room = pages.room(PAGE)
    assert room is not None
    anna = rig.party(joins=False)
    anna.tone = Tone(500)
    room.join(anna.leg, rig.now)
    rig.run(0.5)
    assert find_tone_hz(loudspeaker(rig, 0.3)) == pytest.approx(500, abs=2)
    assert pages.room(PAGE) is None, "one at a time"
    room.leave(anna.leg, rig.now)
    assert not rig.device.running
    assert rig.clock.tick is None
    assert pages.room(PAGE) is not None


def test_one_who_is_not_proven_announces_nothing() -> None:
    rig = RoomRig()
    anna = rig.party(joins=False, proven=False)
    room = Pages(rig.core, PageSettings()).room(PAGE)
    assert room is not None
    room.join(anna.leg, rig.now)
    rig.run(0.3)
    assert not rig.device.running
    anna.leg.proven = True
    room.fit(rig.now)
    assert rig.device.running


def test_the_far_side_of_a_call_does_not_hear_an_announcement() -> None:
    rig = RoomRig()
    resident = rig.party(joins=False)
    rig.door.join(resident.leg, resident.leg.account.sound_wishes)
    paging(rig, Pages(rig.core, PageSettings(attention_tone=False)))
    rig.run(1.0)
    sound = resident.sound(0.5)
    assert float(np.abs(sound - sound.mean()).max()) < 0.02
    assert float(sound.mean()) == pytest.approx(MICROPHONE, abs=0.02)


def test_a_conversation_at_the_door_is_not_disturbed_unless_wished() -> None:
    rig = RoomRig()
    rig.party(joins=False)
    pages, looks = Pages(rig.core, PageSettings()), LookOuts(rig.core, LookOutSettings())
    call = visitor_calls(rig)
    assert pages.room(PAGE) is None
    assert looks.room(LOOK_OUT) is None
    assert Pages(rig.core, PageSettings(during_call=True)).room(PAGE) is not None
    assert LookOuts(rig.core, LookOutSettings(during_call=True)).room(LOOK_OUT) is not None
    hangs_up(rig, call)
    assert pages.room(PAGE) is not None
    assert looks.room(LOOK_OUT) is not None


def looking(rig: RoomRig, **settings: bool) -> Far:
    anna = rig.party(joins=False)
    anna.tone = Tone(500)
    room = LookOuts(rig.core, LookOutSettings(**settings)).room(LOOK_OUT)
    assert room is not None
    room.join(anna.leg, rig.now)
    return anna


def test_a_look_outside_hears_the_microphone_and_is_not_heard() -> None:
    rig = RoomRig()
    anna = looking(rig)
    rig.run(0.6)
    assert float(anna.sound(0.3).mean()) == pytest.approx(MICROPHONE, abs=0.02)
    assert float(np.abs(loudspeaker(rig, 0.6)).max()) == 0.0


def test_who_may_talk_is_heard() -> None:
    rig = RoomRig()
    looking(rig, talk=True)
    rig.run(0.6)
    assert find_tone_hz(loudspeaker(rig, 0.4)) == pytest.approx(500, abs=2)


def test_a_look_waits_in_silence_while_a_visitor_talks() -> None:
    rig = RoomRig()
    anna = looking(rig)
    rig.run(0.5)
    call = visitor_calls(rig)
    got = len(anna.got)
    rig.run(0.6)
    assert float(np.abs(anna.sound(0.4)).max()) < 0.01
    assert len(anna.got) >= got + 25
    hangs_up(rig, call)
    rig.run(0.6)
    assert float(anna.sound(0.3).mean()) == pytest.approx(MICROPHONE, abs=0.02)
