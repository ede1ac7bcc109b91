"""Records pcaps/ anew: a node and real phones on loopback, `make captures`.

Each scenario is a short call; what each capture must show stands in pcaps/README.md and in tests/replay.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.support.aio import run_test
from tests.support.capture_net import Capture
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.linphone import Linphone
from tests.support.wav_files import write_tone

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
TALK_S = 2.0
Scenario = Callable[[Path], Coroutine[Any, Any, None]]


async def _record(name: str, node: Node, play: Callable[[], Awaitable[None]]) -> None:
    ports = f"udp and (port {node.sip_port} or portrange {node.rtp_start}-{node.rtp_start + 20})"
    capture = await Capture.start(PCAPS / f"{name}.pcap", ports)
    try:
        await play()
        await node.event("call.changed", state="Terminated", after=0)
    finally:
        await capture.stop()


async def p2p_call_baresip(folder: Path) -> None:
    """The button rings baresip, which answers, talks for 2 s and hangs up."""
    phone = await Baresip.start(folder / "phone", microphone=write_tone(folder / "440.wav", 440.0))
    node = await Node.start(folder / "node", audio='device = "files"\nmicrophone = "tone:1000"')

    async def play() -> None:
        await node.press(phone.uri)
        await phone.event("CALL_INCOMING")
        phone.command("accept")
        await phone.event("CALL_RTPESTAB")
        await asyncio.sleep(TALK_S)
        phone.command("hangup")

    try:
        await _record("p2p-call-baresip", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def dtmf_rfc4733_baresip(folder: Path) -> None:
    """The button rings baresip, which answers and presses 1, 5 and #."""
    phone = await Baresip.start(folder / "phone", microphone=write_tone(folder / "440.wav", 440.0), answer="auto")
    node = await Node.start(folder / "node")

    async def play() -> None:
        await node.press(phone.uri)
        await phone.event("CALL_RTPESTAB")
        for digit in "15#":
            phone.command("sndcode", digit)
            await node.event("dtmf.received", digit=digit)
            await asyncio.sleep(0.5)
        phone.command("hangup")

    try:
        await _record("dtmf-rfc4733-baresip", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def dtmf_info_linphone(folder: Path) -> None:
    """The button rings linphonec, which answers and sends 1 and 9 by INFO; the node hangs up."""
    phone = await Linphone.start(
        folder / "phone", microphone=write_tone(folder / "440.wav", 440.0), auto_answer=True, digits_by="info"
    )
    node = await Node.start(folder / "node")

    async def play() -> None:
        await node.press(phone.uri)
        call = await node.event("call.changed", state="Active")
        for digit in "19":
            phone.say(digit)
            await node.event("dtmf.received", digit=digit)
        await node.client.delete(f"/api/v1/calls/{call['call']}")

    try:
        await _record("dtmf-info-linphone", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def cancelled_call_baresip(folder: Path) -> None:
    """The button rings baresip; before anybody answers, the node gives up."""
    phone = await Baresip.start(folder / "phone", microphone=write_tone(folder / "440.wav", 440.0))
    node = await Node.start(folder / "node")

    async def play() -> None:
        await node.press(phone.uri)
        call = await node.event("call.changed", state="Ringing")
        await asyncio.sleep(0.5)
        await node.client.delete(f"/api/v1/calls/{call['call']}")

    try:
        await _record("cancelled-call-baresip", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def busy_baresip(folder: Path) -> None:
    """The button rings baresip, which refuses with 486."""
    phone = await Baresip.start(folder / "phone", microphone=write_tone(folder / "440.wav", 440.0))
    node = await Node.start(folder / "node")

    async def play() -> None:
        await node.press(phone.uri)
        await phone.event("CALL_INCOMING")
        phone.command("hangup")

    try:
        await _record("busy-baresip", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def incoming_call_baresip(folder: Path) -> None:
    """baresip calls the door, which answers by itself; baresip presses 1, which opens nothing, and hangs up."""
    phone = await Baresip.start(folder / "phone", microphone=write_tone(folder / "440.wav", 440.0))
    node = await Node.start(
        folder / "node", audio='device = "files"\nmicrophone = "tone:1000"', more="[[accounts]]\nauto_answer = true"
    )

    async def play() -> None:
        phone.command("dial", node.uri)
        await phone.event("CALL_RTPESTAB")
        await asyncio.sleep(TALK_S)
        phone.command("sndcode", "1")
        await node.event("dtmf.received", digit="1")
        await asyncio.sleep(0.5)
        phone.command("hangup")

    try:
        await _record("incoming-call-baresip", node, play)
    finally:
        await node.stop()
        await phone.stop()


SCENARIOS: tuple[Scenario, ...] = (
    p2p_call_baresip,
    dtmf_rfc4733_baresip,
    dtmf_info_linphone,
    cancelled_call_baresip,
    busy_baresip,
    incoming_call_baresip,
)


def main() -> None:
    """Record the scenarios named on the command line, or all."""
    wanted = set(sys.argv[1:])
    for scenario in SCENARIOS:
        if not wanted or scenario.__name__ in wanted:
            with tempfile.TemporaryDirectory() as folder:
                run_test(scenario(Path(folder)))
            print(f"recorded {scenario.__name__}")


if __name__ == "__main__":
    main()
