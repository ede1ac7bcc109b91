"""A call at a door with a loudspeaker, a room and a street: what the telephone hears of itself, and of the visitor."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.door_talk import CODEC, OURS, Script, hang_up, hold
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.running import running

pytestmark = pytest.mark.interop

DOOR = """
device = "simulated"
microphone = "{near}"
echo_cancellation = false
noise_cancellation = false
automatic_gain_control = false
[audio.room]
echo_db = -3
delay_ms = 40
noise = "street"
noise_dbfs = -55
drift_ppm = 20
"""
EVERYTHING = {"echo_cancellation": True, "noise_cancellation": True, "automatic_gain_control": True}


def test_with_everything_on_the_telephone_hears_the_visitor_and_no_echo(tmp_path: Path) -> None:
    script = Script(far=((0.5, 2.5), (3.2, 8.0)), near=((8.5, 11.5),))
    far, near = script.write(tmp_path)

    async def play() -> None:
        audio = DOOR.format(near=near)
        async with (
            running(Baresip.start(tmp_path / "phone", microphone=far, answer="auto", codecs=CODEC)) as phone,
            running(Node.start(tmp_path / "node", audio=audio, more=OURS)) as node,
        ):
            call = await hold(node, phone, until_s=2.9)
            answer = await node.client.patch("/api/v1/sound", json=EVERYTHING)
            assert answer.status_code == 204, answer.text
            talk = await hang_up(script, node, phone, call)
        before, after = talk.level_dbfs(1.0, 2.4), talk.level_dbfs(6.5, 7.9)
        visitor, opinion = talk.level_dbfs(8.6, 11.4), talk.best_opinion(8.5, 11.5)
        print(f"echo {before:.1f} dBFS, then {after:.1f}; visitor {visitor:.1f} dBFS, PESQ {opinion:.2f}")
        assert before - after > 20, (before, after)
        assert visitor - after > 20, (visitor, after)
        assert opinion > 3.2, opinion

    run_test(play())
