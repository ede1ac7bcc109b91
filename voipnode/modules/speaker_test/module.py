"""The speaker test: calibrates when told to, tests when told to or by the clock, and says what it found.

| what has come out | the state after it |
|---|---|
| a calibration | Calibrated |
| none, for noise or since nothing is heard | as it was before |
| a test: it sounds as it did | OK |
| a test: a fault, in two runs | Failed |
| a test: too noisy, in all runs | Calibrated: nothing is known, least of all that it is OK |
| there is no microphone, by the settings | DisabledInHardware |
| anything unforeseen | InternalError |

While it goes on, and while it waits for a call to end, the state is Pending. A call has priority at any moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, time

from voipnode.calls.commands import CalibrateSpeaker, DrawSpeakerTest, TestSpeaker
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import Problem, SpeakerState, SpeakerTestChanged
from voipnode.calls.hooks import DoorSound, House, ModuleDescriptor, Subscription, Tasks
from voipnode.dsp.speaker_analysis import SpeakerMeasurement
from voipnode.dsp.speaker_calibration import SpeakerCalibration, why_no_calibration
from voipnode.dsp.speaker_signal import SpeakerSignal
from voipnode.dsp.speaker_verdict import Comparison, Verdict, compare
from voipnode.modules.speaker_test.measuring import Aside, Measuring, in_a_thread
from voipnode.modules.speaker_test.memory import LASTING, MemoryDamagedError, Remembered, SpeakerMemory
from voipnode.modules.speaker_test.picture import draw
from voipnode.modules.speaker_test.report import finished
from voipnode.modules.speaker_test.schedule import TimeOfDay, WallTimer
from voipnode.modules.speaker_test.settings import SpeakerTestSettings
from voipnode.modules.speaker_test.trial import Trial

log = logging.getLogger(__name__)

NAME = "speaker_test"
STATE_OF = {Verdict.OK: SpeakerState.OK, Verdict.TOO_NOISY: SpeakerState.CALIBRATED}  # a fault: Failed
NOT_YET = "not calibrated: run `voipnode speaker-test calibrate` when it is quiet and all is well"
BY_CLOCK = "schedule"
SPARE_RUNS = 3  # of a calibration, for those in which the sound was interrupted


def utc_now() -> datetime:
    return datetime.now(UTC)


class SpeakerTestModule:
    """Carries out `CalibrateSpeaker`, `TestSpeaker` and `DrawSpeakerTest`, one at a time.

    `now` is the time of day, `aside` where the arithmetic is done, `time_of_day` when tests are due (None: never).
    """

    def __init__(
        self,
        house: House,
        settings: SpeakerTestSettings,
        *,
        now: Callable[[], datetime] = utc_now,
        aside: Aside = in_a_thread,
        time_of_day: TimeOfDay | None = None,
    ) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._door = house.door_sound
        self._settings = settings
        self._now = now
        self._aside = aside
        self._time_of_day = time_of_day
        self._timer = WallTimer(now, self._due)
        self._next_utc = ""
        self._memory = SpeakerMemory(house.state_dir)
        self._known = Remembered()
        self._state = SpeakerState.UNCALIBRATED
        self._words = ""
        self._tasks = Tasks(NAME)
        self._work: asyncio.Task[None] | None = None
        self._places: list[Subscription] = []
        self._measuring: Measuring | None = None

    async def start(self) -> None:
        if self._door is None:
            return
        self._measuring = Measuring(self._door, self._signal(self._door), self._aside)
        self._recall(self._door)
        self._places = [
            self._commands.register(CalibrateSpeaker, self._calibrate, who=NAME),
            self._commands.register(TestSpeaker, self._test, who=NAME),
            self._commands.register(DrawSpeakerTest, self._draw, who=NAME),
        ]
        self._set_timer()
        self._tell()

    async def stop(self) -> None:
        self._timer.cancel()
        for place in self._places:
            place.cancel()
        self._places = []
        await self._tasks.close()

    def _signal(self, door: DoorSound) -> SpeakerSignal:
        return SpeakerSignal(door.rate_hz, passes=self._settings.passes, level_dbfs=self._settings.level_dbfs)

    # ---- what is remembered

    def _recall(self, door: DoorSound) -> None:
        try:
            self._known = self._memory.load()
        except MemoryDamagedError as error:
            self._problem(f"its calibration cannot be used and is set aside as {self._memory.set_aside()}: {error}")
        except OSError as error:
            self._problem(f"its calibration {self._memory.path} cannot be read: {error.strerror or error}")
        if (why := self._why_other(door)) and self._known.calibration is not None:
            self._known = Remembered(scheduled_utc=self._known.scheduled_utc)
            self._problem(why)
        self._rest()

    def _why_other(self, door: DoorSound) -> str:
        """Why the calibration is of another signal than is played now; "" when it is not."""
        calibration = self._known.calibration
        if calibration is None:
            return ""
        if calibration.rate_hz != door.rate_hz:
            return f"it was calibrated at {calibration.rate_hz} Hz, and audio.rate_hz is {door.rate_hz}: calibrate anew"
        if calibration.level_dbfs != self._settings.level_dbfs:
            was = f"it was calibrated with level_dbfs = {calibration.level_dbfs:g}"
            return f"{was}, and that is {self._settings.level_dbfs:g} now: calibrate anew"
        if calibration.bands != self._signal(door).bands:
            return "it was calibrated with another sweep than this version plays: calibrate anew"
        return ""

    async def _remember(self, known: Remembered) -> None:
        self._known = known
        try:
            await self._aside(lambda: self._memory.save(known))
        except OSError as error:
            self._problem(f"the result cannot be written to {self._memory.path}: {error.strerror or error}")

    # ---- what is asked for

    def _calibrate(self, command: CalibrateSpeaker) -> str:
        self._begin(self._run_calibration(), "is being calibrated")
        return ""

    def _test(self, command: TestSpeaker) -> str:
        if self._known.calibration is None and not self._is_disabled:
            raise NotNowError(f"the loudspeaker cannot be tested: {NOT_YET}")
        self._begin(self._run_test(command.trigger), "is being tested")
        return ""

    def _draw(self, command: DrawSpeakerTest) -> str:
        if self._known.calibration is None:
            raise NotNowError(f"there is nothing to draw: {NOT_YET}")
        return draw(self._known.calibration, self._known.result, self._words, self._settings.shape_tolerance_db)

    def _begin(self, work: Coroutine[object, object, None], words: str) -> None:
        """Start, unless something is under way, or in the way: who asks should know why nothing is heard."""
        assert self._door is not None
        if self._work is not None and not self._work.done():
            why = "a calibration or test is under way"
        else:
            why = "" if self._is_disabled else self._door.why_not
        if why:
            work.close()
            raise NotNowError(f"not now: {why}")
        self._start(work, words)

    def _start(self, work: Coroutine[object, object, None], words: str) -> None:
        if self._is_disabled:
            work.close()
            self._rest()
        else:
            self._state, self._words = SpeakerState.PENDING, words
            self._work = self._tasks.start(self._guarded(work))
        self._tell()

    @property
    def _is_disabled(self) -> bool:
        return self._door is not None and bool(self._door.disabled)

    def _due(self) -> None:
        """The clock says that it is time. A test that is under way will do; a call is waited for."""
        self._known.scheduled_utc = self._now().isoformat()
        self._set_timer()
        if self._known.calibration is None and not self._is_disabled:
            self._problem(f"the test by the schedule is left out: {NOT_YET}")
        elif self._work is None or self._work.done():
            self._start(self._run_test(BY_CLOCK), "is being tested, as it is due")
            return  # and that was told
        self._tell()

    def _set_timer(self) -> None:
        if self._time_of_day is None:
            return
        last = self._known.scheduled_utc
        due = self._time_of_day.next(self._now(), datetime.fromisoformat(last) if last else None)
        self._next_utc = due.isoformat()
        self._timer.set(due)

    # ---- what is done

    async def _guarded(self, work: Coroutine[object, object, None]) -> None:
        """Whatever happens inside ends in a state that says so."""
        try:
            await work
        except Exception as error:  # the edge: the state must not stay Pending for ever
            log.exception("the speaker test failed")
            self._state, self._words = SpeakerState.INTERNAL_ERROR, f"the test itself failed: {error}"
        self._tell()

    async def _run_calibration(self) -> None:
        assert self._measuring is not None
        signal = self._measuring.signal
        runs: list[SpeakerMeasurement] = []
        spare = SPARE_RUNS
        while len(runs) < self._settings.calibration_runs:
            run = await self._measuring.run()
            if spare and run.is_unsteady:
                spare -= 1
            else:
                runs.append(run)
        calibration = SpeakerCalibration.of(runs, signal.bands, signal.rate_hz, self._settings.level_dbfs)
        if why := why_no_calibration(runs, calibration):
            self._problem(f"it could not be calibrated: {why}")
            self._rest()
            return
        stamp = self._now().isoformat(timespec="seconds")
        used, all_bands = int(calibration.used.sum()), len(calibration.used)
        words = f"calibrated by {len(runs)} runs, {used} of {all_bands} third octaves heard clearly"
        await self._remember(
            Remembered(
                calibration=calibration,
                calibrated_utc=stamp,
                state=SpeakerState.CALIBRATED,
                words=words,
                scheduled_utc=self._known.scheduled_utc,
            )
        )
        self._rest()

    async def _run_test(self, trigger: str) -> None:
        assert self._measuring is not None
        calibration = self._known.calibration
        assert calibration is not None
        trial = Trial()
        while (result := trial.result) is None:
            if trial.runs and trial.runs[-1].verdict is Verdict.TOO_NOISY:
                await asyncio.sleep(self._settings.retry_pause_s)
            test = await self._measuring.run()
            run = compare(test, calibration, self._settings.tolerances)
            log.info("speaker test, run %d: %s", len(trial.runs) + 1, run.words)
            trial.add(run, test)
        await self._conclude(trigger, calibration, result, trial.measured(result), len(trial.runs))

    async def _conclude(
        self, trigger: str, calibration: SpeakerCalibration, result: Comparison, test: SpeakerMeasurement, runs: int
    ) -> None:
        state = STATE_OF.get(result.verdict, SpeakerState.FAILED)
        event = finished(calibration, result, test, state=state, trigger=trigger, runs=runs)
        known = replace(
            self._known,
            state=state,
            words=result.words,
            verdict=result.verdict.value,
            tested_utc=self._now().isoformat(timespec="seconds"),
            result=event.to_dict(),
        )
        await self._remember(known)
        await self._draw_for_others(calibration, known)
        self._rest()
        self._bus.publish(event)

    async def _draw_for_others(self, calibration: SpeakerCalibration, known: Remembered) -> None:
        """Keep the picture as a file, which a message may carry."""
        drawing = draw(calibration, known.result, known.words, self._settings.shape_tolerance_db)
        try:
            await self._aside(lambda: self._memory.save_picture(drawing))
        except OSError as error:
            log.warning("the picture of the speaker test cannot be written: %s", error.strerror or error)

    # ---- what is told

    def _rest(self) -> None:
        """The state that is to last: what is remembered, or why nothing can be tested."""
        if self._door is not None and self._door.disabled:
            self._state = SpeakerState.DISABLED_IN_HARDWARE
            self._words = f"there is no microphone ({self._door.disabled})"
        elif self._known.calibration is None or self._known.state not in LASTING:
            self._state, self._words = SpeakerState.UNCALIBRATED, NOT_YET
        else:
            self._state, self._words = self._known.state, self._known.words

    def _tell(self) -> None:
        self._bus.publish(
            SpeakerTestChanged(
                at=self._bus.clock(),
                state=self._state,
                words=self._words,
                verdict=self._known.verdict,
                calibrated_utc=self._known.calibrated_utc,
                tested_utc=self._known.tested_utc,
                next_utc=self._next_utc,
            )
        )

    def _problem(self, detail: str) -> None:
        self._bus.publish(Problem(at=self._bus.clock(), where=NAME, detail=detail))


def build(house: House, settings: SpeakerTestSettings) -> SpeakerTestModule:
    at = settings.daily_at
    time_of_day = TimeOfDay(time.fromisoformat(at), settings.every_days) if at else None
    return SpeakerTestModule(house, settings, time_of_day=time_of_day)


DESCRIPTOR = ModuleDescriptor(NAME, SpeakerTestSettings, build)
