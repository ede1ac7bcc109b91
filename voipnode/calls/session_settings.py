"""Settings of the calls themselves: `[sip.session]` and `[sip.ringback]` of voipnode.toml."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voipnode.sipstack.config import Extension

Use = Literal["off", "on", "required"]
_EXTENSIONS: dict[Use, Extension] = {
    "off": Extension.OFF,
    "on": Extension.SUPPORTED,
    "required": Extension.REQUIRED,
}


class SessionSettings(BaseModel):
    """What is agreed with the far side about the course of a call; times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reliable_provisional: Use = Field(
        default="on",
        description='Acknowledged ringing and early media (RFC 3262); "required": call nobody who does not know it.',
    )
    timer: Use = Field(
        default="on",
        description='Session timer (RFC 4028), with those who know it; "required": refresh calls with the others, too.',
    )
    expires_s: int = Field(default=1800, ge=90, le=86_400, description="Session interval that is asked for.")
    min_se_s: int = Field(default=90, ge=90, le=86_400, description="Shortest session interval that is taken.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_se_s > self.expires_s:
            raise ValueError(f"min_se_s = {self.min_se_s} is above expires_s = {self.expires_s}; it may not be longer")
        return self

    @property
    def reliable_extension(self) -> Extension:
        return _EXTENSIONS[self.reliable_provisional]

    @property
    def timer_extension(self) -> Extension:
        return _EXTENSIONS[self.timer]


class RingbackSettings(BaseModel):
    """What the visitor hears while a phone rings that sends no sound of its own (ETSI: 425 Hz, 1 s on, 4 s off)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    frequency_hz: float = Field(default=425.0, ge=200.0, le=3400.0)
    on_ms: int = Field(default=1000, ge=50, le=10_000)
    off_ms: int = Field(default=4000, ge=0, le=10_000)
    level_dbfs: float = Field(default=-16.0, ge=-60.0, le=0.0, description="Peak of the tone over full scale.")
