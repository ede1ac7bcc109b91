"""Calls over IPv6 in both directions, by a node that listens on both families; sipp is the other side."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.node import Node
from tests.support.peers.sipp import Sipp
from tests.support.running import running
from tests.support.sound import PCM_TONE_HZ, assert_tone

pytestmark = pytest.mark.interop

BOTH = '["127.0.0.1", "::1"]'
DOOR_HZ = PCM_TONE_HZ


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
def test_a_phone_echoes_the_door_s_tone_over_either_family(tmp_path: Path, host: str) -> None:
    loudspeaker = tmp_path / "loudspeaker.wav"
    audio = f'device = "files"\nmicrophone = "tone:{DOOR_HZ:.0f}"\nloudspeaker_recording = "{loudspeaker}"'

    async def play() -> None:
        parts = ("phone/ring", "phone/answer", "phone/talk", "phone/bye")
        async with (
            running(Node.start(tmp_path / "node", audio=audio, hosts=BOTH)) as node,
            running(Sipp.phone(tmp_path / "sipp", *parts, options=["-rtp_echo"], host=host)) as phone,
        ):
            await node.press(phone.uri)
            await node.event("call.changed", state="Active")
            assert (await phone.end()).retransmissions == 0
            assert any(f" IP{6 if ':' in host else 4} {host}" in message for message in phone.messages())

    run_test(play())
    assert_tone(loudspeaker, DOOR_HZ)


@pytest.mark.parametrize("transport", ["u1", "t1"], ids=["udp", "tcp"])
def test_a_caller_over_ipv6_is_answered_with_ipv6(tmp_path: Path, transport: str) -> None:
    async def play() -> None:
        more = "[[accounts]]\nauto_answer = true"
        async with running(Node.start(tmp_path / "node", more=more, hosts=BOTH)) as node:
            parts = ("caller/invite", "caller/ack", "caller/bye")
            call = Sipp.caller(tmp_path / "sipp", *parts, to_port=node.sip_port, transport=transport, host="::1")
            async with running(call) as caller:
                await node.event("call.changed", state="Active")
                assert (await caller.end()).retransmissions == 0
                answer = next(message for message in caller.messages() if message.startswith("SIP/2.0 200"))
                assert "c=IN IP6 ::1" in answer
                assert "Contact: <sip:door@[::1]:" in answer

    run_test(play())
