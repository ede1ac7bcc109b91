"""Settings of the speaker test: `[speaker_test]` of voipnode.toml."""

from __future__ import annotations

from datetime import time
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from voipnode.dsp.speaker_calibration import MIN_RUNS
from voipnode.dsp.speaker_signal import MAX_PASSES, MIN_PASSES
from voipnode.dsp.speaker_verdict import Tolerances


def _time_of_day(text: str) -> str:
    if text:
        try:
            time.fromisoformat(text)
        except ValueError:
            raise ValueError('a time of day such as "18:00" is needed, or "" for none') from None
        if len(text) != len("18:00"):
            raise ValueError('hours and minutes are needed, as in "18:00"')
    return text


class SpeakerTestSettings(BaseModel):
    """The test of the door's loudspeaker by its microphone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    daily_at: Annotated[str, AfterValidator(_time_of_day)] = Field(
        default="",
        description='Test by itself at this time of day, local, such as "18:00"; "": only when asked. It is a loud'
        " sound of ten seconds, and needs a calibration.",
    )
    every_days: int = Field(default=1, ge=1, le=31, description="And that only every so many days.")
    level_dbfs: float = Field(default=-12.0, ge=-40, le=-1, description="Level of the sweep, dBFS.")
    passes: int = Field(
        default=3, ge=MIN_PASSES, le=MAX_PASSES, description="How often a run plays the sweep; more hear through noise."
    )
    calibration_runs: int = Field(
        default=MIN_RUNS, ge=MIN_RUNS, le=10, description="Runs whose mean and spread are the calibration."
    )
    level_tolerance_db: float = Field(
        default=6.0, ge=1, le=20, description="What all bands together may be softer or louder than then, dB."
    )
    shape_tolerance_db: float = Field(
        default=6.0, ge=1, le=20, description="What each third octave may stray from that, dB."
    )
    shape_share: float = Field(default=0.8, ge=0.5, le=1, description="The share of third octaves that must not stray.")
    distortion_tolerance_db: float = Field(default=10.0, ge=3, le=40, description="What distortion may rise by, dB.")
    sameness: float = Field(
        default=0.993,
        ge=0,
        le=0.9999,
        description="How alike the first 50 ms of the response must be to be sure that the device was not moved; 0: it"
        " may be moved.",
    )
    retry_pause_s: float = Field(
        default=20.0, ge=0, le=3600, description="How long to wait for less noise before another run, seconds."
    )

    @property
    def tolerances(self) -> Tolerances:
        return Tolerances(
            level_db=self.level_tolerance_db,
            shape_db=self.shape_tolerance_db,
            share=self.shape_share,
            distortion_db=self.distortion_tolerance_db,
            sameness=self.sameness,
        )
