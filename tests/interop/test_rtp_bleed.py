"""RTP from strangers at the running node: nothing comes back, nothing is heard, no key counts, while a call goes on and
while its rightful side is frozen."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest

from tests.support.aio import run_test
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.running import running
from tests.support.sound import PCM_TONE_HZ, fit_at
from tests.support.wav_files import read_wav, write_tone
from voipnode.codecs.g711 import mu_law
from voipnode.dsp.tones import Tone
from voipnode.media.rtp import RtpPacket

pytestmark = pytest.mark.interop

STRANGERS_HZ = 1700.0
EVENTS = 101
PORTS = 8  # pairs that are sprayed, the call's among them: the first
SPRAYS, SPRAYS_WHILE_FROZEN = 100, 400  # every 10 ms


class Stranger:
    """Sends sound and keys to the node's ports from an address of its own, and counts what it gets."""

    @classmethod
    async def start(cls, host: str) -> Stranger:
        return cls(host)

    def __init__(self, host: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        self._tone, self._code = Tone(STRANGERS_HZ), mu_law()
        self._number = 0

    def spray(self, first_port: int) -> None:
        """20 ms for every port, RTP and RTCP alike."""
        number = self._number = self._number + 1
        sound = np.concatenate([self._tone.next_frame(), self._tone.next_frame()])
        packets = [RtpPacket(0, number & 0xFFFF, number * 160, 0xBAD, self._code.encode_frame(sound)).serialize()]
        if number % 10 == 0:
            key = RtpPacket(EVENTS, number & 0xFFFF, number * 160, 0xBAD, bytes((1, 0x8A, 0x03, 0x20)), marker=True)
            packets.append(key.serialize())
        for port in range(first_port, first_port + 2 * PORTS):
            for packet in packets:
                self.socket.sendto(packet, ("127.0.0.1", port))

    async def stop(self) -> None:
        self.socket.close()

    def bytes_received(self) -> int:
        count = 0
        while True:
            try:
                count += len(self.socket.recv(2048))
            except BlockingIOError:
                return count


async def attack(strangers: list[Stranger], first_port: int, sprays: int) -> None:
    for _ in range(sprays):
        for stranger in strangers:
            stranger.spray(first_port)
        await asyncio.sleep(0.01)  # the pace of the attack, which nothing waits for


def test_strangers_get_nothing_while_the_call_goes_on_and_while_the_phone_is_frozen(tmp_path: Path) -> None:
    loudspeaker = tmp_path / "loudspeaker.wav"
    sound = f'device = "files"\nmicrophone = "tone:{PCM_TONE_HZ:.0f}"\nloudspeaker_recording = "{loudspeaker}"'

    async def play() -> None:
        async with (
            running(Baresip.start(tmp_path / "phone", microphone=write_tone(tmp_path / "440.wav", 440.0))) as phone,
            running(Node.start(tmp_path / "node", audio=sound)) as node,
            running(Stranger.start("127.0.0.66")) as elsewhere,
            running(Stranger.start("127.0.0.1")) as same_host,  # as the phone's, behind another port
        ):
            strangers = [elsewhere, same_host]
            await node.press(phone.uri)
            await phone.event("CALL_INCOMING")
            phone.command("accept")
            await node.event("call.changed", state="Active")
            await phone.event("CALL_RTPESTAB")
            await attack(strangers, node.rtp_start, SPRAYS)
            os.kill(phone.process.process.pid, signal.SIGSTOP)
            try:
                await attack(strangers, node.rtp_start, SPRAYS_WHILE_FROZEN)
            finally:
                os.kill(phone.process.process.pid, signal.SIGCONT)
            phone.command("sndcode", "5")  # the rightful side is heard as before
            digit = await node.event("dtmf.received")
            assert (digit["digit"], digit["authorised"]) == ("5", True)
            phone.command("hangup")
            await node.event("call.changed", state="Terminated")
            assert [stranger.bytes_received() for stranger in strangers] == [0, 0]
            digits = [event["digit"] for event in node.events if event["event"] == "dtmf.received"]
            assert digits == ["5"]
            assert not [event for event in node.events if event["event"] == "door.opened"]

    run_test(play())
    samples, rate_hz = read_wav(loudspeaker)
    pieces = [samples[at : at + rate_hz // 10] for at in range(0, len(samples) - rate_hz // 10, rate_hz // 10)]
    assert max(fit_at(piece, 440.0, rate_hz).power for piece in pieces) > 1e-3, "the phone was heard"
    assert max(fit_at(piece, STRANGERS_HZ, rate_hz).power for piece in pieces) < 1e-4, "and nobody else"
