"""Real telephones at the node: from SRTP to plain RTP and back, nothing coded anew; and at the door without a ring."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.certificates import Authority
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.linphone import Linphone
from tests.support.running import running
from tests.support.sound import PCM_TONE_HZ, assert_tone, assert_tone_in
from tests.support.wav_files import read_wav, write_tone

pytestmark = pytest.mark.interop

PASSWORD = "correct-horse"
SECRET = 'media_encryption = "mandatory"\nmedia_keying = ["sdes"]\nsdes_in_clear_signalling = true\n'
EXTENSIONS = (
    f'[[extensions]]\nnumber = "101"\npassword = "{PASSWORD}"\n{SECRET}'
    f'[[extensions]]\nnumber = "102"\npassword = "{PASSWORD}"\n'
)
ANNA_HZ, BEN_HZ = 440.0, PCM_TONE_HZ
DOOR_HZ = BEN_HZ
HEARD_S = 3.0
SHORTLY_S = 1.2
BEFORE_KEYS_S = 2.3  # keys that linphonec sends or receives are heard in its recording
BY_TLS = (
    f'[[extensions]]\nnumber = "102"\npassword = "{PASSWORD}"\n'
    f'[[extensions]]\nnumber = "103"\npassword = "{PASSWORD}"\n'
    'media_encryption = "mandatory"\nmedia_keying = ["sdes"]\n'
)


def test_srtp_to_rtp_and_back_with_a_key(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node", more=EXTENSIONS)) as node:
            server = (f"127.0.0.1:{node.sip_port}",)
            anna_calls = Baresip.start(
                tmp_path / "anna",
                microphone=write_tone(tmp_path / "anna.wav", ANNA_HZ),
                user="101",
                password=PASSWORD,
                servers=server,
                modules=("srtp",),
                media="mediaenc=srtp-mand",
            )
            ben_answers = Baresip.start(
                tmp_path / "ben",
                microphone=write_tone(tmp_path / "ben.wav", BEN_HZ),
                answer="auto",
                user="102",
                password=PASSWORD,
                servers=server,
            )
            async with running(anna_calls) as anna, running(ben_answers) as ben:
                await asyncio.gather(anna.registered(), ben.registered())
                anna.command("dial", f"sip:102@127.0.0.1:{node.sip_port}")
                call = await node.event("exchange_call.changed", state="Active")
                assert call["encryption"] == ["sdes", "none"]
                assert call["codec"][0] == call["codec"][1]
                await asyncio.gather(anna.hear(HEARD_S), ben.hear(HEARD_S))
                anna.command("sndcode", "5")
                pressed = await ben.event("CALL_DTMF_START")
                assert pressed["param"] == "5"
                anna.command("hangup")
                await node.event("exchange_call.changed", state="Terminated")
                await ben.event("CALL_CLOSED")
            assert_tone(anna.heard(), BEN_HZ)
            assert_tone(ben.heard(), ANNA_HZ)

    run_test(play())


def test_an_announcement_at_the_door_and_a_look_outside(tmp_path: Path) -> None:
    loudspeaker = tmp_path / "loudspeaker.wav"
    plan = '[switch]\ndial_plan = ["700 -> page", "99 -> look out"]\npage = { attention_tone = false }\n'
    audio = f'device = "files"\nmicrophone = "tone:{DOOR_HZ:.0f}"\nloudspeaker_recording = "{loudspeaker}"'

    async def play() -> None:
        async with running(Node.start(tmp_path / "node", audio=audio, more=plan + EXTENSIONS)) as node:
            ben_calls = Baresip.start(
                tmp_path / "ben",
                microphone=write_tone(tmp_path / "ben.wav", ANNA_HZ),
                user="102",
                password=PASSWORD,
                servers=(f"127.0.0.1:{node.sip_port}",),
            )
            async with running(ben_calls) as ben:
                await ben.registered()
                for number in ("700", "99"):
                    ben.command("dial", f"sip:{number}@127.0.0.1:{node.sip_port}")
                    await ben.event("CALL_ESTABLISHED")
                    await ben.hear(HEARD_S)
                    ben.command("hangup")
                    await ben.event("CALL_CLOSED")
                    heard = ben.heard().rename(tmp_path / f"{number}.wav")
                told = {event["event"] for event in node.events}
                assert "exchange_call.changed" in told
                assert "call.changed" not in told, "it is no call of the door"
        assert_tone(loudspeaker, ANNA_HZ)
        assert_tone(heard, DOOR_HZ)

    run_test(play())


def assert_tone_before_keys(heard: Path) -> None:
    samples, rate_hz = read_wav(heard)
    assert_tone_in(samples[: int(BEFORE_KEYS_S * rate_hz)], rate_hz, BEN_HZ, name=heard.name)


def test_tls_with_srtp_and_udp_with_rtp_call_each_other(tmp_path: Path) -> None:
    """linphonec checks the node's certificate and insists on SRTP; baresip knows neither. Sound and keys go both ways,
    and either one hangs up."""
    authority = Authority(tmp_path / "ca")
    certificate = authority.issue("localhost")

    async def play() -> None:
        async with running(Node.start(tmp_path / "node", tls=f'certificate = "{certificate}"', more=BY_TLS)) as node:
            cara_answers = Linphone.start(
                tmp_path / "cara",
                microphone=write_tone(tmp_path / "cara.wav", ANNA_HZ),
                auto_answer=True,
                server=f"localhost:{node.tls_port};transport=tls",
                domain="localhost",
                user="103",
                password=PASSWORD,
                realm="voipnode",
                ca=authority.ca,
                more="[sip]\nmedia_encryption=srtp\nmedia_encryption_mandatory=1\n",
            )
            ben_answers = Baresip.start(
                tmp_path / "ben",
                microphone=write_tone(tmp_path / "ben.wav", BEN_HZ),
                user="102",
                password=PASSWORD,
                servers=(f"127.0.0.1:{node.sip_port}",),
            )
            async with running(cara_answers) as cara, running(ben_answers) as ben:
                await asyncio.gather(ben.registered(), node.event("extension.changed", number="103"))
                cara.say("call 102")
                await ben.event("CALL_INCOMING")
                ben.command("accept")
                call = await node.event("exchange_call.changed", state="Active", call="x1")
                assert call["encryption"] == ["sdes", "none"]
                await ben.hear(BEFORE_KEYS_S)
                cara.say("5")
                assert (await ben.event("CALL_DTMF_START"))["param"] == "5"
                ben.command("hangup")
                await cara.process.line_with("Call 1 with", count=2)  # it is connected, it has ended
                first = ben.heard().rename(tmp_path / "first.wav")  # lest it is taken for the next call's
                assert_tone(first, ANNA_HZ)
                assert_tone_before_keys(cara.heard())

                ben.command("dial", f"sip:103@127.0.0.1:{node.sip_port}")
                call = await node.event("exchange_call.changed", state="Active", call="x2")
                assert call["encryption"] == ["none", "sdes"]
                await ben.hear(SHORTLY_S)
                ben.command("sndcode", "7")
                await cara.process.line_with("Receiving tone 7")
                cara.say("terminate")
                ended = await node.event("exchange_call.changed", state="Terminated", call="x2")
                assert ended["detail"] == "hung up by 103"
                await cara.process.line_with("Call 2 with", count=2)
            assert_tone(ben.heard(), ANNA_HZ, at_least_s=SHORTLY_S)

    run_test(play())
