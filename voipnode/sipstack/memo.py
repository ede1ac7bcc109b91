"""Remembers what texts that come again and again were read as: the addresses, hosts and lists of the same few peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MAX_TEXTS = 2048
MAX_TEXT_CHARS = 256


class Memo(dict[str, T]):
    """`memo[text]` is `parse(text)`, which must be an immutable value; what `parse` raises is raised each time.

    Bounded: a longer text than `max_chars` is not kept, and `max_texts` of them make room by being forgotten all at
    once. A flood of texts that never repeat costs their reading and little more.
    """

    __slots__ = ("_max_chars", "_max_texts", "_parse")

    def __init__(
        self, parse: Callable[[str], T], *, max_texts: int = MAX_TEXTS, max_chars: int = MAX_TEXT_CHARS
    ) -> None:
        super().__init__()
        self._parse = parse
        self._max_texts = max_texts
        self._max_chars = max_chars

    def __missing__(self, text: str) -> T:
        value = self._parse(text)
        if len(text) <= self._max_chars:
            if len(self) >= self._max_texts:
                self.clear()
            self[text] = value
        return value
