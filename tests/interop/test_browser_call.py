"""A browser calls the door: DTLS-SRTP, ICE, one port for RTP and RTCP, and its video refused; tones both ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.free_ports import free_port
from tests.support.node import Node
from tests.support.peers.browser import ORIGIN, RATE_HZ, BrowserPhone
from tests.support.running import running
from tests.support.sound import PCM_TONE_HZ, assert_tone, assert_tone_in
from tests.support.wav_files import write_tone

pytestmark = [pytest.mark.interop, pytest.mark.promise]  # it measures sound, and a browser takes a core

MORE = """\
[sip.websocket]
enabled = true
port = {port}
secure_port = {secure_port}
origins = ["{origin}"]
[sip.ice]
enabled = true
[[accounts]]
default = true
auto_answer = true
media_encryption = "mandatory"
"""


def test_a_browser_calls_the_door(tmp_path: Path) -> None:
    async def play() -> None:
        port = free_port()
        recording = tmp_path / "loudspeaker.wav"
        node_start = Node.start(
            tmp_path / "node",
            audio=f'device = "files"\nmicrophone = "tone:{PCM_TONE_HZ:.0f}"\nloudspeaker_recording = "{recording}"',
            more=MORE.format(port=port, secure_port=free_port(), origin=ORIGIN),
            hosts='["0.0.0.0"]',
        )
        browser_start = BrowserPhone.start(
            tmp_path / "browser",
            microphone=write_tone(tmp_path / "440.wav", 440.0),
            url=f"ws://127.0.0.1:{port}",
            register=False,
        )
        async with running(node_start) as node, running(browser_start) as phone:
            await phone.dial("sip:door@127.0.0.1")
            event = await node.event("call.changed", state="Active")
            if not event["cipher"]:
                event = await node.event("call.changed", after=node.events.index(event) + 1, state="Active")
            assert event["encryption"] == "dtls"
            assert event["cipher"]
            await phone.hear(3.0)
            await node.client.delete(f"/api/v1/calls/{event['call']}")
            ended = await node.event("call.changed", state="Terminated")
            assert ended["rejected_packets"] == 0
            heard = await phone.heard()
        assert_tone_in(heard, RATE_HZ, PCM_TONE_HZ)
        assert_tone(recording, 440.0)

    run_test(play())
