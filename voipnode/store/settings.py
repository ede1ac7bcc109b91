"""The settings of the store."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

_DRIVERS = {"sqlite+aiosqlite": "aiosqlite", "postgresql+asyncpg": "asyncpg"}


class StateSettings(BaseModel):
    """Where the node remembers, and how much."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field("", description="Database URL; empty: state.db in the node's own folder")
    keep_events: int = Field(10_000, ge=100, le=10_000_000, description="The newest events that are kept")
    node: str = Field("", max_length=64, description="Name of this node where several share one database")

    @field_validator("url")
    @classmethod
    def _known_driver(cls, url: str) -> str:
        if not url:
            return url
        try:
            drivername = make_url(url).drivername
        except (ArgumentError, NoSuchModuleError):
            raise ValueError(
                "this is not a database URL; they look like sqlite+aiosqlite:////var/lib/state.db"
            ) from None
        if drivername not in _DRIVERS:
            raise ValueError(f"{drivername} is not served; use {' or '.join(_DRIVERS)}")
        if importlib.util.find_spec(_DRIVERS[drivername]) is None:
            raise ValueError(f"{drivername} needs the Python package {_DRIVERS[drivername]}, which is not installed")
        return url

    def database_url(self, folder: Path) -> URL:
        """The URL to open: the configured one, or state.db in `folder`."""
        return make_url(self.url) if self.url else URL.create("sqlite+aiosqlite", database=str(folder / "state.db"))
