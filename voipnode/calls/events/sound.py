"""Events of the door's sound: gains, levels, the loudspeaker's test, clips, announcements."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from voipnode.calls.events.base import Event


class SpeakerState(StrEnum):
    """How the test of the door's loudspeaker stands."""

    UNCALIBRATED = "Uncalibrated"
    PENDING = "Pending"  # a calibration or a test is under way, or waits for a call to end
    CALIBRATED = "Calibrated"  # and not tested since, or it was too noisy to tell
    OK = "OK"
    FAILED = "Failed"
    DISABLED_IN_HARDWARE = "DisabledInHardware"
    INTERNAL_ERROR = "InternalError"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundChanged(Event):
    """How the door's sound is treated from now on, unless an account wants it otherwise; said once at the start."""

    name: ClassVar[str] = "sound.changed"
    input_enabled: bool
    input_muted: bool
    input_gain_db: float
    output_muted: bool
    output_gain_db: float
    echo_cancellation: bool
    noise_cancellation: bool
    noise_reduction_db: float
    automatic_gain_control: bool
    target_dbfs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundLevelPassed(Event):
    """The sound at the door became louder than what is set (`above`), or has been softer for long enough.

    `level` and `threshold` are from 0, very soft, to 100, full scale; `level_dbfs` is the former as AES17 has it.
    """

    name: ClassVar[str] = "sound_level.passed"
    above: bool
    level: int
    threshold: int
    level_dbfs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerTestChanged(Event):
    """The speaker test stands otherwise. `words` say it for people; times are ISO 8601 in UTC, "" where there is none.

    `verdict` is of the last test: "ok", "moved", "muffled", "rattling", "weak", "dead loudspeaker", "dead microphone",
    "too noisy to tell", or "". `next_utc` is when the next one is due by the schedule.
    """

    name: ClassVar[str] = "speaker_test.changed"
    state: SpeakerState
    words: str
    verdict: str = ""
    calibrated_utc: str = ""
    tested_utc: str = ""
    next_utc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerTestFinished(Event):
    """A test of the loudspeaker has come to its end. Lists have a number for each third octave of `bands_hz`.

    `change_db` is the level against the calibration, at most so much where `counts` is true and the sweep was not
    heard; bands that do not count lay in noise. `offset_db` is of all bands together; `harmonics_db` are orders 2 to 5
    over the fundamental, `distortion_db` all up to the 20th. `noise_dbfs` as AES17 has it.
    """

    name: ClassVar[str] = "speaker_test.finished"
    state: SpeakerState
    verdict: str
    words: str
    trigger: str
    runs: int
    bands_hz: tuple[float, ...] = ()
    level_db: tuple[float, ...] = ()
    change_db: tuple[float, ...] = ()
    tolerance_db: tuple[float, ...] = ()
    snr_db: tuple[float, ...] = ()
    counts: tuple[bool, ...] = ()
    offset_db: float = 0.0
    delay_ms: float = 0.0
    drift_ppm: float = 0.0
    distortion_db: float = 0.0
    harmonics_db: tuple[float, ...] = ()
    noise_dbfs: float = 0.0
    sameness: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MulticastChanged(Event):
    """An announcement by multicast began to play at the door, was interrupted by something else, or is over.

    `source` is its label, `sender` the IP address that it comes from; `encrypted`: by SRTP.
    """

    name: ClassVar[str] = "multicast.changed"
    source: str
    state: str  # "playing" | "interrupted" | "ended"
    priority: int
    sender: str
    codec: str
    encrypted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipChanged(Event):
    """A clip that somebody had played began or ended. `to`: "door", "call" or "both"; `why` it ended: "ended",
    "stopped", "another clip", or "the call is over"."""

    name: ClassVar[str] = "clip.changed"
    clip: str
    playing: bool
    to: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipsChanged(Event):
    """Clips were added, renamed or removed while the node runs; `detail` says it in words."""

    name: ClassVar[str] = "clips.changed"
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingChanged(Event):
    """The door's sound is recorded from now on, to `file`, or no longer; `detail` says why it ended, and how long."""

    name: ClassVar[str] = "recording.changed"
    on: bool
    file: str
    detail: str = ""
