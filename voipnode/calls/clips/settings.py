"""Settings of audio clips, `[[clips]]`, and of where calls play them, `[sip.sounds]` and `[sip.incoming]`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_CLIPS = 100
ClipName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f/\\?#]+$")]
Gain = Annotated[float, Field(ge=-40.0, le=20.0)]
Path = tuple[str | int, ...]


class ClipSettings(BaseModel):
    """One audio clip."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClipName = Field(description="Its name in settings, commands and links.")
    file: str = Field(
        max_length=128,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_. -]*$",
        description="A file in the folder clips of the node's own folder: au, wav, mp3, opus or vorbis.",
    )
    gain_db: Gain = Field(default=0.0, description="Louder or softer than it was recorded, wherever it is played.")
    normalise: bool = Field(
        default=False, description="Play it as loud as every clip that is so: -20 LUFS (ITU-R BS.1770)."
    )


class SoundsSettings(BaseModel):
    """What a visitor hears of a call that the door places. A group's own settings take the place of `[sip.sounds]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ringback_clip: str = Field(default="", description="Clip while it rings, over and over; none: the tone.")
    ringback_gain_db: Gain = 0.0
    nobody_clip: str = Field(default="", description="Clip when nobody has answered.")
    nobody_gain_db: Gain = 0.0
    busy_clip: str = Field(default="", description="Clip when who was called is busy or refuses; none: the busy tone.")
    busy_gain_db: Gain = 0.0
    busy_tone: bool | None = Field(
        default=None,
        description="Where there is no busy_clip, three seconds of 425 Hz in a quick cadence: by default yes.",
    )
    connected_beep: bool | None = Field(
        default=None, description="A short tone when somebody has answered: by default no."
    )

    def over(self, general: SoundsSettings) -> SoundsSettings:
        """These, and `general` where they leave something open. A gain goes with its clip."""
        return SoundsSettings(
            **_clip("ringback", self if self.ringback_clip else general),
            **_clip("nobody", self if self.nobody_clip else general),
            **_clip("busy", self if self.busy_clip else general),
            busy_tone=general.busy_tone if self.busy_tone is None else self.busy_tone,
            connected_beep=general.connected_beep if self.connected_beep is None else self.connected_beep,
        )


class GroupSounds(SoundsSettings):
    """The same of a group, and what it has otherwise than `[sip.early_media]`."""

    early_media: Literal["", "first", "last", "heard", "ringback"] = Field(
        default="", description="Whose sound the visitor hears while it rings, where not as for all calls."
    )
    early_microphone: bool | None = Field(
        default=None, description="Whether phones that ring hear the visitor, where not as for all calls."
    )


def _clip(name: str, of: SoundsSettings) -> dict[str, Any]:
    return {key: getattr(of, key) for key in (f"{name}_clip", f"{name}_gain_db")}


class IncomingSettings(BaseModel):
    """What happens at the door when somebody calls it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    do_not_disturb: str = Field(
        default="",
        max_length=64,
        description='A schedule while which nobody rings here (callers hear 480), or "always"; "": never.',
    )
    ringtone_clip: str = Field(default="", description="Clip while a call rings here, over and over; none: silence.")
    ringtone_gain_db: Gain = 0.0
    attention_clip: str = Field(
        default="",
        description="Clip that is played once in place of the ringtone; when it has ended, the call is answered.",
    )
    attention_gain_db: Gain = 0.0


class EarlyMediaSettings(BaseModel):
    """What the visitor hears while several phones ring, of which each may send sound before it answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Literal["first", "last", "heard", "ringback"] = Field(
        default="first",
        description="Whose sound: of the first that offered any, of the last one, of the first that really sends some;"
        " or nobody's, and always the ringing made here. Who is gone or falls silent gives way to the next.",
    )
    silent_after_s: float = Field(
        default=5.0, ge=1.0, le=60.0, description="A phone whose sound stops for so long gives way."
    )
    microphone: bool = Field(
        default=False, description="Let every phone that rings with sound hear the visitor before it is answered."
    )


class ClipsSettings(BaseModel):
    """The clips of the node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clips: tuple[ClipSettings, ...] = Field(default=(), max_length=MAX_CLIPS)


def clip_names(settings: BaseModel) -> Iterator[tuple[str, str]]:
    """The settings that name a clip, and which."""
    for key in type(settings).model_fields:
        if key.endswith("_clip") and getattr(settings, key):
            yield key, getattr(settings, key)


def broken_clips(
    clips: Sequence[ClipSettings], users: Sequence[tuple[Path, BaseModel]]
) -> Iterator[tuple[Path, Any, str]]:
    """What is wrong with the list of clips, and where `users` name one that is not there: place, value, words."""
    seen: set[str] = set()
    for index, clip in enumerate(clips):
        if clip.name in seen:
            yield ("clips", index, "name"), clip.name, "another clip has this name"
        seen.add(clip.name)
    known = ", ".join(f'"{name}"' for name in sorted(seen)) or "none"
    for place, settings in users:
        for key, name in clip_names(settings):
            if name not in seen:
                yield (*place, key), name, f"there is no such clip; [[clips]] has {known}"
