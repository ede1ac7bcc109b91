"""Settings of microphone and loudspeaker: `[audio]` of voipnode.toml.

Levels in dBFS are relative to a sine wave of full scale (AES17): -12 dBFS is a sine of amplitude 0.25.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from voipnode.dsp.band_limit import HIGH_PASS_HZ
from voipnode.dsp.front_end_options import MAX_GAIN_DB, MIN_GAIN_DB, NOISE_REDUCTION_DB, RANGES, FrontEndOptions
from voipnode.dsp.gain_control import TARGET_DBFS

TONE = re.compile(r"tone:([0-9]{1,5}(?:\.[0-9]{1,3})?)")
MIN_TONE_HZ, MAX_TONE_HZ = 20.0, 20_000.0


def _microphone(text: str) -> str:
    match = TONE.fullmatch(text)
    if text.startswith("tone:") and (match is None or not MIN_TONE_HZ <= float(match[1]) <= MAX_TONE_HZ):
        raise ValueError(f'"tone:" needs a frequency from {MIN_TONE_HZ:.0f} to {MAX_TONE_HZ:.0f} Hz, as in "tone:1000"')
    if not text.strip() or "\0" in text:
        raise ValueError('"silence", "tone:1000" or the path of an audio file is needed')
    return text


Microphone = Annotated[str, Field(max_length=4096), AfterValidator(_microphone)]


def _noise(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError('"white", "street" or the path of an audio file is needed')
    return text


Noise = Annotated[str, Field(max_length=4096), AfterValidator(_noise)]
Fault = Literal["none", "moved", "muffled", "rattling", "weak", "dead_loudspeaker", "dead_microphone", "noisy"]


SOUND_FIELDS = (  # what may change while the node runs
    "input_gain_db",
    "input_muted",
    "output_gain_db",
    "output_muted",
    "echo_cancellation",
    "noise_cancellation",
    "noise_reduction_db",
    "automatic_gain_control",
    "target_dbfs",
    "high_pass_hz",
)


class RoomSettings(BaseModel):
    """The simulated room between loudspeaker and microphone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delay_ms: float = Field(default=20.0, ge=0, le=500, description="From loudspeaker to microphone, milliseconds.")
    echo_db: float = Field(
        default=-12.0, ge=-120, le=20, description="Level of the echo at the microphone against the loudspeaker's, dB."
    )
    rt60_ms: float = Field(
        default=150.0, ge=0, le=1000, description="Reverberation: the time to decay by 60 dB, milliseconds; 0 = none."
    )
    noise: Noise = Field(
        default="white",
        description='What the noise is: "white", "street" (rumble and passing vehicles), or an audio file, in a loop.',
    )
    noise_dbfs: float = Field(default=-65.0, ge=-120, le=-10, description="Its level over all its time, dBFS.")
    clip_dbfs: float = Field(
        default=0.0, ge=-40, le=40, description="The peak that the loudspeaker cannot exceed, dBFS; it clips softly."
    )
    drift_ppm: float = Field(
        default=0.0,
        ge=-1000,
        le=1000,
        description="How much faster the microphone's clock goes than the loudspeaker's, parts in a million.",
    )
    near_reverberation_db: float = Field(
        default=-120.0,
        ge=-120,
        le=10,
        description="Reverberation of who speaks at the microphone, against their direct sound, dB; -120 = none.",
    )
    fault: Fault = Field(
        default="none",
        description='What is wrong: the device has "moved", its loudspeaker is "muffled", "rattling", "weak" or a'
        ' "dead_loudspeaker", or there is a "dead_microphone", or it is too "noisy" to hear anything.',
    )
    seed: int = Field(default=1, ge=0, le=2**31, description="Another number is another room of the same kind.")


