"""Encrypted calls with real phones: keys in the signalling and keys by handshake, both directions, tones both ways."""

from __future__ import annotations

import asyncio
import contextlib
import re
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run_test
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.linphone import Linphone
from tests.support.sound import PCM_TONE_HZ, assert_tone
from tests.support.wav_files import write_tone

pytestmark = pytest.mark.interop

PHONE_HZ, DOOR_HZ = 440.0, PCM_TONE_HZ
MODULE = {"srtp-mand": "srtp", "srtp": "srtp", "dtls_srtp": "dtls_srtp"}


def audio(folder: Path) -> str:
    recording = folder / "loudspeaker.wav"
    return f'device = "files"\nmicrophone = "tone:{DOOR_HZ:.0f}"\nloudspeaker_recording = "{recording}"'


async def node_with(folder: Path, policy: str, keying: str, duration_s: int = 3) -> Node:
    account = f'media_encryption = "{policy}"\nmedia_keying = ["{keying}"]\nsdes_in_clear_signalling = true'
    return await Node.start(
        folder / "node",
        sip=f"max_call_duration_s = {duration_s}",  # which ends the call when both sides have been heard long enough
        audio=audio(folder),
        hosts='["127.0.0.1", "::"]',  # linphone offers an IPv6 address wherever the machine has one
        more=f"[[accounts]]\nauto_answer = true\n{account}",
    )


async def baresip_with(folder: Path, mode: str) -> Baresip:
    tone = write_tone(folder / "440.wav", PHONE_HZ)
    modules, media = ((MODULE[mode],), f"mediaenc={mode}") if mode else ((), "")
    return await Baresip.start(folder / "phone", microphone=tone, answer="auto", modules=modules, media=media)


async def the_call(node: Node) -> dict[str, Any]:
    """The newest that the API says of the only call, once it is up and its keys are there."""
    event = await node.event("call.changed", state="Active")
    while event["encryption"] == "dtls" and not event["cipher"]:
        event = await node.event("call.changed", after=node.events.index(event) + 1, state="Active")
    (call,) = (await node.client.get("/api/v1/calls")).json()
    assert (call["encryption"], call["cipher"]) == (event["encryption"], event["cipher"])
    return dict(call)


@pytest.mark.parametrize(
    ("mode", "policy", "keying", "calls"),
    [
        ("srtp-mand", "mandatory", "sdes", "the door calls"),
        ("srtp", "best_effort", "sdes", "the phone calls"),
        ("dtls_srtp", "mandatory", "dtls", "the door calls"),
        ("dtls_srtp", "mandatory", "dtls", "the phone calls"),
        ("", "best_effort", "sdes", "the door calls"),
    ],
)
def test_baresip(tmp_path: Path, mode: str, policy: str, keying: str, calls: str) -> None:
    async def play() -> None:
        phone = await baresip_with(tmp_path, mode)
        node = await node_with(tmp_path, policy, keying)
        try:
            if calls == "the door calls":
                await node.press(phone.uri)
            else:
                phone.command("dial", node.uri)
            call = await the_call(node)
            assert (call["encryption"], bool(call["cipher"])) == ((keying, True) if mode else ("none", False))
            ended = await node.event("call.changed", state="Terminated")
            assert ended["rejected_packets"] < 3  # baresip begins with an RTCP APP packet in the clear
            await phone.event("CALL_CLOSED")
        finally:
            await node.stop()
            await phone.stop()
        assert_tone(tmp_path / "loudspeaker.wav", PHONE_HZ)
        assert_tone(phone.heard(), DOOR_HZ)

    run_test(play())


