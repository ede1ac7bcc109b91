"""Calls that HTTP clients answer: beside telephones and alone, with SIP and without."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tests.support.switchboard import Phone, Switchboard, answers, rings, sdp
from voipnode.calls.clips.settings import SoundsSettings
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallChanged, CallReason
from voipnode.calls.settings import SipSettings
from voipnode.calls.vms.desk import VmsDesk
from voipnode.calls.vms.settings import VmsSettings
from voipnode.codecs.g711 import mu_law
from voipnode.sipstack import events as sip
from voipnode.sipstack.uri import SipUri

ANNA = "192.168.1.20"
LOUD = mu_law().encode_frame(np.full(80, 0.5, np.float32))  # 10 ms
CLIENT = "http://192.168.1.50"


def board(**settings: object) -> Switchboard:
    return Switchboard(settings=SipSettings(**settings), vms=VmsSettings(enabled=True))  # type: ignore[arg-type]  # of a test


def talk(at: Switchboard, begin: float, end: float, call: str = "") -> None:
    """A client that sends 20 ms at a time; its first sound answers."""
    known: list = []

    def send() -> None:
        if not known:
            known.append(at.switch.speak("PCMU/8000", CLIENT, call, at.wire.now))
        answered, leg = known[0]
        at.switch.vms.heard(answered, at.wire.now)
        if not leg.closed:
            leg.sound.feed(LOUD * 2)

    for number in range(round((end - begin) / 0.02)):
        at.wire.at(begin + 0.02 * number, send)


def loud(at: Switchboard, until: float) -> float:
    before = len(at.device.heard)
    at.wire.run(until)
    return max((float(np.abs(frame).max()) for frame in at.device.heard[before:]), default=0.0)


def test_alone_it_rings_with_a_tone_is_answered_by_sound_and_ends_with_it() -> None:
    at = board()
    at.ring(vms=True)
    assert at.states == ["Calling", "Ringing"]
    assert at.last.account == "VMS"
    assert loud(at, 1.0) == pytest.approx(0.16, abs=0.01)
    talk(at, 1.0, 3.0)
    assert loud(at, 2.0) == pytest.approx(0.5, abs=0.02)
    assert (at.last.state, at.last.remote, at.last.account) == ("Active", CLIENT, "VMS")
    at.wire.run(7.9)
    assert at.states[-1] == "Active"
    at.wire.run(8.1)
    assert at.states[-2:] == ["Terminating", "Terminated"]
    assert (at.last.reason, at.last.detail) == (
        CallReason.TERMINATED,
        "no sound has come for 5 s (vms.silent_after_s)",
    )
    at.assert_quiet()


def test_with_sip_off_it_works_all_the_same_and_telephones_do_not() -> None:
    at = board(enabled=False)
    with pytest.raises(NotNowError, match="SIP is off"):
        at.ring(at.phone("anna", ANNA))
    at.ring(vms=True)
    talk(at, 0.5, 1.0)
    at.wire.run(0.7)
    assert at.states == ["Calling", "Ringing", "Active"]


def test_an_ear_hears_the_door_from_the_answer_to_the_end() -> None:
    async def scenario() -> None:
        at = board()
        at.ring(vms=True)
        ear, wide = at.switch.vms.listen("PCMU/8000"), at.switch.vms.listen("L16/16000")
        late = asyncio.ensure_future(ear.read())
        at.wire.run(1.0)
        await asyncio.sleep(0)
        assert not late.done(), "the microphone is closed while it rings"
        talk(at, 1.0, 1.5)
        at.wire.run(1.5)
        heard = await late
        assert heard == mu_law().encode_frame(np.full(len(heard), 0.25, np.float32))
        assert len(heard) == pytest.approx(4000, abs=160)
        assert len(await wide.read()) == pytest.approx(4 * len(heard), abs=640)
        at.wire.run(20.0)
        assert len(await ear.read()) == 8000, "a second at most waits for who is slow"
        assert await ear.read() == b""
        at.assert_quiet()

    asyncio.run(scenario())


def test_a_file_in_one_piece_is_heard_whole() -> None:
    async def scenario() -> None:
        at = board()
        at.ring(vms=True)
        at.wire.run(0.1)
        desk = VmsDesk(lambda: at.wire.now)
        desk.use(at.switch)
        voice = desk.speak("PCMU/8000", CLIENT)
        begun, heard_before = at.wire.now, len(at.device.heard)
        feeding = asyncio.ensure_future(voice.feed(LOUD * 800))
        while not feeding.done():
            await asyncio.sleep(0)
            at.wire.run(at.wire.now + 0.05)
        assert await feeding
        assert at.wire.now - begun == pytest.approx(7.0, abs=0.2), "the last second waits here"
        voice.end()
        at.wire.run(20.0)
        assert sum(bool(frame.any()) for frame in at.device.heard[heard_before:]) == pytest.approx(800, abs=1)
        assert at.last.detail == "the client has stopped sending"

    asyncio.run(scenario())


def test_beside_telephones_the_first_to_answer_wins() -> None:
    at = board()
    anna = at.phone("anna", ANNA, plan=rings)
    call = at.ring(anna, vms=True)
    at.wire.run(1.0)
    talk(at, 1.0, 2.0)
    at.wire.run(1.5)
    (ended,) = anna.of(sip.SessionEnded)
    assert [reason.cause for reason in ended.why] == [200]  # RFC 3326: completed elsewhere
    assert at.last.remote == CLIENT
    assert len({event.call for event in at.events if isinstance(event, CallChanged)}) == 1
    at.switch.hang_up(call, at.wire.now)
    at.wire.run(60.0)
    at.assert_quiet()
    at = board()
    at.ring(at.phone("anna", ANNA, plan=answers), vms=True)
    at.wire.run(1.0)
    assert at.last.account == "Peer to peer (default)"
    with pytest.raises(NotNowError, match="no call rings"):
        at.switch.speak("PCMU/8000", CLIENT, "", at.wire.now)


def test_a_telephone_that_answers_at_the_same_moment_is_hung_up_on() -> None:
    at = board()
    anna = at.phone("anna", ANNA, plan=rings)
    at.ring(anna, vms=True)
    at.wire.run(1.0)
    anna.endpoint.accept(anna.session, sdp(ANNA), at.wire.now)
    talk(at, at.wire.now, 1.5)
    at.wire.run(1.4)
    active = [event for event in at.events if isinstance(event, CallChanged) and event.state == "Active"]
    assert len(active) == 1
    at.wire.run(60.0)
    at.assert_quiet()


def test_telephones_that_fail_leave_it_ringing_until_nobody_has_answered() -> None:
    def refuses(phone: Phone, event: object) -> None:
        if type(event).__name__ == "IncomingCall":
            phone.endpoint.reject(event.session, 603, phone.wire.now)  # type: ignore[attr-defined]  # just asked

    at = board(calling_timeout_s=10, sounds=SoundsSettings(busy_tone=False))
    at.ring(at.phone("anna", ANNA, plan=refuses), vms=True)
    at.wire.run(5.0)
    assert at.states == ["Calling", "Ringing"]
    at.wire.run(60.0)
    assert at.states[-1] == "Terminated"
    at.assert_quiet()


def test_telephones_go_on_alone_when_clients_are_asked_no_more() -> None:
    """As with a stage of a group that does not go on ringing."""
    at = board(sounds=SoundsSettings(busy_tone=False))
    anna = at.phone("anna", ANNA, plan=rings)
    call = at.ring(anna, vms=True)
    at.wire.run(1.0)
    at.switch.vms.stop(at.switch.call(call))
    with pytest.raises(NotNowError, match="no call rings"):
        at.switch.speak("PCMU/8000", CLIENT, "", at.wire.now)
    assert at.switch.call(call).searching == 0
    anna.endpoint.accept(anna.session, sdp(ANNA), at.wire.now)
    at.wire.run(2.0)
    assert at.states[-1] == "Active"


def test_one_client_has_the_call_and_what_cannot_be_is_said() -> None:
    at = board()
    with pytest.raises(NotNowError, match="no call rings"):
        at.switch.vms.listen("PCMU/8000")
    call = at.ring(vms=True)
    with pytest.raises(CallError, match="right"):
        at.switch.speak("opus", CLIENT, "", at.wire.now)
    with pytest.raises(NotNowError, match='call "c9"'):
        at.switch.speak("PCMU/8000", CLIENT, "c9", at.wire.now)
    at.switch.speak("PCMU/8000", CLIENT, call, at.wire.now)
    with pytest.raises(NotNowError, match="answered"):
        at.switch.speak("PCMU/8000", "http://192.168.1.51", "", at.wire.now)
    for wish in (
        lambda: at.switch.send_digits(call, "1", at.wire.now),
        lambda: at.switch.hold(call, at.wire.now, held=True),
        lambda: at.switch.transfer(call, at.wire.now, to=SipUri(host="192.168.1.20")),
    ):
        with pytest.raises(NotNowError, match="with a client that carries sound and nothing else"):
            wish()
    off = Switchboard()
    with pytest.raises(NotNowError):
        off.ring(vms=True)
