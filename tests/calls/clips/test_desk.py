"""Clips played on command: to whom, how loud, how often, and what is told of it."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.clip_files import clip_file
from tests.support.switchboard import Clock, Device
from voipnode.calls.clips.desk import ClipDesk
from voipnode.calls.clips.library import ClipLibrary
from voipnode.calls.clips.settings import ClipSettings
from voipnode.calls.commands import ListClips, PlayClip, ReadClip, StopClip
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import CallChanged, CallReason, CallState, ClipChanged
from voipnode.calls.hooks import Bus, Commands


class Rig:
    """A desk at a door whose clock is wound by hand, with clips of 0.5 s."""

    def __init__(self, folder: Path) -> None:
        for name, hz in (("low", 500.0), ("high", 2000.0)):
            (folder / f"{name}.wav").write_bytes(clip_file("wav", rate_hz=8000, hz=hz))
        self.bus, self.commands = Bus(lambda: self.now), Commands()
        self.now = 0.0
        self.device, self.clock = Device(), Clock()
        self.told: list[tuple[str, bool, str]] = []
        self.bus.subscribe(ClipChanged, lambda e: self.told.append((e.clip, e.playing, e.why)), who="test")
        clips = [ClipSettings(name=name, file=f"{name}.wav") for name in ("low", "high")]
        ClipDesk(ClipLibrary(folder, 8000, self.bus, clips), DoorBridge(self.device, self.clock), self.bus).register(
            self.commands
        )

    def run(self, ticks: int) -> float:
        """Wind the clock on; how loud the last 50 ms were."""
        for _ in range(ticks):
            self.now += 0.01
            if self.clock.tick is not None:
                self.clock.tick(self.now)
        return max((float(np.abs(frame).max()) for frame in self.device.heard[-5:]), default=0.0)

    def call(self, state: CallState) -> None:
        self.bus.publish(
            CallChanged(
                call="c1", state=state, reason=CallReason.INITIATED, direction="outgoing", remote="", account=""
            )
        )


def test_played_once_it_ends_by_itself_and_the_door_rests(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path)
        await rig.commands.execute(PlayClip(clip="low", volume=50))
        assert rig.run(20) == pytest.approx(0.125, rel=0.03)
        rig.run(40)
        assert rig.told == [("low", True, ""), ("low", False, "ended")]
        assert not rig.device.running

    asyncio.run(scenario())


def test_repeated_it_plays_on_until_it_is_stopped(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path)
        await rig.commands.execute(PlayClip(clip="low", repeat=3))
        assert rig.run(180) > 0.2
        await rig.commands.execute(StopClip(clip="high"))
        assert rig.run(5) > 0.2
        await rig.commands.execute(StopClip())
        rig.run(6)
        assert rig.told[-1] == ("low", False, "stopped")
        await rig.commands.execute(StopClip())

    asyncio.run(scenario())


def test_the_next_one_takes_its_place_and_calls_have_their_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path)
        with pytest.raises(NotNowError, match="no call now"):
            await rig.commands.execute(PlayClip(clip="low", to="call"))
        rig.call(CallState.ACTIVE)
        await rig.commands.execute(PlayClip(clip="low", to="call"))
        assert rig.run(10) == 0.0, "the visitor does not hear it"
        await rig.commands.execute(PlayClip(clip="high", to="call"))
        rig.run(10)
        rig.call(CallState.TERMINATED)
        assert rig.told == [
            ("low", True, ""),
            ("low", False, "another clip"),
            ("high", True, ""),
            ("high", False, "the call is over"),
        ]
        assert not rig.device.running

    asyncio.run(scenario())


def test_of_two_wishes_at_once_the_later_one_counts(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path)
        both = (rig.commands.execute(PlayClip(clip=name)) for name in ("low", "high"))
        await asyncio.gather(*both)
        rig.run(100)
        assert rig.told == [("high", True, ""), ("high", False, "ended")]

    asyncio.run(scenario())


def test_what_cannot_be_played_is_said_in_words(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path)
        with pytest.raises(UnknownNameError, match='clip "noise"'):
            await rig.commands.execute(PlayClip(clip="noise"))
        for wrong in (PlayClip(clip="low", to="roof"), PlayClip(clip="low", repeat=-1), PlayClip(clip="low", volume=0)):
            with pytest.raises(CallError, match="right"):
                await rig.commands.execute(wrong)
        (tmp_path / "low.wav").unlink()
        with pytest.raises(CallError, match="No such file"):
            await rig.commands.execute(PlayClip(clip="low"))
        assert rig.told == []
        listed = json.loads(await rig.commands.execute(ListClips()))
        assert [(clip["name"], clip["bytes"]) for clip in listed["clips"]] == [
            ("low", 0),
            ("high", (tmp_path / "high.wav").stat().st_size),
        ]
        read = json.loads(await rig.commands.execute(ReadClip(clip="high")))
        assert base64.b64decode(read["content"]) == (tmp_path / "high.wav").read_bytes()

    asyncio.run(scenario())
