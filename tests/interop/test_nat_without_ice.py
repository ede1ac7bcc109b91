"""STUN alone and TURN alone through routers, without ICE: the node behind one, baresip behind another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.nat_calls import BaresipTelephone, NodeTelephone, converse, node_traversal
from tests.support.nat_lab import RELAY, Nat
from tests.support.nat_stage import TURN, Stage
from tests.support.peers.coturn import PORT
from tests.support.sound import PCM_TONE_HZ, assert_tone_in

pytestmark = pytest.mark.interop

STUN = f'medianat=stun;stunserver="stun:{RELAY}:{PORT}"'
DOOR_HZ, PHONE_HZ = PCM_TONE_HZ, 440.0


@pytest.mark.parametrize(
    ("ours", "theirs", "relay", "media"),
    [
        pytest.param(Nat.FULL_CONE, Nat.FULL_CONE, "", STUN, id="STUN alone, full cones"),
        pytest.param(Nat.NO_UDP, Nat.TURN_ONLY, "tls", TURN, id="TURN alone by TLS, no UDP"),
    ],
)
def test_each_alone_is_enough(tmp_path: Path, ours: Nat, theirs: Nat, relay: str, media: str) -> None:
    async def play() -> None:
        stage = await Stage.open(tmp_path, ours, theirs)
        help_through = node_traversal(relay, stage.authority.ca).replace("[sip.ice]\nenabled = true\n", "")
        node = await NodeTelephone.start(
            tmp_path,
            stage,
            stage.lab.a,
            hz=DOOR_HZ,
            help_through=help_through,
            transport="tcp" if ours is Nat.NO_UDP else "udp",
        )
        phone = await BaresipTelephone.start(tmp_path, stage, stage.lab.b, user="bob", hz=PHONE_HZ, media=media)
        door, there = await converse(node, phone, "bob")
        print(door.way, f"{door.first_ms:.0f} ms, {there.first_ms:.0f} ms")
        assert_tone_in(door.samples, door.rate_hz, PHONE_HZ, name="door")
        assert_tone_in(there.samples, there.rate_hz, DOOR_HZ, name="phone")
        assert door.way.startswith("relay 203.0.113.20:" if relay else "srflx 203.0.113.1:")

    run_test(play())
