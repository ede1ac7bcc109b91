"""`ChangeRoom` at a node without hardware: the room changes while it is heard, and refuses what is no room."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from voipnode.calls.commands import ChangeRoom
from voipnode.calls.errors import CallError
from voipnode.calls.hooks import AudioDevice, Bus, Commands
from voipnode.modules.audio.module import make_device
from voipnode.modules.audio.settings import AudioSettings, RoomSettings


def node_device(commands: Commands, **settings: object) -> AudioDevice:
    audio = AudioSettings.model_validate({"device": "simulated", **settings})
    return make_device(audio, 8000, Bus(lambda: 0.0), commands)


def echo_db(device: AudioDevice) -> float:
    played = (0.1 * np.random.default_rng(1).standard_normal((100, 80))).astype(np.float32)
    heard = np.concatenate([device.exchange(frame) for frame in played])
    return float(20 * np.log10(np.std(heard) / np.std(played)))


def test_a_fault_comes_and_goes_while_the_node_runs() -> None:
    commands = Commands()
    device = node_device(commands, room=RoomSettings(delay_ms=0))
    assert echo_db(device) == pytest.approx(-12, abs=1)
    asyncio.run(commands.execute(ChangeRoom(values={"fault": "weak", "seed": 7})))
    assert echo_db(device) == pytest.approx(-24, abs=1)
    asyncio.run(commands.execute(ChangeRoom(values={"fault": "none"})))
    assert echo_db(device) == pytest.approx(-12, abs=1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fault": "haunted"}, r"audio\.room\.fault = 'haunted'"),
        ({"delay_ms": -1.0}, r"audio\.room\.delay_ms = -1"),
        ({"noise": "street"}, r"audio\.room\.noise: what it is when the node starts"),
        ({"wall": 1.0}, r"audio\.room\.wall"),
    ],
)
def test_what_is_no_room_is_refused_by_name_and_nothing_changes(values: dict[str, str | float], words: str) -> None:
    commands = Commands()
    device = node_device(commands)
    with pytest.raises(CallError, match=words):
        asyncio.run(commands.execute(ChangeRoom(values=values)))
    assert echo_db(device) == pytest.approx(-12, abs=1)


def test_other_devices_have_no_room_to_change() -> None:
    commands = Commands()
    node_device(commands, device="files")
    with pytest.raises(CallError, match="nothing here handles ChangeRoom"):
        asyncio.run(commands.execute(ChangeRoom(values={"fault": "weak"})))
