"""What is kept of the past: one run of the node, one event, and the limits of an event's data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_DATA_CHARS = 16_000

_ENCODER = json.JSONEncoder(default=str, allow_nan=False)


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """The run of this node before this one; `stopped_utc` is "" when it was killed, crashed or lost power."""

    run_id: str
    started_utc: str
    stopped_utc: str
    last_event_utc: str

    def __str__(self) -> str:
        if self.stopped_utc:
            return f"stopped cleanly at {self.stopped_utc}"
        last = self.last_event_utc or self.started_utc
        return f"did not stop cleanly (killed, crashed or without power); it was last heard of at {last}"


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event as it is on disk; ids grow with time and are never used twice."""

    id: int
    at_utc: str
    run_id: str
    name: str
    data: dict[str, Any]


def bounded_json(data: Mapping[str, Any]) -> str:
    """`data` as JSON text of a bounded length, or a note of what was left out."""
    try:
        text = _ENCODER.encode(dict(data))
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps({"left_out": f"not JSON: {error}"[:200]})
    if len(text) > MAX_DATA_CHARS:
        return json.dumps({"left_out": f"{len(text)} characters of data"})
    return text


def short_cause(error: BaseException) -> str:
    """The cause in one line, without the statement and its parameters."""
    cause = getattr(error, "orig", None) or error
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__
