"""Commands for the door's sound: gains, clips, the loudspeaker's test, the simulated room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from voipnode.calls.commands.base import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRoom(Command):
    """Make the simulated room another one from now on: fields of `[audio.room]` and what they shall be."""

    values: Mapping[str, str | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSound(Command):
    """Treat the door's sound otherwise from now on; None: as it is."""

    input_muted: bool | None = None
    input_gain_db: float | None = None
    output_muted: bool | None = None
    output_gain_db: float | None = None
    echo_cancellation: bool | None = None
    noise_cancellation: bool | None = None
    noise_reduction_db: float | None = None
    automatic_gain_control: bool | None = None
    target_dbfs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSound(Command):
    """How the door's sound stands now: its levels and what its blocks have found out, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSoundLevel(Command):
    """How loud it is at the door now. Returns JSON: above, level, threshold, level_dbfs, as in `SoundLevelPassed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateSpeaker(Command):
    """Learn how the door's loudspeaker sounds now, as what is well. How it goes is told by `SpeakerTestChanged`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSpeaker(Command):
    """Compare how the door's loudspeaker sounds with its calibration; `SpeakerTestFinished` has the result.

    `trigger` says who wants it: "api", "schedule", a rule's name.
    """

    __test__ = False  # of pytest's: it is a command, not a test

    trigger: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawSpeakerTest(Command):
    """Draw the calibration with the last test against it. Returns a picture, as SVG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayClip(Command):
    """Play a clip: to the visitor ("door"), to the far side of the call that is on ("call"), or to "both".

    `volume` is a percentage of the amplitude, `repeat` how many times more than once. One that plays gives way.
    Raises UnknownNameError, NotNowError without a call to play to, CallError for a file that cannot be read.
    """

    clip: str
    to: str = "door"
    volume: float = 100.0
    repeat: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopClip(Command):
    """Fade out what `PlayClip` plays; with a `clip`, only where it is that one. Nothing to stop is no error."""

    clip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSound(Command):
    """Record the door's sound for `duration_s`, from now on; 0 ends what is being recorded. Returns the file's name.

    Raises NotNowError while something is recorded, and where there is no room; CallError where recording is off.
    """

    duration_s: float
    who: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddClip(Command):
    """Add an audio file as a clip, to the folder and the settings. Returns its name.

    Raises CallError for a file that is no clip, FieldsError for a name that is taken or cannot be.
    """

    clip: str
    content: bytes = field(repr=False)
    gain_db: float = 0.0
    normalise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameClip(Command):
    """Give a clip another name; settings that play it do so by the new one. Raises UnknownNameError, FieldsError."""

    clip: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveClip(Command):
    """Take a clip out of the settings and its file out of the folder. Raises FieldsError where a setting plays it."""

    clip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListClips(Command):
    """All clips and what is playing, as JSON: "clips" (name, file, bytes, gain_db, normalise) and "playing", "to"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadClip(Command):
    """The file of a clip: JSON with its name as "file" and its bytes in base64 as "content"."""

    clip: str
