"""Digits as sound, from programs that know nothing of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.aio import run_test
from tests.support.keypad import Press, dial
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.sipp import Sipp
from tests.support.running import running
from tests.support.telephone_sound import write_keys
from tests.support.wav_files import write_wav

pytestmark = pytest.mark.interop

HEARING = "[[accounts]]\nauto_answer = true\ndtmf_inband = true"
TRUSTED = 'trusted_callers = ["anna@127.0.0.1"]'
TALK = ("caller/invite", "caller/ack")


def digits(node: Node) -> list[tuple[str, str, bool]]:
    """Digit, road and right of every digit the node told of."""
    told = [event for event in node.events if event["event"] == "dtmf.received"]
    return [(event["digit"], event["road"], event["authorised"]) for event in told]


@pytest.mark.parametrize("caller", ["anna", "mallory"])
def test_a_key_in_the_sound_of_sipp_opens_once_for_who_may(tmp_path: Path, caller: str) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node", sip=TRUSTED, more=HEARING)) as node:
            tone = str(write_keys(tmp_path / "keys.alaw", "51"))
            fill = {"tone": tone, "media": "rtpstream_audio_port", "formats": "8 101", "caller": caller}
            parts = (*TALK, "caller/tone_begins", "caller/bye")
            call = Sipp.caller(tmp_path / "sipp", *parts, to_port=node.sip_port, fill=fill)
            async with running(call) as sipp:
                await sipp.end()
                await node.event("call.changed", state="Terminated")
            may = caller == "anna"
            assert digits(node) == [("5", "inband", may), ("1", "inband", may)]
            assert sum(event["event"] == "door.opened" for event in node.events) == may

    run_test(play())


def test_a_key_in_the_sound_and_by_info_is_one(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node", sip=TRUSTED, more=HEARING)) as node:
            tone = str(write_keys(tmp_path / "keys.alaw", "1"))
            fill = {"tone": tone, "media": "rtpstream_audio_port", "formats": "8 101", "caller": "anna"}
            parts = (*TALK, "caller/tone_begins", "caller/info_digit", "caller/bye")
            async with running(Sipp.caller(tmp_path / "sipp", *parts, to_port=node.sip_port, fill=fill)) as sipp:
                await sipp.end()
                await node.event("call.changed", state="Terminated")
            assert digits(node) == [("1", "inband", True)]
            assert sum(event["event"] == "door.opened" for event in node.events) == 1

    run_test(play())


def test_a_visitor_s_tone_that_baresip_returns_opens_nothing(tmp_path: Path) -> None:
    """A hands-free telephone without echo control, as loud as it can be: its microphone is its loudspeaker."""

    async def play() -> None:
        visitor = np.concatenate([np.zeros(8000)] + [dial("1", Press(on_ms=200.0), np.random.default_rng(1))] * 3)
        microphone = write_wav(tmp_path / "visitor.wav", visitor.astype(np.float32), 8000)
        audio = f'device = "files"\nmicrophone = "{microphone}"'
        async with (
            running(Baresip.start(tmp_path / "phone", microphone=None, answer="auto")) as phone,
            running(Node.start(tmp_path / "node", audio=audio, more=HEARING)) as node,
        ):
            await node.press(phone.uri)
            await phone.event("CALL_RTPESTAB")
            active = await node.event("call.changed", state="Active")
            await node.process.line_with("the tone of key 1 that came back was in our own sound", count=3)
            await node.client.delete(f"/api/v1/calls/{active['call']}")
            await node.event("call.changed", state="Terminated")
            assert digits(node) == []

    run_test(play())
