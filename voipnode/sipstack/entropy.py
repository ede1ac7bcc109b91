"""The unguessable tokens that SIP needs, as an argument: a test or a replay hands out its own."""

from __future__ import annotations

from typing import Protocol

MAGIC_COOKIE = "z9hG4bK"


class Entropy(Protocol):
    """Source of fresh tokens. Every call returns a new value; tags and Call-IDs carry at least 64 random bits
    (RFC 3261 §19.3 asks for 32)."""

    def call_id(self) -> str: ...

    def tag(self) -> str: ...

    def branch(self) -> str:
        """A Via branch, beginning with the magic cookie (RFC 3261 §8.1.1.7)."""
        ...

    def cnonce(self) -> str: ...
