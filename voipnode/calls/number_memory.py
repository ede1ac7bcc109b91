"""What is remembered over a restart of the node's own numbers, as a protocol that the store fulfils."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class NumberMemory(Protocol):
    """Keeps JSON-ready records of each number; written behind, so that nobody waits for a disk."""

    async def load(self) -> Mapping[str, Sequence[dict[str, Any]]]:
        """All that is kept, by number; what was given to `keep` before is in it. Never raises."""
        ...

    def keep(self, number: str, records: Sequence[dict[str, Any]]) -> None:
        """Remember these of the number and no others."""
        ...


class NoMemory:
    """Where nothing is remembered: of a line that lives for one call, and in tests."""

    async def load(self) -> Mapping[str, Sequence[dict[str, Any]]]:
        return {}

    def keep(self, number: str, records: Sequence[dict[str, Any]]) -> None:
        pass
