"""Wrong passwords: whoever sends many is ignored for a while, and a name that many are sent for goes slowly.

Only answers to a challenge of ours are counted, so that whoever gave one receives at its address: a datagram with
somebody else's address locks nobody out. A password that thousands of hosts guess at is asked of all of them together
no more than once in some seconds; telephones that are registered go on where they are.
"""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

MAX_REMEMBERED = 1024
FREE_GUESSES = 20  # for one name, from everywhere, before it goes slowly
BETWEEN_S = 5.0
FORGIVEN_S = 3600.0


class Guesses:
    """Counts for a bounded number of sources and names; `limit` wrong ones of a source are too many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._of_sources: dict[str, int] = {}
        self._of_names: dict[tuple[str, str], tuple[int, float]] = {}  # (name, home) -> how many, when the last one was

    def __len__(self) -> int:
        """How many sources and names are remembered."""
        return len(self._of_sources) + len(self._of_names)

    def may_try(self, name: str, home: str, now: float) -> bool:
        """Whether credentials for this name are looked at now. `home`: the source, where a telephone of that name is
        registered there, else ""."""
        count, last_at = self._of_names.get((name, home), (0, 0.0))
        return count < FREE_GUESSES or now >= last_at + BETWEEN_S

    def right(self, source: str, name: str, home: str) -> None:
        """Somebody knew the password: what was counted against him is forgotten."""
        self._of_sources.pop(source, None)
        if home:
            self._of_names.pop((name, home), None)

    def wrong(self, source: str, name: str, home: str, now: float) -> bool:
        """Somebody did not; True where that source has sent too many by now."""
        count, last_at = self._of_names.pop((name, home), (0, now))
        if now > last_at + FORGIVEN_S:
            count = 0
        _remember(self._of_names, (name, home), (count + 1, now))
        count = self._of_sources.pop(source, 0) + 1
        if count >= self._limit:
            return True
        _remember(self._of_sources, source, count)
        return False


def _remember(memory: dict[K, V], key: K, value: V) -> None:
    if len(memory) >= MAX_REMEMBERED:
        memory.pop(next(iter(memory)))
    memory[key] = value
