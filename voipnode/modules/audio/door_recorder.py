"""Records the door's sound to WAV files, when somebody asks for it: the visitor and whom he hears, mixed."""

from __future__ import annotations

import asyncio
import functools
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from voipnode.calls.commands import RecordSound
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import Problem, RecordingChanged
from voipnode.calls.hooks import Frame, House, ModuleDescriptor, Subscription, Tasks
from voipnode.modules.audio.recording import WavRecorder

NAME = "recordings"
FOLDER = "recordings"  # in the state folder
FREE_BYTES = 100_000_000  # that are left on the disk, for what matters more


class RecordingsSettings(BaseModel):
    """Recordings of the door's sound, which rules begin; kept in the state folder, under recordings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=False, description="In many countries people have to be told that they are recorded.")
    longest_s: float = Field(default=300.0, gt=0, le=3600, description="Of one recording.")
    keep_mb: int = Field(default=500, ge=1, le=100_000, description="Of all together: the oldest make room.")
    keep_days: int = Field(default=30, ge=1, le=3650, description="So long one is kept, at most.")


class DoorRecorder:
    """Carries out `RecordSound`; `utc_now` gives the wall's clock as an aware datetime."""

    def __init__(
        self, house: House, settings: RecordingsSettings, utc_now: Callable[[], datetime] | None = None
    ) -> None:
        self._house = house
        self._settings = settings
        self._utc_now = utc_now or functools.partial(datetime.now, UTC)
        self._folder = house.state_dir / FOLDER
        self._places: list[Subscription] = []
        self._recorder: WavRecorder | None = None
        self._ear: Subscription | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._began_at = 0.0
        self._is_starting = False
        self._tasks = Tasks(NAME)

    async def start(self) -> None:
        """Take the command; recording begins when it comes."""
        self._places = [self._house.commands.register(RecordSound, self._record, who=NAME)]

    async def stop(self) -> None:
        """End what is being recorded, and have it on the disk."""
        for place in self._places:
            place.cancel()
        self._places = []
        await self._end("the node stops")
        await self._tasks.close()

    async def _record(self, command: RecordSound) -> str:
        if command.duration_s == 0:
            await self._end("ended")
            return ""
        microphone = self._house.microphone
        if not self._settings.enabled:
            raise CallError("recordings.enabled = false: nothing is recorded; set it to true and start again")
        if microphone is None:
            raise CallError("audio.input_enabled = false: there is no microphone to record")
        if not 0 < command.duration_s <= self._settings.longest_s:
            words = f"at most {self._settings.longest_s:g} (recordings.longest_s) is right"
            raise CallError(f"duration_s = {command.duration_s:g}: {words}")
        if self._recorder is not None or self._is_starting:
            raise NotNowError("something is being recorded already")
        self._is_starting = True
        try:
            path = await asyncio.to_thread(self._new_file)
        except OSError as error:
            raise NotNowError(f"{self._folder}: {error.strerror or error}") from error
        finally:
            self._is_starting = False
        recorder = self._recorder = WavRecorder(path, microphone.rate_hz, max_s=command.duration_s)
        recorder.start()
        self._ear = microphone.listen(lambda heard, played: self._hear(recorder, heard, played), who=NAME)
        self._began_at = self._house.bus.clock()
        self._timer = asyncio.get_running_loop().call_later(command.duration_s, self._time_is_over)
        self._house.bus.publish(RecordingChanged(on=True, file=path.name, detail=f"for {command.who}"))
        return path.name

    @staticmethod
    def _hear(recorder: WavRecorder, heard: Frame, played: Frame) -> None:
        recorder.write(heard + played)

    def _time_is_over(self) -> None:
        self._tasks.start(self._end("its time is over"))

    async def _end(self, why: str) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        assert self._ear is not None
        assert self._timer is not None
        self._ear.cancel()
        self._timer.cancel()
        await asyncio.to_thread(recorder.close)
        bus = self._house.bus
        words = f"{bus.clock() - self._began_at:.1f} s, {why}"
        bus.publish(RecordingChanged(on=False, file=recorder.path.name, detail=words))
        if recorder.problem and "is full" not in recorder.problem:  # full is as long as it was to be
            bus.publish(Problem(where=NAME, detail=recorder.problem))

    def _new_file(self) -> Path:
        """The place of a new recording, with room made for it. Blocks; raises OSError, NotNowError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        now = self._utc_now()
        self._make_room(now)
        if shutil.disk_usage(self._folder).free < FREE_BYTES:
            raise NotNowError(f"the disk is almost full: {FREE_BYTES // 1_000_000} MB are kept free")
        stem = now.strftime("%Y%m%dT%H%M%SZ")
        path, number = self._folder / f"{stem}.wav", 1
        while path.exists():
            number += 1
            path = self._folder / f"{stem}-{number}.wav"
        return path

    def _make_room(self, now: datetime) -> None:
        """Remove what is too old, and the oldest as long as all are too much."""
        known = sorted(((file.stat().st_mtime, file) for file in self._folder.glob("*.wav")), reverse=True)
        kept = 0
        for written_at, file in known:
            kept += file.stat().st_size
            is_old = now.timestamp() - written_at > 86_400 * self._settings.keep_days
            if is_old or kept > 1_000_000 * self._settings.keep_mb:
                file.unlink(missing_ok=True)


def build(house: House, settings: RecordingsSettings) -> DoorRecorder:
    return DoorRecorder(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, RecordingsSettings, build)
