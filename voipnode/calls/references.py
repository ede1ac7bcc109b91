"""What one entry of the settings says of another: how it is told that there is no such thing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

Place = tuple[str | int, ...]
Broken = tuple[Place, Any, str]
"""Something wrong in the settings: where it stands, its value, what is wrong and would be right."""

MAX_LISTED = 20


def listed(names: Collection[str]) -> str:
    """The names that there are, in quotes; of many, the first ones."""
    known = sorted(names)
    more = f" and {len(known) - MAX_LISTED} more" if len(known) > MAX_LISTED else ""
    return ", ".join([f'"{name}"' for name in known[:MAX_LISTED]]) + more or "none"
