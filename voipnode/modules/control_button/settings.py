"""Settings of the control button: `[control_button]` of voipnode.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Does = Literal["none", "calibrate", "test", "locate"]


class ControlButtonSettings(BaseModel):
    """What presses of which length do. All of them are told to rules, too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    press: Does = Field(
        default="calibrate",
        description="Pressed and released: calibrate or test the loudspeaker, or make the device seen and heard.",
    )
    hold: Does = Field(default="locate", description="Held for hold_s at least.")
    hold_s: float = Field(default=3.0, ge=1, le=30)
