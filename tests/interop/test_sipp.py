"""The node called by sipp, which keeps to the letter of RFC 3261, or to none of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import PATIENCE_S, run_test
from tests.support.node import Node
from tests.support.peers.sipp import Sipp
from tests.support.running import running
from tests.support.sound import assert_tone
from tests.support.telephone_sound import write_capture, write_raw

pytestmark = [pytest.mark.interop, pytest.mark.promise]

AUTO_ANSWER = "[[accounts]]\nauto_answer = true"
TRUSTED = 'trusted_callers = ["anna@127.0.0.1"]'
DIGIT = Path("/usr/share/sip-tester/dtmf_2833_1.pcap")
TRANSPORTS = pytest.mark.parametrize("transport", ["u1", "t1"], ids=["udp", "tcp"])
CALLER_HZ = 440.0
TALK = ("caller/invite", "caller/ack")


def digits(node: Node) -> list[tuple[str, str]]:
    """Digit and road of every digit the node told of."""
    return [(event["digit"], event["road"]) for event in node.events if event["event"] == "dtmf.received"]


def openings(node: Node) -> int:
    return sum(event["event"] == "port.changed" and event["active"] for event in node.events)


async def ended(node: Node, seconds: float = PATIENCE_S) -> dict[str, Any]:
    return await node.event("call.changed", state="Terminated", seconds=seconds)


@pytest.mark.parametrize(
    ("transport", "way"), [("u1", "rtp_stream"), ("t1", "pcap")], ids=["udp-rtp_stream", "tcp-pcap"]
)
def test_a_caller_s_tone_reaches_the_loudspeaker(tmp_path: Path, transport: str, way: str) -> None:
    if way == "pcap":
        fill = {"tone": str(write_capture(tmp_path / "tone.pcap", CALLER_HZ, 4.0))}
    else:
        tone = write_raw(tmp_path / "tone.alaw", CALLER_HZ, 4.0)
        fill = {"tone": str(tone), "media": "rtpstream_audio_port", "formats": "8 101"}
    loudspeaker = tmp_path / "loudspeaker.wav"
    audio = f'device = "files"\nmicrophone = "silence"\nloudspeaker_recording = "{loudspeaker}"'

    async def play() -> None:
        async with running(Node.start(tmp_path / "node", audio=audio, more=AUTO_ANSWER)) as node:
            parts = (*TALK, f"caller/tone_by_{way}", "caller/bye")
            call = Sipp.caller(tmp_path / "sipp", *parts, to_port=node.sip_port, transport=transport, fill=fill)
            async with running(call) as caller:
                active = await node.event("call.changed", state="Active")
                assert (active["direction"], active["reason"]) == ("incoming", "AcceptedByDevice")
                statistics = await caller.end()
                assert (statistics.successful, statistics.retransmissions) == (1, 0)
                assert (await ended(node))["detail"] == "hung up by the far side"

    run_test(play())
    assert_tone(loudspeaker, CALLER_HZ)


@TRANSPORTS
def test_the_node_hangs_up_on_a_caller(tmp_path: Path, transport: str) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node", more=AUTO_ANSWER)) as node:
            call = Sipp.caller(tmp_path / "sipp", *TALK, "wait_for_bye", to_port=node.sip_port, transport=transport)
            async with running(call) as caller:
                active = await node.event("call.changed", state="Active")
                await caller.said("ACK")
                await node.client.delete(f"/api/v1/calls/{active['call']}")
                assert (await caller.end()).retransmissions == 0
                assert (await ended(node))["detail"] == "hung up here"

    run_test(play())


def test_digits_by_info_are_read_in_every_form_that_telephones_write(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node", more=AUTO_ANSWER)) as node:
            parts = (*TALK, "caller/info_digits", "caller/bye")
            async with running(Sipp.caller(tmp_path / "sipp", *parts, to_port=node.sip_port)) as caller:
                await caller.end()
                await ended(node)
            assert digits(node) == [(digit, "info") for digit in "123*#456A"]

    run_test(play())


DIGIT_ROADS = pytest.mark.parametrize(
    ("parts", "road"),
    [
        (["caller/info_digit"], "info"),
        (["caller/rtp_digit"], "rtp"),
        (["caller/rtp_digit", "caller/info_digit"], "rtp"),
        (["caller/info_digit", "caller/rtp_digit"], "info"),
    ],
    ids=["info", "rtp", "rtp-then-info", "info-then-rtp"],
)


@DIGIT_ROADS
def test_a_stranger_s_digit_is_told_once_and_opens_nothing(tmp_path: Path, parts: list[str], road: str) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node", sip=TRUSTED, more=AUTO_ANSWER)) as node:
            fill = {"caller": "mallory", "digit": str(DIGIT)}
            call = Sipp.caller(tmp_path / "sipp", *TALK, *parts, "caller/bye", to_port=node.sip_port, fill=fill)
            async with running(call) as caller:
                refused = await node.event("door.refused", port="door")
                assert refused["who"].startswith("sip:mallory@")
                await caller.end()
                await ended(node)
            assert digits(node) == [("1", road)]
            assert openings(node) == 0

    run_test(play())


@DIGIT_ROADS
def test_a_trusted_caller_s_digit_opens_the_door_once(tmp_path: Path, parts: list[str], road: str) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node", sip=TRUSTED, more=AUTO_ANSWER)) as node:
            fill = {"caller": "anna", "digit": str(DIGIT)}
            call = Sipp.caller(tmp_path / "sipp", *TALK, *parts, "caller/bye", to_port=node.sip_port, fill=fill)
            async with running(call) as caller:
                opened = await node.event("door.opened", port="door")
                assert opened["who"].startswith("sip:anna@")
                await caller.end()
                await ended(node)
            assert digits(node) == [("1", road)]
            assert openings(node) == 1
            assert [event["event"] for event in node.events].count("door.opened") == 1

    run_test(play())


@pytest.mark.parametrize(
    ("transport", "part"),
    [("u1", "other_requests"), ("t1", "other_requests"), ("u1", "malformed")],
    ids=["not-served-udp", "not-served-tcp", "malformed-udp"],
)
def test_requests_that_cannot_be_served_are_answered_and_leave_the_call_alone(
    tmp_path: Path, transport: str, part: str
) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node", more=AUTO_ANSWER)) as node:
            parts = (*TALK, f"caller/{part}", "caller/info_digit", "caller/bye")
            call = Sipp.caller(tmp_path / "sipp", *parts, to_port=node.sip_port, transport=transport)
            async with running(call) as caller:
                await caller.end()
                assert (await ended(node))["detail"] == "hung up by the far side"
            assert digits(node) == [("1", "info")]

    run_test(play())


# Callers that are gone. The node takes one call at a time, so that a call that hangs would be in the way of the next.


async def assert_the_door_can_be_called_again(node: Node, folder: Path) -> None:
    async with running(Sipp.caller(folder, *TALK, "caller/bye", to_port=node.sip_port)) as caller:
        await caller.end()


def test_a_caller_that_vanishes_is_missed_and_the_door_is_free(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node", sip="dead_call_timeout_s = 5", more=AUTO_ANSWER)) as node:
            async with running(Sipp.caller(tmp_path / "gone", *TALK, to_port=node.sip_port)) as caller:
                await caller.end()
            active = await node.event("call.changed", state="Active")
            missed = await node.event("call.changed", state="Terminating")
            assert missed["reason"] == "Failed"
            assert "silent" in missed["detail"]
            assert missed["at"] - active["at"] == pytest.approx(5.0, abs=1.0)
            await assert_the_door_can_be_called_again(node, tmp_path / "next")

    run_test(play())


def test_a_caller_that_acknowledges_nothing_does_not_keep_the_door(tmp_path: Path) -> None:
    """BYE must wait for the ACK or for 32 s (RFC 3261 §15); the next visitor's call need not."""

    async def play() -> None:
        async with running(Node.start(tmp_path / "node", sip="dead_call_timeout_s = 5", more=AUTO_ANSWER)) as node:
            rude = Sipp.caller(tmp_path / "rude", "caller/invite", "wait_for_bye", to_port=node.sip_port)
            async with running(rude):
                await node.event("call.changed", state="Terminating", reason="Failed")
                await assert_the_door_can_be_called_again(node, tmp_path / "next")

    run_test(play())


@pytest.mark.skipif(os.environ.get("VOIPNODE_SLOW") != "1", reason="takes 32 s: set VOIPNODE_SLOW=1")
def test_a_caller_that_never_acknowledges_is_hung_up_after_32_seconds(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node", sip="dead_call_timeout_s = 600", more=AUTO_ANSWER)) as node:
            rude = Sipp.caller(tmp_path / "rude", "caller/invite", "wait_for_bye", to_port=node.sip_port)
            async with running(rude) as caller:
                active = await node.event("call.changed", state="Active")
                last = await ended(node, seconds=40)
                assert last["at"] - active["at"] == pytest.approx(32.0, abs=0.5)  # 64*T1, RFC 3261 §13.3.1.4
                assert last["detail"] == "the far side does not reply"
                await caller.end()

    run_test(play())
