"""Settings of the call light: `[light]` of voipnode.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LightSettings(BaseModel):
    """What the light shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Show calls and the open door.")
    door_ports: tuple[str, ...] = Field(
        default=(), max_length=32, description="Outputs whose activity is shown green; none named: every output."
    )
