"""The speaker test as a module: it calibrates, tests, gives way, remembers; in virtual time, in a simulated room."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.ticker import LoopTicker
from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import CalibrateSpeaker, Command, DrawSpeakerTest, TestSpeaker
from voipnode.calls.door_measurement import DoorMeasurement
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import (
    CallChanged,
    CallReason,
    CallState,
    Problem,
    SpeakerState,
    SpeakerTestChanged,
    SpeakerTestFinished,
)
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.dsp.speaker_signal import SpeakerSignal
from voipnode.modules.audio.settings import RoomSettings
from voipnode.modules.audio.simulated import SimulatedRoom
from voipnode.modules.audio.sources import Silence
from voipnode.modules.speaker_test.module import SpeakerTestModule
from voipnode.modules.speaker_test.schedule import TimeOfDay
from voipnode.modules.speaker_test.settings import SpeakerTestSettings

T = TypeVar("T")
RATE_HZ = 8000
SETTINGS = SpeakerTestSettings(passes=2)
RUN_S = len(SpeakerSignal(RATE_HZ, passes=2).samples) / RATE_HZ
PENDING, CALIBRATED, OK, FAILED = (
    SpeakerState.PENDING,
    SpeakerState.CALIBRATED,
    SpeakerState.OK,
    SpeakerState.FAILED,
)


async def at_once(work: Callable[[], T]) -> T:
    """In virtual time a thread would take none, or too much."""
    return work()


class Scene:
    """A house with nothing but a simulated door and the speaker test. It is noon when the loop begins."""

    def __init__(
        self,
        folder: Path,
        settings: SpeakerTestSettings = SETTINGS,
        *,
        disabled: str = "",
        daily_at: time | None = None,
    ) -> None:
        self.bus, self.commands = Bus(asyncio.get_running_loop().time), Commands()
        self.room = SimulatedRoom(RATE_HZ, RoomSettings(), Silence(RATE_HZ))
        self.door = DoorMeasurement(self.room, LoopTicker(), self.bus, disabled=disabled)
        self.changes: list[SpeakerTestChanged] = []
        self.results: list[SpeakerTestFinished] = []
        self.problems: list[Problem] = []
        self._changed = asyncio.Event()
        self.bus.subscribe(SpeakerTestChanged, self.changes.append, who="test")
        self.bus.subscribe(SpeakerTestChanged, lambda _: self._changed.set(), who="test")
        self.bus.subscribe(SpeakerTestFinished, self.results.append, who="test")
        self.bus.subscribe(Problem, self.problems.append, who="test")
        self.module = SpeakerTestModule(
            House(self.bus, self.commands, folder, self.door),
            settings,
            now=lambda: datetime(2026, 11, 21, 12, tzinfo=UTC) + timedelta(seconds=asyncio.get_running_loop().time()),
            aside=at_once,
            time_of_day=TimeOfDay(daily_at, zone=UTC) if daily_at is not None else None,
        )

    @property
    def states(self) -> list[SpeakerState]:
        return [change.state for change in self.changes]

    def break_it(self, fault: str) -> None:
        self.room.change(RoomSettings.model_validate({"fault": fault}))

    def call(self, state: CallState) -> None:
        self.bus.publish(
            CallChanged(
                call="c1", state=state, reason=CallReason.INITIATED, direction="incoming", remote="", account=""
            )
        )

    async def finished(self, command: Command) -> SpeakerState:
        """The state after the command, once it is carried out."""
        await self.commands.execute(command)
        await self.rest()
        return self.changes[-1].state

    async def rest(self) -> None:
        """Until nothing is under way."""
        while self.changes[-1].state is PENDING:
            self._changed.clear()
            await self._changed.wait()


def play(work: Callable[[Scene], Awaitable[None]], folder: Path, **options: object) -> None:
    """Run a scene from the start of its module to its stop."""

    async def whole() -> None:
        scene = Scene(folder, **options)  # type: ignore[arg-type]  # the options of `Scene`
        await scene.module.start()
        try:
            await work(scene)
        finally:
            await scene.module.stop()

    run_virtual(whole(), limit_s=200_000)


def test_calibrated_then_ok_then_broken_then_remembered(tmp_path: Path) -> None:
    async def first(scene: Scene) -> None:
        assert scene.states == [SpeakerState.UNCALIBRATED]
        with pytest.raises(NotNowError, match="not calibrated"):
            await scene.commands.execute(TestSpeaker())
        assert await scene.finished(CalibrateSpeaker()) is CALIBRATED
        assert asyncio.get_running_loop().time() == pytest.approx(3 * RUN_S, abs=1.0)
        assert await scene.finished(TestSpeaker(trigger="api")) is OK
        assert scene.results[-1].verdict == "ok"
        assert scene.results[-1].runs == 1
        scene.break_it("muffled")
        assert await scene.finished(TestSpeaker(trigger="rule")) is FAILED
        result = scene.results[-1]
        assert (result.verdict, result.runs, result.trigger) == ("muffled", 2, "rule")
        assert "high tones are" in result.words
        assert len(result.bands_hz) == len(result.change_db) == len(result.counts) == 16
        assert scene.problems == []

    async def after_a_restart(scene: Scene) -> None:
        assert scene.states == [FAILED]
        assert scene.changes[0].verdict == "muffled"
        assert scene.changes[0].calibrated_utc.startswith("2026-11-21T12:00")
        assert await scene.finished(TestSpeaker()) is OK  # this room is well
        drawing = await scene.commands.execute(DrawSpeakerTest())
        assert (tmp_path / "speaker_test.svg").read_text() == drawing  # for messages to carry
        picture = ET.fromstring(drawing)
        assert picture.tag == "{http://www.w3.org/2000/svg}svg"
        assert "it sounds as it did" in "".join(picture.itertext())

    play(first, tmp_path)
    play(after_a_restart, tmp_path)


def test_noise_is_tried_again_and_is_never_ok(tmp_path: Path) -> None:
    async def scene(scene: Scene) -> None:
        await scene.finished(CalibrateSpeaker())
        scene.break_it("noisy")
        began_at = asyncio.get_running_loop().time()
        assert await scene.finished(TestSpeaker()) is CALIBRATED
        assert scene.results[-1].verdict == "too noisy to tell"
        assert scene.results[-1].runs == 4
        assert asyncio.get_running_loop().time() - began_at == pytest.approx(4 * RUN_S + 3 * 20.0, abs=1.0)

    play(scene, tmp_path)


def test_what_is_dead_is_no_calibration(tmp_path: Path) -> None:
    async def scene(scene: Scene) -> None:
        scene.break_it("dead_loudspeaker")
        assert await scene.finished(CalibrateSpeaker()) is SpeakerState.UNCALIBRATED
        assert "the loudspeaker is not heard" in scene.problems[-1].detail
        with pytest.raises(NotNowError, match="nothing to draw"):
            await scene.commands.execute(DrawSpeakerTest())

    play(scene, tmp_path)


def test_a_call_has_priority_and_the_test_is_done_after_it(tmp_path: Path) -> None:
    async def scene(scene: Scene) -> None:
        await scene.finished(CalibrateSpeaker())
        await scene.commands.execute(TestSpeaker())
        await asyncio.sleep(3.0)
        scene.call(CallState.RINGING)
        await asyncio.sleep(60.0)
        assert scene.changes[-1].state is PENDING
        scene.call(CallState.TERMINATED)
        over_at = asyncio.get_running_loop().time()
        await scene.rest()
        assert asyncio.get_running_loop().time() - over_at == pytest.approx(5.0 + RUN_S, abs=0.3)
        assert scene.changes[-1].state is OK

    play(scene, tmp_path)


def test_who_asks_during_a_call_or_a_test_is_told_so(tmp_path: Path) -> None:
    async def scene(scene: Scene) -> None:
        scene.call(CallState.ACTIVE)
        with pytest.raises(NotNowError, match="a call is on"):
            await scene.commands.execute(CalibrateSpeaker())
        scene.call(CallState.TERMINATED)
        await scene.commands.execute(CalibrateSpeaker())
        await asyncio.sleep(0.1)
        with pytest.raises(NotNowError, match="under way"):
            await scene.commands.execute(CalibrateSpeaker())

    play(scene, tmp_path)


def test_it_is_tested_every_day_at_its_time(tmp_path: Path) -> None:
    async def scene(scene: Scene) -> None:
        assert scene.changes[-1].next_utc == "2026-11-21T18:00:00+00:00"
        await scene.finished(CalibrateSpeaker())
        await asyncio.sleep(6 * 3600)
        assert [result.trigger for result in scene.results] == ["schedule"]
        assert scene.changes[-1].state is OK
        assert scene.changes[-1].next_utc == "2026-11-22T18:00:00+00:00"
        scene.break_it("weak")
        await asyncio.sleep(24 * 3600)
        assert [result.verdict for result in scene.results] == ["ok", "weak"]

    play(scene, tmp_path, daily_at=time(18))


def test_without_a_calibration_the_daily_test_is_a_problem_each_day(tmp_path: Path) -> None:
    async def scene(scene: Scene) -> None:
        await asyncio.sleep(36 * 3600)
        assert [problem.where for problem in scene.problems] == ["speaker_test", "speaker_test"]
        assert "voipnode speaker-test calibrate" in scene.problems[0].detail
        assert set(scene.states) == {SpeakerState.UNCALIBRATED}

    play(scene, tmp_path, daily_at=time(18))


def test_a_disabled_microphone_is_its_own_state(tmp_path: Path) -> None:
    async def scene(scene: Scene) -> None:
        assert scene.states == [SpeakerState.DISABLED_IN_HARDWARE]
        assert await scene.finished(TestSpeaker()) is SpeakerState.DISABLED_IN_HARDWARE
        assert "audio.input_enabled = false" in scene.changes[-1].words
        assert scene.results == []

    play(scene, tmp_path, disabled="audio.input_enabled = false")


def test_a_calibration_of_another_signal_is_not_compared(tmp_path: Path) -> None:
    async def calibrate(scene: Scene) -> None:
        await scene.finished(CalibrateSpeaker())

    async def softer(scene: Scene) -> None:
        assert scene.states == [SpeakerState.UNCALIBRATED]
        assert "level_dbfs = -12, and that is -20 now" in scene.problems[0].detail

    play(calibrate, tmp_path)
    play(softer, tmp_path, settings=SpeakerTestSettings(passes=2, level_dbfs=-20.0))


def test_a_damaged_file_is_told_and_the_module_starts(tmp_path: Path) -> None:
    (tmp_path / "speaker_test.json").write_text("{")

    async def scene(scene: Scene) -> None:
        assert scene.states == [SpeakerState.UNCALIBRATED]
        assert "is set aside as" in scene.problems[0].detail

    play(scene, tmp_path)


def test_what_fails_inside_is_an_error_and_not_pending_for_ever(tmp_path: Path) -> None:
    async def scene(scene: Scene) -> None:
        def broken() -> None:
            raise RuntimeError("no such device")

        scene.room.start = broken  # type: ignore[method-assign]  # a device that fails
        assert await scene.finished(CalibrateSpeaker()) is SpeakerState.INTERNAL_ERROR
        assert "no such device" in scene.changes[-1].words

    play(scene, tmp_path)
