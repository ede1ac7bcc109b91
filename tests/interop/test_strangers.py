"""What scanners learn at the running node, which serves its own people meanwhile; callers who prove themselves."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.sipvicious import scan
from tests.support.running import running
from tests.support.wav_files import write_tone

pytestmark = pytest.mark.interop

# To the scanner, which calls from this machine, the node is on the internet; its own phone is elsewhere.
INTERNET = 'incoming_networks = ["192.0.2.0/24"]'
WORDS = "1234\nsecret\ndoor\nalice\npassword\n"


def found(output: str) -> list[str]:
    """The lines of the tool's result table: what it learnt."""
    return [line for line in output.splitlines() if re.match(r"\| *(127\.0\.0\.1|\d+|door|anna)\b", line)]


def test_scanners_learn_nothing_and_the_button_still_rings(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            running(Node.start(tmp_path / "node", sip=INTERNET)) as node,
            running(Baresip.start(tmp_path / "phone", microphone=write_tone(tmp_path / "440.wav", 440.0))) as phone,
        ):
            at = ("127.0.0.1", "-p", str(node.sip_port))
            (tmp_path / "words").write_text(WORDS)
            outputs = await asyncio.gather(
                scan(tmp_path, "svmap", *at),
                scan(tmp_path, "svwar", "-e", "100-104", "-m", "INVITE", *at),
                scan(tmp_path, "svcrack", "-u", "100", "-d", str(tmp_path / "words"), *at),
                _press_and_answer(node, phone),
            )
            assert [found(output) for output in outputs[:3]] == [[], [], []], outputs[:3]
            log = [line for line in node.process.lines if "outside sip.incoming_networks" in line]
            assert len(log) <= 1, "told once"
            assert not [
                event for event in node.events if event["event"] == "call.changed" and event["direction"] == "incoming"
            ]

    run_test(play())


async def _press_and_answer(node: Node, phone: Baresip) -> str:
    await node.press(phone.uri)
    await phone.event("CALL_INCOMING")
    phone.command("accept")
    await node.event("call.changed", state="Active")
    return ""


def test_the_scanner_does_find_a_node_that_answers(tmp_path: Path) -> None:
    """So that finding nothing above says something."""
    refusing = f'{INTERNET}\naccess = {{ strangers = "refuse" }}'

    async def play() -> None:
        async with running(Node.start(tmp_path / "node", sip=refusing)) as node:
            output = await scan(tmp_path, "svmap", "127.0.0.1", "-p", str(node.sip_port))
            assert len(found(output)) == 1, output

    run_test(play())


def test_a_scanner_among_our_own_is_ignored_from_its_first_packet(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node")) as node:
            at = ("127.0.0.1", "-p", str(node.sip_port))
            assert found(await scan(tmp_path, "svmap", *at)) == []
            assert "found nothing" in await scan(tmp_path, "svwar", "-e", "100-104", "-m", "INVITE", *at)
            assert not [event for event in node.events if event["event"] == "call.changed"]

    run_test(play())


@pytest.mark.parametrize("password", ["correct-horse", "battery-staple"], ids=["right", "wrong"])
def test_a_phone_proves_itself_by_digest(tmp_path: Path, password: str) -> None:
    access = (
        '\n[sip.access]\nauthenticate = "always"\n'
        '[[sip.access.callers]]\nname = "anna"\npassword = "correct-horse"\nopens = true\n'
        "[[accounts]]\nauto_answer = true\n"
    )
    tone = write_tone(tmp_path / "440.wav", 440.0)

    async def play() -> None:
        async with (
            running(Node.start(tmp_path / "node", more=access)) as node,
            running(Baresip.start(tmp_path / "phone", microphone=tone, password=password)) as phone,
        ):
            phone.command("dial", node.uri)
            if password == "battery-staple":
                closed = await phone.event("CALL_CLOSED")
                assert "401" in closed["param"], closed
                return
            await node.event("call.changed", state="Active", direction="incoming")
            await phone.event("CALL_ESTABLISHED")
            phone.command("sndcode", "1")
            digit = await node.event("dtmf.received")
            assert digit["authorised"] is True
            opened = await node.event("door.opened")
            assert opened["port"] == "door"

    run_test(play())
