"""What all events have: a name, a time, and their data as JSON."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from functools import cache
from typing import Any, ClassVar, cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events; `at` is the engine's monotonic time in seconds."""

    name: ClassVar[str] = ""
    at: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON-ready data, its name under "event"."""
        data: dict[str, Any] = {"event": self.name}
        for name in _field_names(cast("Any", type(self))):  # mypy takes a dataclass's type for unhashable
            value = getattr(self, name)
            data[name] = value.value if isinstance(value, Enum) else value
        return data


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
