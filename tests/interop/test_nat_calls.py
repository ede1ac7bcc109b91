"""The node behind a router, and behind another one baresip or Chromium: both are heard, by the way that there is.

A selection; `benchmarks/nat_matrix.py` has every combination.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.nat_calls import (
    BaresipTelephone,
    ChromiumTelephone,
    NodeTelephone,
    Sound,
    converse,
    node_traversal,
)
from tests.support.nat_lab import Nat
from tests.support.nat_stage import ICE, Stage
from tests.support.sound import PCM_TONE_HZ, assert_tone_in

pytestmark = pytest.mark.interop

ENCRYPTED = 'media_encryption = "mandatory"\n'
DOOR_HZ, PHONE_HZ = PCM_TONE_HZ, 440.0


def assert_heard(door: Sound, phone: Sound) -> None:
    assert_tone_in(door.samples, door.rate_hz, PHONE_HZ, name="door")
    assert_tone_in(phone.samples, phone.rate_hz, DOOR_HZ, name="phone")


def test_baresip_and_the_node_meet_through_two_cones(tmp_path: Path) -> None:
    async def play() -> None:
        stage = await Stage.open(tmp_path, Nat.RESTRICTED, Nat.RESTRICTED)
        node = await NodeTelephone.start(tmp_path, stage, stage.lab.a, hz=DOOR_HZ, help_through=node_traversal())
        phone = await BaresipTelephone.start(tmp_path, stage, stage.lab.b, user="bob", hz=PHONE_HZ, media=ICE)
        door, there = await converse(node, phone, "bob")
        assert_heard(door, there)
        assert "srflx" in door.way

    run_test(play())


def test_a_browser_calls_the_node_where_no_udp_passes(tmp_path: Path) -> None:
    async def play() -> None:
        stage = await Stage.open(tmp_path, Nat.NO_UDP, Nat.NO_UDP)
        node = await NodeTelephone.start(
            tmp_path,
            stage,
            stage.lab.a,
            hz=DOOR_HZ,
            help_through=node_traversal("tls", stage.authority.ca),
            account=ENCRYPTED,
            transport="tcp",
        )
        phone = await ChromiumTelephone.start(tmp_path, stage, stage.lab.b, user="bob", hz=PHONE_HZ, relay="tls")
        there, door = await converse(phone, node, "door")
        assert_heard(door, there)
        assert ("relay" in door.way, there.way) == (True, "relay over tls to relay")

    run_test(play())


def test_a_call_by_a_relay_outlives_the_death_of_its_server(tmp_path: Path) -> None:
    """coturn is killed and started again: the node has ICE begin anew with another relay, and the sound comes back."""

    async def play() -> None:
        stage = await Stage.open(tmp_path, Nat.SYMMETRIC, Nat.SYMMETRIC)
        traversal = node_traversal("udp")
        node = await NodeTelephone.start(
            tmp_path, stage, stage.lab.a, hz=DOOR_HZ, help_through=traversal, account=ENCRYPTED
        )
        phone = await ChromiumTelephone.start(tmp_path, stage, stage.lab.b, user="bob", hz=PHONE_HZ)
        await node.call("bob")
        await phone.hear(1.0)
        before = await node.way()
        assert before.startswith("relay ")
        mark = len(node.node.events)
        stage.turn.kill()
        await stage.turn_again(tmp_path)
        lost = await node.node.event("call.path", after=mark, pair="")
        assert "TURN server" in lost["detail"]
        await phone.phone.event("offered again")
        await phone.phone.received(50)
        assert (await node.way()).startswith("relay ")
        assert await node.way() != before
        await node.hang_up()

    run_test(play())
