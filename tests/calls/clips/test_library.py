"""Which clips there are, and which of them are in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from tests.support.clip_files import clip_file, coded
from voipnode.calls.clips import library as library_file
from voipnode.calls.clips.library import ClipLibrary
from voipnode.calls.clips.reading import ClipError
from voipnode.calls.clips.settings import ClipSettings
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.events import Event, Problem
from voipnode.calls.hooks import Bus


def library(folder: Path, *clips: ClipSettings) -> tuple[ClipLibrary, list[Event]]:
    events: list[Event] = []
    bus = Bus(lambda: 1.0)
    bus.subscribe(Event, events.append, who="test")
    return ClipLibrary(folder, 8000, bus, clips), events


def peak(made: ClipLibrary, name: str) -> float:
    player = made.player(name)
    assert player is not None
    return max(float(np.abs(player.pull(0.0)).max()) for _ in range(30))


def test_a_clip_is_there_once_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "hello.wav").write_bytes(clip_file("wav"))
    made, _ = library(tmp_path, ClipSettings(name="Hello", file="hello.wav", gain_db=-6.0))

    async def scenario() -> None:
        assert made.player("Hello") is None
        await made.load("Hello")
        assert peak(made, "Hello") == pytest.approx(0.125, rel=0.03)
        with pytest.raises(UnknownNameError, match='there is "Hello"'):
            await made.load("Bye")

    asyncio.run(scenario())


def test_a_file_that_is_none_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"hello")
    made, events = library(
        tmp_path, ClipSettings(name="Bad", file="bad.wav"), ClipSettings(name="Gone", file="gone.wav")
    )

    async def scenario() -> None:
        with pytest.raises(ClipError, match=r'clip "Bad" \(bad.wav\): it is none of'):
            await made.load("Bad")
        await made.keep(["Bad", "Gone"])

    asyncio.run(scenario())
    told = [event.detail for event in events if isinstance(event, Problem)]
    assert len(told) == 2
    assert "No such file" in told[1]


def test_normalised_clips_are_equally_loud_and_none_clips(tmp_path: Path) -> None:
    at = np.arange(16000) / 8000
    soft = (300 * np.sin(2 * np.pi * 1000 * at)).astype(np.int16)
    clicks = soft.copy()
    clicks[::4000] = 32000  # no room above
    (tmp_path / "soft.wav").write_bytes(coded(soft, "wav", "pcm_s16le", 8000))
    (tmp_path / "clicks.wav").write_bytes(coded(clicks, "wav", "pcm_s16le", 8000))
    made, _ = library(
        tmp_path,
        ClipSettings(name="soft", file="soft.wav", normalise=True),
        ClipSettings(name="clicks", file="clicks.wav", normalise=True),
    )

    async def scenario() -> None:
        await made.load("soft")
        await made.load("clicks")

    asyncio.run(scenario())
    assert 20 * np.log10(peak(made, "soft")) == pytest.approx(-20 + 3.0, abs=0.7)  # a sine of -20 LUFS
    assert peak(made, "clicks") <= 0.9


def test_memory_is_bounded_and_what_calls_need_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"c{number}" for number in range(5)]
    for name in names:
        (tmp_path / f"{name}.wav").write_bytes(clip_file("wav", rate_hz=8000, seconds=0.5))  # 16,000 bytes in memory
    made, _ = library(tmp_path, *(ClipSettings(name=name, file=f"{name}.wav") for name in names))
    monkeypatch.setattr(library_file, "MAX_CACHED_BYTES", 40_000)

    async def scenario() -> None:
        await made.keep(["c0"])
        for name in names[1:]:
            await made.load(name)

    asyncio.run(scenario())
    assert [name for name in names if made.player(name)] == ["c0", "c4"]
    made.use([ClipSettings(name="c4", file="c4.wav", gain_db=3.0)])
    assert made.player("c4") is None, "read again, with its new gain"
