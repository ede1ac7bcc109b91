"""The module at a microphone: it tells when the level is passed, listens only where it is enabled, and can be asked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from voipnode.calls.commands import ReadSoundLevel
from voipnode.calls.errors import CallError
from voipnode.calls.events import SoundLevelPassed
from voipnode.calls.hooks import Bus, Commands, Hear, House, Subscription
from voipnode.modules.sound_level.module import DESCRIPTOR
from voipnode.modules.sound_level.settings import SoundLevelSettings


class Microphone:
    """Lets a test make sound."""

    rate_hz = 8000

    def __init__(self) -> None:
        self.listeners: list[Hear] = []

    def listen(self, hear: Hear, *, who: str) -> Subscription:
        self.listeners.append(hear)
        return Subscription(lambda: self.listeners.remove(hear))

    def sound(self, amplitude: float, seconds: float) -> None:
        noise = np.random.default_rng(1).uniform(-amplitude, amplitude, (round(100 * seconds), 80)).astype(np.float32)
        for frame in noise:
            for hear in self.listeners:
                hear(frame, np.zeros(80, np.float32))


class Scene:
    def __init__(self, *, microphone: bool = True, **settings: object) -> None:
        self.bus = Bus(lambda: 5.0)
        self.told: list[SoundLevelPassed] = []
        self.bus.subscribe(SoundLevelPassed, self.told.append, who="test")
        self.microphone = Microphone()
        self.commands = Commands()
        house = House(self.bus, self.commands, Path("/nonexistent"), microphone=self.microphone if microphone else None)
        self.module = DESCRIPTOR.build(house, SoundLevelSettings.model_validate(settings))

    def ask(self) -> dict[str, object]:
        answer: dict[str, object] = json.loads(asyncio.run(self.commands.execute(ReadSoundLevel())))
        return answer


def test_above_and_below_are_told_once_each() -> None:
    scene = Scene(enabled=True, level=50, hold_s=0.5)
    asyncio.run(scene.module.start())
    scene.microphone.sound(0.0001, 1.0)
    assert scene.told == []
    scene.microphone.sound(0.1, 1.0)
    assert [(event.above, event.threshold) for event in scene.told] == [(True, 50)]
    assert scene.told[0].level >= 50
    now = {
        "above": True,
        "level": pytest.approx(73, abs=1),
        "threshold": 50,
        "level_dbfs": pytest.approx(-21.8, abs=0.5),
    }
    assert scene.ask() == now
    scene.microphone.sound(0.0001, 2.0)
    assert [event.above for event in scene.told] == [True, False]


def test_it_listens_only_where_it_is_enabled_and_until_it_stops() -> None:
    off = Scene()
    asyncio.run(off.module.start())
    assert not off.microphone.listeners
    with pytest.raises(CallError, match=r"sound_level\.enabled = false"):
        off.ask()
    on = Scene(enabled=True)
    asyncio.run(on.module.start())
    assert len(on.microphone.listeners) == 1
    asyncio.run(on.module.stop())
    asyncio.run(on.module.stop())
    assert not on.microphone.listeners


def test_a_house_without_a_microphone_is_refused() -> None:
    with pytest.raises(CallError, match=r"sound_level\.enabled = true"):
        asyncio.run(Scene(microphone=False, enabled=True).module.start())
