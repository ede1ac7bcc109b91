"""The node calls sipp: every way in which a phone answers, refuses, or muddles an INVITE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run_test
from tests.support.node import Node
from tests.support.peers.sipp import Sipp
from tests.support.running import running
from tests.support.sound import PCM_TONE_HZ, assert_tone

pytestmark = pytest.mark.interop

TRANSPORTS = pytest.mark.parametrize("transport", ["u1", "t1"], ids=["udp", "tcp"])
DOOR_HZ = PCM_TONE_HZ


async def ended(node: Node) -> dict[str, Any]:
    return await node.event("call.changed", state="Terminated")


def states(node: Node) -> list[str]:
    return [event["state"] for event in node.events if event["event"] == "call.changed"]


@TRANSPORTS
def test_a_phone_rings_answers_and_echoes_the_door_s_tone(tmp_path: Path, transport: str) -> None:
    loudspeaker = tmp_path / "loudspeaker.wav"
    audio = f'device = "files"\nmicrophone = "tone:{DOOR_HZ:.0f}"\nloudspeaker_recording = "{loudspeaker}"'

    async def play() -> None:
        parts = ("phone/ring", "phone/answer", "phone/talk", "phone/bye")
        async with (
            running(Node.start(tmp_path / "node", audio=audio)) as node,
            running(Sipp.phone(tmp_path / "sipp", *parts, transport=transport, options=["-rtp_echo"])) as phone,
        ):
            await node.press(phone.uri)
            ringing = await node.event("call.changed", state="Ringing")
            assert (ringing["status"], ringing["direction"]) == (180, "outgoing")
            active = await node.event("call.changed", state="Active")
            assert active["reason"] == "AcceptedByRemote"
            assert (await phone.end()).retransmissions == 0
            assert (await ended(node))["detail"] == "hung up by the far side"

    run_test(play())
    assert_tone(loudspeaker, DOOR_HZ)


@TRANSPORTS
def test_the_node_hangs_up_on_a_phone(tmp_path: Path, transport: str) -> None:
    async def play() -> None:
        parts = ("phone/ring", "phone/answer", "wait_for_bye")
        async with (
            running(Node.start(tmp_path / "node")) as node,
            running(Sipp.phone(tmp_path / "sipp", *parts, transport=transport)) as phone,
        ):
            await node.press(phone.uri)
            call = await node.event("call.changed", state="Active")
            await node.client.delete(f"/api/v1/calls/{call['call']}")
            assert (await phone.end()).retransmissions == 0
            assert (await ended(node))["detail"] == "hung up here"

    run_test(play())


@pytest.mark.parametrize(
    ("status", "reason"),
    [("486 Busy Here", "Busy"), ("603 Decline", "Denied"), ("480 Temporarily Unavailable", "NoAnswer")],
    ids=["busy", "declined", "unavailable"],
)
def test_a_phone_refuses(tmp_path: Path, status: str, reason: str) -> None:
    async def play() -> None:
        async with (
            running(Node.start(tmp_path / "node")) as node,
            running(Sipp.phone(tmp_path / "sipp", "phone/ring", "phone/refuse", fill={"status": status})) as phone,
        ):
            await node.press(phone.uri)
            last = await ended(node)
            assert (last["reason"], last["status"]) == (reason, int(status[:3]))
            assert (await phone.end()).retransmissions == 0

    run_test(play())


def test_a_phone_that_nobody_picks_up_is_cancelled(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            running(Node.start(tmp_path / "node", sip="calling_timeout_s = 2")) as node,
            running(Sipp.phone(tmp_path / "sipp", "phone/ring", "phone/be_cancelled")) as phone,
        ):
            await node.press(phone.uri)
            calling = await node.event("call.changed", state="Calling")
            last = await ended(node)
            assert last["reason"] == "NoAnswer"
            assert last["at"] - calling["at"] == pytest.approx(2.0, abs=0.5)
            assert (await phone.end()).retransmissions == 0

    run_test(play())


@pytest.mark.parametrize(
    "parts",
    [
        ["phone/ring", "phone/progress", "phone/answer", "phone/bye"],
        ["phone/ring", "phone/mumble", "phone/answer", "phone/bye"],
        ["phone/ring", "phone/answer", "phone/other_requests", "phone/bye"],
    ],
    ids=["183-before-200", "nonsense-before-200", "requests-in-the-call"],
)
def test_a_phone_s_call_stands_and_ends_in_order(tmp_path: Path, parts: list[str]) -> None:
    async def play() -> None:
        async with (
            running(Node.start(tmp_path / "node")) as node,
            running(Sipp.phone(tmp_path / "sipp", *parts)) as phone,
        ):
            await node.press(phone.uri)
            assert (await phone.end()).retransmissions == 0
            assert (await ended(node))["detail"] == "hung up by the far side"
            assert states(node) == ["Calling", "Ringing", "Active", "Terminating", "Terminated"]

    run_test(play())


def test_a_repeated_200_is_acknowledged_again(tmp_path: Path) -> None:
    async def play() -> None:
        parts = ("phone/ring", "phone/answer", "phone/answer_again", "phone/answer_again", "phone/bye")
        async with (
            running(Node.start(tmp_path / "node")) as node,
            running(Sipp.phone(tmp_path / "sipp", *parts, options=["-nr"])) as phone,
        ):
            await node.press(phone.uri)
            await phone.end()
            assert (await ended(node))["detail"] == "hung up by the far side"
            acks = [message for message in phone.messages() if message.startswith("ACK ")]
            assert len(acks) == 3
            assert len(set(acks)) == 1, "the same ACK each time (RFC 3261 §13.2.2.4)"

    run_test(play())


def test_of_two_forks_that_answer_the_second_is_hung_up(tmp_path: Path) -> None:
    async def play() -> None:
        parts = ("phone/ring", "phone/answer", "phone/fork_answers", "phone/other_requests", "wait_for_bye")
        async with (
            running(Node.start(tmp_path / "node")) as node,
            running(Sipp.phone(tmp_path / "sipp", *parts)) as phone,
        ):
            await node.press(phone.uri)
            call = await node.event("call.changed", state="Active")
            await phone.said("SIP/2.0 501")  # the last answer to the first fork's own requests: its call stands
            assert states(node)[-1] == "Active"
            await node.client.delete(f"/api/v1/calls/{call['call']}")
            await phone.end()
            assert (await ended(node))["detail"] == "hung up here"

    run_test(play())


def test_an_answer_that_is_no_session_description_ends_the_call(tmp_path: Path) -> None:
    async def play() -> None:
        parts = ("phone/ring", "phone/answer_nonsense", "wait_for_bye")
        async with (
            running(Node.start(tmp_path / "node")) as node,
            running(Sipp.phone(tmp_path / "sipp", *parts)) as phone,
        ):
            await node.press(phone.uri)
            await phone.end()
            last = await ended(node)
            assert last["reason"] == "Failed"
            assert "no common audio" in last["detail"]

    run_test(play())
