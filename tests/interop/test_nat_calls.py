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


@pytest.mark.parametrize(
    ("nat", "relay"), [(Nat.SYMMETRIC, "udp"), (Nat.NO_UDP, "tls")], ids=["symmetric routers", "no UDP"]
)
def test_a_browser_calls_the_node_by_a_relay(tmp_path: Path, nat: Nat, relay: str) -> None:
    async def play() -> None:
        stage = await Stage.open(tmp_path, nat, nat)
        node = await NodeTelephone.start(
            tmp_path,
            stage,
            stage.lab.a,
            hz=DOOR_HZ,
            help_through=node_traversal(relay, stage.authority.ca),
            account='media_encryption = "best_effort"\n',
            transport="tcp" if nat is Nat.NO_UDP else "udp",
        )
        phone = await ChromiumTelephone.start(
            tmp_path, stage, stage.lab.b, user="bob", hz=PHONE_HZ, relay=relay if nat is Nat.NO_UDP else ""
        )
        there, door = await converse(phone, node, "door")
        assert_heard(door, there)
        assert "relay" in door.way

    run_test(play())
