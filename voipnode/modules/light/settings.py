"""Settings of light and siren: `[light]`, and the profiles, `[[signals]]` of voipnode.toml."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MAX_PROFILES = 30
OWN = ("Call light", "Preview", "Maintenance", "Identify", "Health check")  # names that the node gives itself
LightPattern = Literal["off", "steady", "flash", "double_flash", "triple_flash", "pulse", "rotate"]
Speed = Literal["slow", "medium", "fast"]
Colour = Literal["red", "amber", "green", "blue", "white"]
SirenPattern = Literal["off", "wail", "yelp", "two_tone", "pulse", "evacuate", "chirp", "chime"]
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d):([0-5]\d)")


def _seconds(value: Any) -> Any:
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) if found else value


class ProfileSettings(BaseModel):
    """One profile of light and siren."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[^\x00-\x1f\x7f/\\?#]+$",
        description="By which rules, commands and people start it; no other profile has it.",
    )
    description: str = Field(default="", max_length=200, description="For people.")
    light: LightPattern = Field(default="steady", description="What the light does.")
    light_speed: Speed = Field(default="medium", description="One round of it in 2, 1 or 0.5 seconds.")
    light_intensity: int = Field(default=3, ge=1, le=5, description="1 (dim) to 5 (bright).")
    light_colour: Colour = "red"
    siren: SirenPattern = Field(default="off", description="What is heard; a call has priority over it.")
    siren_intensity: int = Field(default=3, ge=1, le=5, description="1 (-30 dBFS) to 5 (-6 dBFS).")
    duration: Literal["continuous", "time", "repetitions"] = Field(
        default="continuous", description="Until it is stopped, for time_s, or for so many repetitions."
    )
    time_s: Annotated[float, BeforeValidator(_seconds)] = Field(
        default=30.0, gt=0, le=86_400, description='With duration = "time": seconds, or "hh:mm:ss".'
    )
    repetitions: int = Field(
        default=5, ge=1, le=1000, description='With duration = "repetitions": rounds of the light, else of the siren.'
    )
    priority: int = Field(default=5, ge=1, le=10, description="Of several that run, the highest is seen and heard.")

    @model_validator(mode="after")
    def _is_something(self) -> Self:
        if self.light == "off" and self.siren == "off":
            raise ValueError(f'profile "{self.name}": light and siren are both off: there is nothing to see or to hear')
        if self.name in OWN:
            raise ValueError(f'"{self.name}" is a name that the node gives itself; use another')
        return self


class LightSettings(BaseModel):
    """The call light, and what light and siren follow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Show calls and the open door.")
    not_reached_s: float = Field(
        default=4.0, ge=0.0, le=60.0, description="Red for so long when nobody has answered the visitor; 0: never."
    )
    door_ports: tuple[str, ...] = Field(
        default=(), max_length=32, description="Outputs whose activity is shown green; none named: every output."
    )
    call_priority: int = Field(
        default=3, ge=1, le=10, description="Of the call light among the profiles of [[signals]]."
    )
    siren_max_s: float = Field(
        default=180.0, ge=1, le=3600, description="No siren sounds longer than so, however long its profile runs."
    )
    driver: Literal["simulated"] = Field(
        default="simulated", description="The lamp: shown on the page /panel, and told by signal.changed."
    )


class SignalsSettings(BaseModel):
    """The light of the node, and its profiles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    light: LightSettings = LightSettings()
    signals: tuple[ProfileSettings, ...] = Field(default=(), max_length=MAX_PROFILES)

    @model_validator(mode="after")
    def _profile_names_differ(self) -> Self:
        names = [profile.name for profile in self.signals]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f'the profile name "{twice[0]}" is used twice in [[signals]]; names must differ')
        return self
