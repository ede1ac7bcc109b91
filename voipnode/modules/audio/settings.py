"""Settings of microphone and loudspeaker: `[audio]` of voipnode.toml.

Levels in dBFS are relative to a sine wave of full scale (AES17): -12 dBFS is a sine of amplitude 0.25.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

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
