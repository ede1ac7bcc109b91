"""The settings of the web server."""

from __future__ import annotations

import ipaddress

from pydantic import BaseModel, ConfigDict, Field, field_validator


class WebSettings(BaseModel):
    """Where the HTTP API and the front panel are served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(True, description="Serve the API and the front panel")
    host: str = Field("127.0.0.1", description="Loopback address to listen on")
    port: int = Field(8080, ge=1024, le=65535, description="TCP port to listen on")

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        """Who reaches the API may place calls; so long as it knows no accounts, only this machine may reach it."""
        if host == "localhost":
            return host
        try:
            is_loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            is_loopback = False
        if not is_loopback:
            raise ValueError("the API has no accounts, so it serves this machine only; use 127.0.0.1 or ::1")
        return host
