"""A browser as a telephone on the door's own network: SIP over WebSocket, WebRTC, and the digit that opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.free_ports import free_port
from tests.support.nat_calls import NodeTelephone
from tests.support.nat_lab import NatLab
from tests.support.node import Node
from tests.support.peers.browser import ORIGIN, RATE_HZ, BrowserPhone
from tests.support.sound import PCM_TONE_HZ, assert_tone, assert_tone_in
from tests.support.wav_files import write_tone

pytestmark = [pytest.mark.interop, pytest.mark.promise]  # it measures sound, and a browser takes a core

PHONE_HZ, DOOR_HZ = 440.0, PCM_TONE_HZ


def test_a_browser_calls_the_door_talks_and_opens_it(tmp_path: Path) -> None:
    async def play() -> None:
        lab = await NatLab.open()
        home, desk = await lab.a.host(), await lab.a.host()
        port, recording = free_port(), tmp_path / "loudspeaker.wav"
        node = await Node.start(
            tmp_path / "door",
            hosts='["0.0.0.0"]',
            sip=f'trusted_callers = ["anna@{desk.address}"]',
            audio=f'device = "files"\nmicrophone = "tone:{DOOR_HZ:.0f}"\nloudspeaker_recording = "{recording}"',
            more=f'[sip.websocket]\nenabled = true\nport = {port}\norigins = ["{ORIGIN}"]\n[sip.ice]\nenabled = true\n'
            '[[accounts]]\nauto_answer = true\nmedia_encryption = "best_effort"\n',
            inside=home,
        )
        phone = await BrowserPhone.start(
            tmp_path / "phone",
            microphone=write_tone(tmp_path / "440.wav", PHONE_HZ),
            url=f"ws://{home.address}:{port}",
            user="anna",
            domain=desk.address,
            register=False,
            inside=desk,
        )
        await phone.dial(f"sip:door@{home.address}")
        await node.event("call.changed", state="Active", direction="incoming")
        door = NodeTelephone(node, recording, DOOR_HZ)
        await phone.hear(2.5)
        await door.hear(2.5)
        found = await phone.ask("phone.statistics()")
        assert found["dtls"] == "connected"
        assert (found["pair"]["local"]["type"], found["pair"]["remote"]["type"]) == ("host", "host"), found
        assert_tone_in(await phone.heard(), RATE_HZ, DOOR_HZ)
        await phone.ask("phone.digits('1')")
        digit = await node.event("dtmf.received")
        assert (digit["digit"], digit["road"], digit["authorised"]) == ("1", "rtp", True)
        await node.event("door.opened", port="door")
        await phone.ask("phone.hangUp()")
        ended = await node.event("call.changed", state="Terminated")
        assert ended["detail"] == "hung up by the far side"
        await node.stop()
        assert_tone(recording, PHONE_HZ)

    run_test(play())
