"""Transfer in both roles and hold, with baresip on the other sides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.wav_files import write_tone

pytestmark = pytest.mark.interop

Play = Callable[[Node, Baresip, Baresip, str], Awaitable[None]]


def in_a_call(tmp_path: Path, play: Play, sip: str = "") -> None:
    """The door rang Anna's phone, which answered; Bert's answers by itself when it is called."""

    async def main() -> None:
        tone = write_tone(tmp_path / "440.wav", 440.0)
        anna = await Baresip.start(tmp_path / "anna", microphone=tone, answer="auto")
        bert = await Baresip.start(tmp_path / "bert", microphone=tone, answer="auto", user="bert")
        node = await Node.start(tmp_path / "node", sip=sip)
        try:
            await node.press(anna.uri)
            call = (await node.event("call.changed", state="Active"))["call"]
            await anna.event("CALL_ESTABLISHED")
            await play(node, anna, bert, call)
        finally:
            for peer in (node, anna, bert):
                await peer.stop()

    run_test(main())


def test_baresip_sends_the_door_to_another_phone(tmp_path: Path) -> None:
    async def play(node: Node, anna: Baresip, bert: Baresip, call: str) -> None:
        anna.command("transfer", bert.uri)
        await bert.event("CALL_ESTABLISHED")
        moved = await node.event("call.changed", detail=f"transferred to {bert.uri}")
        assert (moved["call"], moved["state"], moved["remote"]) == (call, "Active", bert.uri)
        await anna.event("CALL_CLOSED")
        bert.command("sndcode", "1")
        digit = await node.event("dtmf.received")
        assert digit["authorised"] is False, "the right to open is not handed on"
        bert.command("hangup")
        await node.event("call.changed", state="Terminated")

    in_a_call(tmp_path, play)


def test_the_door_sends_baresip_to_another_phone(tmp_path: Path) -> None:
    async def play(node: Node, anna: Baresip, bert: Baresip, call: str) -> None:
        answer = await node.client.post(f"/api/v1/calls/{call}/transfer", json={"to": bert.uri})
        assert answer.status_code == 202
        await bert.event("CALL_ESTABLISHED")
        told = await node.event("call.transfer", final=True)
        assert (told["by"], told["status"], told["to"]) == ("here", 200, bert.uri)
        ended = await node.event("call.changed", state="Terminated")
        assert ended["detail"] == f"transferred to {bert.uri}"

    in_a_call(tmp_path, play)


def test_hold_and_resume_from_both_sides(tmp_path: Path) -> None:
    async def play(node: Node, anna: Baresip, bert: Baresip, call: str) -> None:
        for verb, held in (("hold", True), ("resume", False)):
            assert (await node.client.post(f"/api/v1/calls/{call}/{verb}")).status_code == 204
            told = await node.event("call.held", held=held)
            assert told["detail"] == ""
        anna.command("hold")
        anna.command("resume")
        anna.command("sndcode", "5")  # the call still stands, and its sound flows again
        assert (await node.event("dtmf.received"))["digit"] == "5"

    in_a_call(tmp_path, play)
