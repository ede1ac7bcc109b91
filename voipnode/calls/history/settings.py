"""Settings of `[history]`: how much of the past calls is kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class HistorySettings(BaseModel):
    """Calls are forgotten when they are too old or too many; both at once need no setting of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_days: int = Field(default=90, ge=0, le=3650, description="Older calls are forgotten; 0: however old they are.")
    max_calls: int = Field(default=10_000, ge=1, le=1_000_000, description="The newest calls that are kept.")
