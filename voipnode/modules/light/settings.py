"""Settings of the call light: `[light]` of voipnode.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LightSettings(BaseModel):
    """What the light shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Show calls and the open door.")
    not_reached_s: float = Field(
        default=4.0, ge=0.0, le=60.0, description="Red for so long when nobody has answered the visitor; 0: never."
    )
    door_ports: tuple[str, ...] = Field(
        default=(), max_length=32, description="Outputs whose activity is shown green; none named: every output."
    )
