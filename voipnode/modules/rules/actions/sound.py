"""Actions on the door's sound."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from voipnode.calls.commands import (
    CalibrateSpeaker,
    ChangeSound,
    Command,
    PlayClip,
    RecordSound,
    StopClip,
    TestSpeaker,
)
from voipnode.modules.rules.actions.base import Action, Fired, Lasting, Seconds, clock
from voipnode.modules.rules.names import Clip


class Play(Lasting):
    """Play a clip."""

    kind: Literal["play_clip"] = Field(alias="do")
    clip: Clip
    to: Literal["door", "call", "both"] = "door"
    volume: float = Field(default=100.0, ge=0, le=200, description="Per cent.")
    repeat: int = Field(default=0, ge=0, le=1000, description="How many times more than once.")

    def commands(self, fired: Fired) -> tuple[Command]:
        return (PlayClip(clip=self.clip, to=self.to, volume=self.volume, repeat=self.repeat),)

    def undo(self, fired: Fired) -> Command:
        return StopClip(clip=self.clip)

    def words(self) -> str:
        times = f", {self.repeat + 1} times" if self.repeat else ""
        return f'play "{self.clip}"{times}{self._until()}'


class StopPlaying(Action):
    """Stop the clip that plays."""

    kind: Literal["stop_clip"] = Field(alias="do")
    clip: Clip = Field(default="", description="Only where it is this one.")

    def commands(self, fired: Fired) -> tuple[Command]:
        return (StopClip(clip=self.clip),)

    def words(self) -> str:
        return f'stop "{self.clip}"' if self.clip else "stop the clip"


class Record(Lasting):
    """Record the door's sound to a WAV file, as `[recordings]` has it."""

    kind: Literal["record"] = Field(alias="do")
    duration_s: Seconds = Field(default=30.0, gt=0, le=3600, description='Seconds, or "hh:mm:ss".')

    def commands(self, fired: Fired) -> tuple[Command]:
        return (RecordSound(duration_s=self.duration_s, who=fired.who),)

    def undo(self, fired: Fired) -> Command:
        return RecordSound(duration_s=0.0, who=fired.who)

    def words(self) -> str:
        return f"record the door's sound for {clock(self.duration_s)}{self._until(' at most')}"


class Speaker(Action):
    """Test the loudspeaker, or learn how it sounds."""

    kind: Literal["speaker_test"] = Field(alias="do")
    calibrate: bool = False

    def commands(self, fired: Fired) -> tuple[Command]:
        return (CalibrateSpeaker() if self.calibrate else TestSpeaker(trigger=fired.rule),)

    def words(self) -> str:
        return "calibrate the speaker test" if self.calibrate else "test the loudspeaker"


class Sound(Action):
    """Mute microphone or loudspeaker, or change how loud they are; what is left out stays."""

    kind: Literal["sound"] = Field(alias="do")
    input_muted: bool | None = None
    output_muted: bool | None = None
    input_gain_db: float | None = Field(default=None, ge=-40, le=30)
    output_gain_db: float | None = Field(default=None, ge=-40, le=30)

    def commands(self, fired: Fired) -> tuple[Command]:
        return (
            ChangeSound(
                input_muted=self.input_muted,
                output_muted=self.output_muted,
                input_gain_db=self.input_gain_db,
                output_gain_db=self.output_gain_db,
            ),
        )

    def words(self) -> str:
        changes = self.model_dump(exclude={"kind"}, exclude_none=True).items()
        return "sound: " + (", ".join(f"{key.replace('_', ' ')} {value}" for key, value in changes) or "as it is")
