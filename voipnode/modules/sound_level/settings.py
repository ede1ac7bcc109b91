"""Settings of sound level detection: `[sound_level]` of voipnode.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LOWEST_DBFS = -80.0  # a level of 0; one of 100 is full scale


class SoundLevelSettings(BaseModel):
    """When the sound at the door counts as loud."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(
        default=False,
        description="Listen at the door's microphone, also while no call is on: a few per cent of a core.",
    )
    level: int = Field(
        default=50, ge=0, le=100, description="0 is the most sensitive: -80 dBFS; each step is 0.8 dB, 100 is 0 dBFS."
    )
    sound: Literal["any", "speech"] = Field(default="any", description='"speech": what is loud must be a voice.')
    hold_s: float = Field(
        default=2.0, ge=0.1, le=300, description="For how long it must be quieter until it counts as quiet, seconds."
    )

    @property
    def threshold_dbfs(self) -> float:
        """The level in dBFS of a sine (AES17)."""
        return level_dbfs(self.level)


def level_dbfs(level: float) -> float:
    """What a level from 0 to 100 is in dBFS."""
    return LOWEST_DBFS * (1.0 - level / 100.0)


def level_of(dbfs: float) -> int:
    """What a number of dBFS is as a level from 0 to 100."""
    return round(min(100.0, max(0.0, 100.0 * (1.0 - dbfs / LOWEST_DBFS))))
