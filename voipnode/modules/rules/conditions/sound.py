"""Conditions about the door's sound."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from voipnode.calls.events import (
    ClipChanged,
    Event,
    MulticastChanged,
    RecordingChanged,
    SoundChanged,
    SoundLevelPassed,
    SpeakerTestFinished,
)
from voipnode.modules.rules.conditions.base import Moment, So, State, joined
from voipnode.modules.rules.names import Clip, Name


class ClipPlaying(State):
    """A clip plays."""

    heard: ClassVar[tuple[type[Event], ...]] = (ClipChanged,)
    kind: Literal["clip"] = Field(alias="is")
    name: Clip = Field(default="", description="This one; empty: any.")

    def next(self, before: So, event: ClipChanged) -> So:
        return before if self.name not in ("", event.clip) else joined(before, event.clip, so=event.playing)

    def words(self) -> str:
        return f'clip "{self.name}" plays' if self.name else "a clip plays"


class Announcement(State):
    """An announcement by multicast plays."""

    heard: ClassVar[tuple[type[Event], ...]] = (MulticastChanged,)
    kind: Literal["multicast"] = Field(alias="is")
    source: Name = Field(default="", description="Of this source; empty: any.")

    def next(self, before: So, event: MulticastChanged) -> So:
        if self.source not in ("", event.source):
            return before
        return joined(before, event.source, so=event.state == "playing")

    def words(self) -> str:
        return f'announcement "{self.source}" plays' if self.source else "an announcement plays"


class Recording(State):
    """The door's sound is being recorded."""

    heard: ClassVar[tuple[type[Event], ...]] = (RecordingChanged,)
    kind: Literal["recording"] = Field(alias="is")

    def next(self, before: So, event: RecordingChanged) -> So:
        return joined(before, "recording", so=event.on)

    def words(self) -> str:
        return "the door's sound is being recorded"


class Loud(State):
    """It is loud at the door, as `[sound_level]` has it."""

    heard: ClassVar[tuple[type[Event], ...]] = (SoundLevelPassed,)
    kind: Literal["sound_level"] = Field(alias="is")

    def next(self, before: So, event: SoundLevelPassed) -> So:
        return joined(before, "loud", so=event.above)

    def words(self) -> str:
        return "it is loud at the door"


class MicrophoneOn(State):
    """The door's microphone is on: enabled, and not muted."""

    heard: ClassVar[tuple[type[Event], ...]] = (SoundChanged,)
    kind: Literal["microphone"] = Field(alias="is")

    def next(self, before: So, event: SoundChanged) -> So:
        return joined(before, "microphone", so=event.input_enabled and not event.input_muted)

    def words(self) -> str:
        return "the microphone is on"


class SpeakerTested(Moment):
    """A test of the loudspeaker has this result."""

    heard: ClassVar[tuple[type[Event], ...]] = (SpeakerTestFinished,)
    kind: Literal["speaker_test"] = Field(alias="is")
    result: Literal["OK", "Failed"] = "Failed"

    def hears(self, event: SpeakerTestFinished) -> bool:
        return event.state == self.result

    def words(self) -> str:
        return f"a speaker test is {self.result}"
