"""ICE with baresip on one network: who calls whom, which pair carries the sound, and what either hears."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.nat_lab import NatLab
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.running import running
from tests.support.sound import PCM_TONE_HZ, assert_tone
from tests.support.wav_files import write_tone

pytestmark = pytest.mark.interop

ICE = "[sip.ice]\nenabled = true\n"
AUTO_ANSWER = "[[accounts]]\ndefault = true\nauto_answer = true\n"


@pytest.mark.parametrize(("caller", "hosts"), [("node", "0.0.0.0"), ("phone", "")])
def test_sound_goes_by_a_checked_pair_both_ways(tmp_path: Path, caller: str, hosts: str) -> None:
    """The node listens everywhere, or at its one address."""

    async def play() -> None:
        lab = await NatLab.open()
        home, other = await lab.a.host(), await lab.a.host()
        phone = await Baresip.start(
            tmp_path / "phone",
            microphone=write_tone(tmp_path / "440.wav", 440.0),
            answer="auto" if caller == "node" else "manual",
            modules=("stun", "ice"),
            media="medianat=ice",
            inside=other,
        )
        tone = write_tone(tmp_path / "tone.wav", PCM_TONE_HZ)
        audio = f'device = "files"\nmicrophone = "{tone}"\nloudspeaker_recording = "{tmp_path / "heard.wav"}"'
        async with running(
            Node.start(
                tmp_path / "node",
                audio=audio,
                more=AUTO_ANSWER + ICE,
                inside=home,
                hosts=f'["{hosts or home.address}"]',
            )
        ) as node:
            if caller == "node":
                await node.press(phone.uri)
            else:
                phone.command("dial", node.uri)
            await phone.event("CALL_ESTABLISHED")
            path = await node.event("call.path", chosen=True)
            assert path["pair"].startswith(f"host {home.address}:")
            assert f"with host {other.address}:" in path["pair"]
            await phone.hear(2.5)
            active = await node.event("call.changed", state="Active")
            await node.client.delete(f"/api/v1/calls/{active['call']}")
            await node.event("call.changed", state="Terminated")
        assert_tone(phone.heard(), PCM_TONE_HZ)
        assert_tone(tmp_path / "heard.wav", 440.0)

    run_test(play())
