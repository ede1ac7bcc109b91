"""Settings of calls that HTTP clients answer: `[vms]` of voipnode.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class VmsSettings(BaseModel):
    """Calls to a video management system, or to anything else that can send sound by HTTP."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(
        default=False,
        description='Let HTTP clients answer calls to the recipient "vms", and have buttons that ring nobody ring it.',
    )
    silent_after_s: float = Field(
        default=5.0, ge=1.0, le=60.0, description="A call is over when its client has sent no sound for so long."
    )
