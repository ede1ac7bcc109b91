"""Settings of the detectors: `[[detectors]]` of voipnode.toml."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_DETECTORS = 32
STRONGEST_G, WEAKEST_G = 8.0, 0.05
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Hold = Annotated[float, Field(ge=0, le=3600)]


class _Detector(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # built once, with the settings

    name: Name = Field(description="Its name in rules, commands and events: letters, digits, _ and -, 1 to 32 of them.")
    enabled: bool = Field(default=True, description="Off, what is reported of it is refused.")


class ShockSettings(_Detector):
    """Somebody hits the device."""

    kind: Literal["shock"]
    sensitivity: int = Field(
        default=50, ge=0, le=100, description="0: powerful hits alone; 100: mild tampering is enough."
    )
    hold_s: Hold = Field(default=5.0, description="Quiet again so long after the last hit; 0: when that is reported.")

    @property
    def threshold_g(self) -> float:
        """The weakest hit that counts: 8 g at sensitivity 0, 0.63 g at 50, 0.05 g at 100; each step is as much louder
        than the one before."""
        return float(STRONGEST_G * (WEAKEST_G / STRONGEST_G) ** (self.sensitivity / 100))


class PirSettings(_Detector):
    """Somebody stands before the device."""

    kind: Literal["pir"]
    hold_s: Hold = Field(default=10.0, description="Quiet again so long after the last movement; 0: when reported.")


class MotionSettings(_Detector):
    """Something moves in a camera's picture, as the camera has it."""

    kind: Literal["motion"]
    hold_s: Hold = Field(default=10.0, description="Quiet again so long after the last movement; 0: when reported.")


class TamperingSettings(_Detector):
    """The camera is covered, sprayed, turned away or put out of focus."""

    kind: Literal["tampering"]
    trigger_delay_s: float = Field(
        default=5.0, ge=0, le=3600, description="What lasts less long is no alarm: somebody who walks by, a lorry."
    )
    trigger_on_dark: bool = Field(
        default=False,
        description="A dark picture is an alarm, too. It may be spray, or somebody switched off the light.",
    )
    pictures: Literal["", "simulated"] = Field(
        default="",
        description='Where pictures to look at come from; "": who looks at pictures elsewhere reports what he sees.',
    )


Detector = Annotated[ShockSettings | PirSettings | MotionSettings | TamperingSettings, Field(discriminator="kind")]


class DetectorsSettings(BaseModel):
    """The detectors of the node."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    detectors: tuple[Detector, ...] = Field(default=(), max_length=MAX_DETECTORS)

    @model_validator(mode="after")
    def _detectors_differ(self) -> Self:
        names = [each.name for each in self.detectors]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f'the detector name "{twice[0]}" is used twice; names must differ')
        return self
