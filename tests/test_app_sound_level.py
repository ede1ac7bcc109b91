"""Sound level detection in a whole node: the door's microphone is listened at while no call is on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import PATIENCE_S, run_test
from voipnode.app import Node, StartError
from voipnode.calls.events import SoundLevelPassed
from voipnode.settings import NodeSettings


def node(folder: Path, **audio: Any) -> Node:
    settings = {
        "sip": {"enabled": False},
        "web": {"enabled": False},
        "audio": {"device": "files", **audio},
        "sound_level": {"enabled": True, "level": 50, "hold_s": 0.1},
    }
    return Node(NodeSettings.model_validate(settings), folder / "state")


def test_what_is_loud_at_the_door_is_told_without_a_call(tmp_path: Path) -> None:
    async def play() -> SoundLevelPassed:
        door = node(tmp_path, microphone="tone:1000", tone_level_dbfs=-20.0)
        told: asyncio.Future[SoundLevelPassed] = asyncio.get_running_loop().create_future()
        door.bus.subscribe(SoundLevelPassed, told.set_result, who="test")
        await door.start()
        try:
            return await asyncio.wait_for(told, PATIENCE_S)
        finally:
            await door.stop()

    event = run_test(play())
    assert event.above
    assert event.threshold == 50 <= event.level <= 75


def test_a_door_without_a_microphone_has_nothing_to_listen_at(tmp_path: Path) -> None:
    async def play() -> None:
        door = node(tmp_path, input_enabled=False)
        try:
            with pytest.raises(StartError, match=r"sound_level\.enabled = true: there is no microphone"):
                await door.start()
        finally:
            await door.stop()

    run_test(play())
