"""The main job with real phones: press, ring, talk both ways, digit 1, the door opens for 7 seconds, hang up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.capture_net import Capture
from tests.support.free_ports import our_packets
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.linphone import Linphone
from tests.support.rtp_times import first_event_at
from tests.support.sound import PCM_TONE_HZ, assert_tone
from tests.support.wav_files import write_tone

pytestmark = [pytest.mark.interop, pytest.mark.promise]

PHONE_HZ, DOOR_HZ = 440.0, PCM_TONE_HZ


def audio(folder: Path) -> str:
    return (
        f'device = "files"\nmicrophone = "tone:{DOOR_HZ:.0f}"\nloudspeaker_recording = "{folder / "loudspeaker.wav"}"'
    )


async def the_door_opened_in_time(node: Node, capture: Capture) -> None:
    await node.event("port.changed", port="door", active=True)
    await node.event("port.changed", port="door", active=False, why="expired")
    on, off = await node.journal("line", at_least=2)
    assert (on["line"], on["active"], off["line"], off["active"]) == ("door", True, "door", False)
    assert on["wall"] - first_event_at(await capture.stop()) < 0.100, "from the first event packet to the relay"
    assert off["at"] - on["at"] == pytest.approx(7.0, abs=0.050)


def test_baresip_rings_talks_and_opens_the_door(tmp_path: Path) -> None:
    async def play() -> None:
        capture = await Capture.start(tmp_path / "call.pcap", our_packets())
        phone = await Baresip.start(tmp_path / "phone", microphone=write_tone(tmp_path / "440.wav", PHONE_HZ))
        node = await Node.start(tmp_path / "node", audio=audio(tmp_path))
        try:
            await node.press(phone.uri)
            await phone.event("CALL_INCOMING")
            await node.event("call.changed", state="Ringing")
            phone.command("accept")
            await node.event("call.changed", state="Active")
            await phone.event("CALL_ESTABLISHED")
            await phone.event("CALL_RTPESTAB")
            phone.command("sndcode", "1")
            digit = await node.event("dtmf.received")
            assert (digit["digit"], digit["road"], digit["authorised"]) == ("1", "rtp", True)
            opened = await node.event("door.opened")
            assert (opened["who"], opened["duration_s"]) == (phone.uri, 7.0)
            await the_door_opened_in_time(node, capture)
            phone.command("hangup")
            ended = await node.event("call.changed", state="Terminated")
            assert ended["detail"] == "hung up by the far side"
        finally:
            await node.stop()
            await phone.stop()
        assert len([event for event in node.events if event["event"] == "dtmf.received"]) == 1
        assert_tone(tmp_path / "loudspeaker.wav", PHONE_HZ)
        assert_tone(phone.heard(), DOOR_HZ)

    run_test(play())


def test_linphone_rings_talks_and_opens_the_door(tmp_path: Path) -> None:
    async def play() -> None:
        capture = await Capture.start(tmp_path / "call.pcap", our_packets())
        phone = await Linphone.start(tmp_path / "phone", microphone=write_tone(tmp_path / "440.wav", PHONE_HZ))
        node = await Node.start(tmp_path / "node", audio=audio(tmp_path))
        try:
            await node.press(phone.uri)
            await phone.process.line_with("incoming", "Receiving new incoming call")
            await node.event("call.changed", state="Ringing")
            phone.say("answer")
            call = await node.event("call.changed", state="Active")
            phone.say("1")
            digit = await node.event("dtmf.received")
            assert (digit["digit"], digit["road"]) == ("1", "rtp")
            await the_door_opened_in_time(node, capture)
            await node.client.delete(f"/api/v1/calls/{call['call']}")
            ended = await node.event("call.changed", state="Terminated")
            assert ended["detail"] == "hung up here"
            await phone.process.line_with("ended", "Call terminated")
        finally:
            await node.stop()
            await phone.stop()
        assert_tone(tmp_path / "loudspeaker.wav", PHONE_HZ)
        assert_tone(phone.heard(), DOOR_HZ)

    run_test(play())


def test_linphone_sends_its_digit_by_info(tmp_path: Path) -> None:
    async def play() -> None:
        phone = await Linphone.start(
            tmp_path / "phone",
            microphone=write_tone(tmp_path / "440.wav", PHONE_HZ),
            auto_answer=True,
            digits_by="info",
        )
        node = await Node.start(tmp_path / "node")
        try:
            await node.press(phone.uri)
            await node.event("call.changed", state="Active")
            phone.say("1")
            digit = await node.event("dtmf.received")
            assert (digit["digit"], digit["road"]) == ("1", "info")
            await node.event("port.changed", port="door", active=True)
        finally:
            await node.stop()
            await phone.stop()

    run_test(play())


def test_a_phone_calls_the_door_and_its_digits_open_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        phone = await Baresip.start(tmp_path / "phone", microphone=write_tone(tmp_path / "440.wav", PHONE_HZ))
        node = await Node.start(
            tmp_path / "node",
            sip="max_call_duration_s = 4",  # which ends the call when both sides have been heard long enough
            audio=audio(tmp_path),
            more="[[accounts]]\nauto_answer = true",
        )
        try:
            phone.command("dial", node.uri)
            await node.event("call.changed", state="Active", direction="incoming")
            await phone.event("CALL_ESTABLISHED")
            await phone.event("CALL_RTPESTAB")
            phone.command("sndcode", "1")
            digit = await node.event("dtmf.received")
            assert digit["authorised"] is False
            await node.event("door.refused", port="door")
            await node.event("call.changed", state="Terminated")
            await phone.event("CALL_CLOSED")
        finally:
            await node.stop()
            await phone.stop()
        assert not [event for event in node.events if event["event"] == "port.changed" and event["active"]]
        assert_tone(tmp_path / "loudspeaker.wav", PHONE_HZ)
        assert_tone(phone.heard(), DOOR_HZ)

    run_test(play())


def test_a_phone_that_the_settings_name_calls_and_opens(tmp_path: Path) -> None:
    async def play() -> None:
        phone = await Baresip.start(tmp_path / "phone", microphone=write_tone(tmp_path / "440.wav", PHONE_HZ))
        node = await Node.start(
            tmp_path / "node", sip='trusted_callers = ["anna@127.0.0.1"]', more="[[accounts]]\nauto_answer = true"
        )
        try:
            phone.command("dial", node.uri)
            await phone.event("CALL_ESTABLISHED")
            await phone.event("CALL_RTPESTAB")
            phone.command("sndcode", "1")
            opened = await node.event("door.opened")
            assert opened["who"].startswith("sip:anna@")
        finally:
            await node.stop()
            await phone.stop()

    run_test(play())


def test_a_busy_phone_and_one_that_is_not_answered(tmp_path: Path) -> None:
    async def play() -> None:
        phone = await Baresip.start(tmp_path / "phone", microphone=write_tone(tmp_path / "440.wav", PHONE_HZ))
        node = await Node.start(tmp_path / "node", sip="calling_timeout_s = 2")
        try:
            await node.press(phone.uri)
            await phone.event("CALL_INCOMING")
            phone.command("hangup")
            ended = await node.event("call.changed", state="Terminated")
            assert (ended["reason"], ended["status"]) == ("Busy", 486)
            seen = len(node.events)
            await node.press(phone.uri)
            await phone.event("CALL_INCOMING")
            ended = await node.event("call.changed", state="Terminated", after=seen)
            assert ended["reason"] == "NoAnswer"
            await phone.event("CALL_CLOSED")
        finally:
            await node.stop()
            await phone.stop()

    run_test(play())
