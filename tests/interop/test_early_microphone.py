"""Real phones that ring with sound hear the visitor before anybody answers; a real HTTP client answers beside them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dpkt
import numpy as np
import pytest

from tests.support.aio import run_test, within
from tests.support.audio import find_tone_hz
from tests.support.capture_net import Capture
from tests.support.clip_files import clip_file
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.process import need
from voipnode.codecs.g711 import mu_law

pytestmark = pytest.mark.interop
TONE_HZ = 1000.0
AUDIO = f'device = "files"\nmicrophone = "tone:{TONE_HZ:.0f}"'


def payloads(capture: Path) -> list[bytes]:
    """What each port was sent in packets of 20 ms of G.711."""
    found: dict[int, bytes] = {}
    with capture.open("rb") as file:
        for _, frame in dpkt.pcap.Reader(file):
            udp = dpkt.ethernet.Ethernet(frame).data.data
            data = bytes(udp.data)
            if len(data) == 12 + 160 and data[0] == 0x80:
                found[udp.dport] = found.get(udp.dport, b"") + data[12:]
    return list(found.values())


def test_every_phone_that_rings_hears_the_visitor_before_it_answers(tmp_path: Path) -> None:
    async def play() -> list[bytes]:
        phones = [
            await Baresip.start(tmp_path / name, microphone=None, answer="early", user=name)
            for name in ("anna", "berta")
        ]
        early = "[sip.early_media]\nmicrophone = true\n"
        node = await Node.start(tmp_path / "node", sip="calling_timeout_s = 2\n", audio=AUDIO, more=early)
        try:
            ports = f"udp src portrange {node.rtp_start}-{node.rtp_start + 19}"  # of this node, and nobody else's
            capture = await Capture.start(tmp_path / "early.pcap", ports)
            await node.press(*[phone.uri for phone in phones])
            await node.event("call.changed", state="Terminated", reason="NoAnswer")
            return payloads(await capture.stop())
        finally:
            await node.stop()

    heard = run_test(play())
    assert len(heard) == 2
    for data in heard:
        assert len(data) > 8000, "more than a second of the two"
        sound = np.asarray(mu_law().decode_frame(data[1600:8000]))
        assert find_tone_hz(sound, 8000) == pytest.approx(TONE_HZ, abs=10)


def test_curl_answers_beside_a_phone_by_sending_a_file(tmp_path: Path) -> None:
    need("curl")
    (tmp_path / "hello.au").write_bytes(clip_file("au", rate_hz=8000, seconds=1.5))

    async def play() -> None:
        phone = await Baresip.start(tmp_path / "anna", microphone=None)
        node = await Node.start(tmp_path / "node", audio=AUDIO, more="[vms]\nenabled = true\n")
        try:
            await node.press("vms", phone.uri)
            await phone.event("CALL_INCOMING")
            url = f"{node.url}/axis-cgi/audio/transmit.cgi"
            options = ("-s", "-H", "Content-Type: audio/basic", "--data-binary", f"@{tmp_path / 'hello.au'}")
            curl = await asyncio.create_subprocess_exec("curl", *options, url)
            active = await node.event("call.changed", state="Active")
            assert (active["account"], active["remote"]) == ("VMS", "http://127.0.0.1")
            await phone.event("CALL_CLOSED")
            ended = await node.event("call.changed", state="Terminated")
            assert ended["detail"] == "the client has stopped sending"
            assert ended["at"] - active["at"] > 1.4, "all of it was heard"
            async with within(60.0, "end of curl"):
                assert await curl.wait() == 0
        finally:
            await node.stop()

    run_test(play())