class AudioSettings(BaseModel):
    """Where the door's sound comes from and goes to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Literal["auto", "sound_card", "files", "simulated"] = Field(
        default="auto",
        description='"sound_card": a real one; "files": microphone and loudspeaker are files; "simulated": a room in'
        ' software, with echo and noise; "auto": the sound card where there is one, else simulated.',
    )
    rate_hz: Literal[8000, 16000, 48000] = Field(
        default=16000,
        description="Sound at the door: 8000 is a telephone's, 16000 is speech as it is, 48000 is everything; codecs of"
        " more are not run beyond it. A call of narrow-band codecs alone is not made dearer by it.",
    )
    microphone: Microphone = Field(
        default="silence",
        description='Who speaks, without a sound card: "silence", "tone:1000" (Hz), or an audio file of any format.',
    )
    microphone_loop: bool = Field(default=True, description="Play the microphone's file again and again.")
    tone_level_dbfs: float = Field(default=-12.0, ge=-90, le=0, description="Level of a tone, dBFS.")
    loudspeaker_recording: str = Field(
        default="", max_length=4096, description='Write what the loudspeaker plays to this WAV file; "" = do not.'
    )
    recording_max_s: int = Field(default=3600, ge=1, le=86_400, description="The recording ends after this long.")
    input_device: str = Field(default="", max_length=200, description='Sound card to hear with; "" = the default.')
    output_device: str = Field(default="", max_length=200, description='Sound card to play on; "" = the default.')
    room: RoomSettings = Field(default_factory=RoomSettings)

    input_enabled: bool = Field(default=True, description="false: there is no microphone, whatever anybody sets.")
    input_gain_db: float = Field(
        default=0.0, ge=MIN_GAIN_DB, le=MAX_GAIN_DB, description="The microphone's gain, dB; a limiter follows."
    )
    input_muted: bool = Field(default=False, description="Mute the microphone.")
    output_gain_db: float = Field(
        default=0.0, ge=MIN_GAIN_DB, le=MAX_GAIN_DB, description="The loudspeaker's gain, dB; a limiter follows."
    )
    output_muted: bool = Field(default=False, description="Mute the loudspeaker.")
    echo_cancellation: bool | None = Field(
        default=None,
        description="Take what the loudspeaker plays out of what the microphone hears. Unset: yes, but for files.",
    )
    noise_cancellation: bool | None = Field(
        default=None,
        description="Make steady noise softer; a tone is one, too. Unset: yes, but for files and tones.",
    )
    noise_reduction_db: float = Field(
        default=NOISE_REDUCTION_DB,
        ge=RANGES["noise_reduction_db"][0],
        le=RANGES["noise_reduction_db"][1],
        description="By how much at most, dB.",
    )
    automatic_gain_control: bool | None = Field(
        default=None,
        description="Bring speech to target_dbfs, soft or loud, near or far. Unset: yes, but for files and tones.",
    )
    target_dbfs: float = Field(
        default=TARGET_DBFS,
        ge=RANGES["target_dbfs"][0],
        le=RANGES["target_dbfs"][1],
        description="The level of speech that it aims at, dBFS.",
    )
    high_pass_hz: float | None = Field(
        default=None,
        ge=RANGES["high_pass_hz"][0],
        le=RANGES["high_pass_hz"][1],
        description=f"Rumble, wind and hum below it are taken away; 0 = not. Unset: {HIGH_PASS_HZ:.0f}, but for files.",
    )

    def with_sound_of(self, other: AudioSettings) -> AudioSettings:
        """These settings, and what may change while the node runs as `other` has it."""
        return self.model_copy(update={name: getattr(other, name) for name in SOUND_FIELDS})

    @property
    def front_end(self) -> FrontEndOptions:
        """How the door's sound is treated. Files are played as they are, and tones too, unless it is said otherwise:
        they are no sound of a street."""
        is_file, is_tone = self.device == "files", TONE.fullmatch(self.microphone) is not None

        def chosen(wish: bool | None, default: bool) -> bool:
            return default if wish is None else wish

        corner_hz = 0.0 if is_file else HIGH_PASS_HZ
        return FrontEndOptions(
            input_enabled=self.input_enabled,
            high_pass_hz=corner_hz if self.high_pass_hz is None else self.high_pass_hz,
            echo_cancellation=chosen(self.echo_cancellation, not is_file),
            noise_suppression=chosen(self.noise_cancellation, not (is_file or is_tone)),
            noise_reduction_db=self.noise_reduction_db,
            automatic_gain_control=chosen(self.automatic_gain_control, not (is_file or is_tone)),
            target_dbfs=self.target_dbfs,
            input_gain_db=self.input_gain_db,
            input_muted=self.input_muted,
            output_gain_db=self.output_gain_db,
            output_muted=self.output_muted,
        )
