"""Finds sequences in a stream of digits: the longest match wins.

A digit that completes a sequence acts at once, unless a longer sequence begins with the same digits: then its next
digit is waited for. When that comes not, or another does, the shorter sequence acts, and the digits after it count as
the beginning of the next. Digits that begin no sequence are dropped one by one, so a wrong digit before the right ones
does no harm. With "1" and "123":  1 2 3 -> "123";  1 4 -> "1";  1 (pause) -> "1";  1 2 1 (pause) -> "1", "1".
"""

from __future__ import annotations

from collections.abc import Iterable


class DigitMatcher:
    """One caller's digits. Holds fewer digits than the longest sequence has; costs at most its square per digit."""

    def __init__(self, sequences: Iterable[str]) -> None:
        self._sequences = frozenset(sequences)
        self._beginnings = frozenset(
            sequence[:length] for sequence in self._sequences for length in range(1, len(sequence))
        )
        self._digits = ""

    @property
    def candidates(self) -> list[str]:
        """The sequences that the next digit could go on with; none: nothing is waited for."""
        begun = self._digits
        return [item for item in self._sequences if begun and item != begun and item.startswith(begun)]

    def feed(self, digit: str) -> list[str]:
        """Take one digit; returns the sequences that are certain now, in order."""
        self._digits += digit
        return self._resolve(final=False)

    def expire(self) -> list[str]:
        """No further digit came; returns what the digits so far mean."""
        return self._resolve(final=True)

    def _resolve(self, *, final: bool) -> list[str]:
        found: list[str] = []
        while self._digits and (final or self._digits not in self._beginnings):
            match = self._longest()
            if match:
                found.append(match)
            self._digits = self._digits[max(1, len(match)) :]
        return found

    def _longest(self) -> str:
        """The longest sequence that the digits begin with, "" if none."""
        for length in range(len(self._digits), 0, -1):
            if self._digits[:length] in self._sequences:
                return self._digits[:length]
        return ""
