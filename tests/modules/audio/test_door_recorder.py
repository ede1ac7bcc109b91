"""The door's sound recorded for a rule: what is heard in the file, for how long, and what is kept of older ones."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.modules.audio.test_recording import read_wav
from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import RecordSound
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import RecordingChanged
from voipnode.calls.hooks import Bus, Commands, Frame, Hear, House, Subscription
from voipnode.modules.audio.door_recorder import DoorRecorder, RecordingsSettings

NOW = datetime(2026, 11, 22, 3, 15, tzinfo=UTC)
RATE_HZ = 8000


class Ears:
    """A microphone whose listeners a test tells what is heard."""

    rate_hz = RATE_HZ

    def __init__(self) -> None:
        self.listeners: list[Hear] = []

    def listen(self, hear: Hear, *, who: str) -> Subscription:
        self.listeners.append(hear)
        return Subscription(lambda: self.listeners.remove(hear))

    def hear(self, seconds: float, heard: float, played: float) -> None:
        for _ in range(round(100 * seconds)):
            frames: tuple[Frame, Frame] = (
                np.full(RATE_HZ // 100, heard, np.float32),
                np.full(RATE_HZ // 100, played, np.float32),
            )
            for listener in self.listeners:
                listener(*frames)


class Room:
    def __init__(self, folder: Path, **settings: object) -> None:
        self.bus = Bus(asyncio.get_running_loop().time)
        self.commands = Commands()
        self.ears = Ears()
        self.told: list[RecordingChanged] = []
        self.over = asyncio.Event()
        self.bus.subscribe(RecordingChanged, self._hear, who="test")
        house = House(self.bus, self.commands, folder, microphone=self.ears)
        wanted = RecordingsSettings.model_validate({"enabled": True, **settings})
        self.module = DoorRecorder(house, wanted, lambda: NOW)

    def _hear(self, event: RecordingChanged) -> None:
        self.told.append(event)
        if not event.on:
            self.over.set()

    async def record(self, seconds: float) -> str:
        return await self.commands.execute(RecordSound(duration_s=seconds, who="test"))


def with_room(story: Callable[[Room], Awaitable[None]], folder: Path, **settings: object) -> None:
    async def play() -> None:
        room = Room(folder, **settings)
        await room.module.start()
        await story(room)
        await room.module.stop()

    run_virtual(play())


def test_visitor_and_loudspeaker_are_recorded_until_the_time_is_over(tmp_path: Path) -> None:
    async def story(room: Room) -> None:
        name = await room.record(30)
        with pytest.raises(NotNowError, match="already"):
            await room.record(30)
        room.ears.hear(1.2, 0.25, 0.5)
        await room.over.wait()
        assert not room.ears.listeners
        rate_hz, samples = read_wav(tmp_path / "recordings" / name)
        assert (rate_hz, len(samples), int(samples[0])) == (RATE_HZ, round(1.2 * RATE_HZ), 24575)  # 0.75
        assert name == "20261122T031500Z.wav"
        assert [each.detail for each in room.told] == ["for test", "30.0 s, its time is over"]
        assert await room.record(30) == "20261122T031500Z-2.wav"
        await room.record(0)
        assert [each.on for each in room.told] == [True, False, True, False]
        await room.record(0)  # nothing to end is no error

    with_room(story, tmp_path)


def test_the_oldest_make_room_and_none_is_kept_for_ever(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for days, size in ((40, 10), (3, 900_000), (2, 400_000), (1, 500_000)):
        file = folder / f"{days} days.wav"
        file.write_bytes(bytes(size))
        os.utime(file, (NOW.timestamp() - 86_400 * days,) * 2)

    async def story(room: Room) -> None:
        name = await room.record(1)
        await room.record(0)
        assert sorted(each.name for each in folder.iterdir()) == ["1 days.wav", "2 days.wav", name]

    with_room(story, tmp_path, keep_mb=1)


def test_what_is_not_allowed_or_too_long_is_said_by_its_setting(tmp_path: Path) -> None:
    async def off(room: Room) -> None:
        with pytest.raises(CallError, match=r"recordings\.enabled = false"):
            await room.record(1)

    async def long(room: Room) -> None:
        with pytest.raises(CallError, match=r"duration_s = 301: at most 300 \(recordings\.longest_s\)"):
            await room.record(301)

    with_room(off, tmp_path, enabled=False)
    with_room(long, tmp_path)
    assert not (tmp_path / "recordings").exists()