@pytest.mark.promise  # linphone, which adapts to every packet that a busy machine delays, is listened to
@pytest.mark.parametrize(
    ("mode", "keying", "calls"), [("srtp", "sdes", "the door calls"), ("dtls", "dtls", "the phone calls")]
)
def test_linphone(tmp_path: Path, mode: str, keying: str, calls: str) -> None:
    async def play() -> None:
        tone = write_tone(tmp_path / "440.wav", PHONE_HZ)
        phone = await Linphone.start(tmp_path / "phone", microphone=tone, auto_answer=True)
        phone.say(f"param sip media_encryption {mode}")
        node = await node_with(tmp_path, "mandatory", keying)
        try:
            if calls == "the door calls":
                await node.press(phone.uri)
            else:
                phone.say(f"call {node.uri}")
            call = await the_call(node)
            assert (call["encryption"], bool(call["cipher"])) == (keying, True)
            await node.event("call.changed", state="Terminated")
            await phone.process.line_with("ended")
        finally:
            await node.stop()
            await phone.stop()
        assert_tone(tmp_path / "loudspeaker.wav", PHONE_HZ)
        assert_tone(phone.heard(), DOOR_HZ)

    run_test(play())


def test_a_plain_phone_and_a_door_that_must_encrypt(tmp_path: Path) -> None:
    async def play() -> None:
        phone = await baresip_with(tmp_path, "")
        node = await node_with(tmp_path, "mandatory", "sdes")
        try:
            phone.command("dial", node.uri)
            closed = await phone.event("CALL_CLOSED")
            assert "488" in closed["param"]
            ended = await node.event("call.changed", state="Terminated")
            assert "must be encrypted" in ended["detail"]
            await node.press(phone.uri)
            ended = await node.event("call.changed", state="Terminated", direction="outgoing")
            assert ended["status"] == 488  # baresip's own: it knows no RTP/SAVP
        finally:
            await node.stop()
            await phone.stop()

    run_test(play())


class Meddler(asyncio.DatagramProtocol):
    """Somebody on the way who puts another fingerprint into what the phone says: its certificate is then not the one
    that was announced, as it is not where somebody else shakes hands in the phone's place."""

    def __init__(self, phone_port: int) -> None:
        self._phone = ("127.0.0.1", phone_port)
        self._door: tuple[str, int] | None = None
        self.meddled = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def before(cls, phone: Baresip) -> AsyncIterator[tuple[Meddler, str]]:
        """Between the door and the phone for as long as the context lasts; the URI that leads there."""
        loop = asyncio.get_running_loop()
        user, _, port = phone.uri.rpartition(":")
        transport, meddler = await loop.create_datagram_endpoint(lambda: cls(int(port)), ("127.0.0.1", 0))
        try:
            yield meddler, f"{user}:{transport.get_extra_info('sockname')[1]}"
        finally:
            transport.close()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # it is one
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr != self._phone:
            self._door = addr
            self._transport.sendto(data, self._phone)
        elif self._door is not None:
            turned, count = re.subn(rb"(a=fingerprint:SHA-256 )(..)", self._turn, data, flags=re.IGNORECASE)
            self.meddled += count
            self._transport.sendto(turned, self._door)

    @staticmethod
    def _turn(found: re.Match[bytes]) -> bytes:
        return found[1] + b"%02X" % (int(found[2], 16) ^ 1)


def test_a_phone_whose_certificate_is_another_than_announced_is_not_talked_to(tmp_path: Path) -> None:
    """RFC 8842 §5.1: "MUST tear down the media session immediately"."""

    async def play() -> None:
        phone = await baresip_with(tmp_path, "dtls_srtp")
        node = await node_with(tmp_path, "mandatory", "dtls")
        try:
            async with Meddler.before(phone) as (meddler, uri):
                await node.press(uri)
                ended = await node.event("call.changed", state="Terminated")
            assert meddler.meddled
            assert ended["detail"].startswith("the far side's certificate is not the one that its signalling announced")
            assert ended["cipher"] == ""
            await phone.event("CALL_CLOSED")
        finally:
            await node.stop()
            await phone.stop()
        with wave.open(str(tmp_path / "loudspeaker.wav")) as file:
            assert not any(file.readframes(file.getnframes()))

    run_test(play())
