"""Patterns of dialled numbers.

    0-9 * # +    themselves
    x            any digit
    [2-5] [137]  one of these
    .            at the end: one or more of anything

"10x" is 100 to 109; "0." is whatever begins with 0 and goes on; "*8" is *8 alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_DIALLED = 64
DIALLABLE = frozenset("0123456789*#+")
_DIGITS = frozenset("0123456789")
_PIECES = re.compile(r"\[([0-9*#+-]+)\]|([0-9*#+xX])")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A set of numbers: what may stand in each place, and whether more follows (`open_ended`: one sign at least)."""

    text: str
    places: tuple[frozenset[str], ...]
    open_ended: bool

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Raises ValueError that says what would be right."""
        body, open_ended = (text[:-1], True) if text.endswith(".") else (text, False)
        places, at = [], 0
        while at < len(body):
            piece = _PIECES.match(body, at)
            if piece is None:
                raise ValueError(
                    f'"{text}" is no pattern: after "{body[:at]}" a digit, *, #, +, x (any digit), a choice like [2-5]'
                    " or, at the end, a dot (whatever follows) is needed"
                )
            places.append(_choice(piece[1], text) if piece[1] else _one(piece[2]))
            at = piece.end()
        if len(places) > MAX_DIALLED or not (places or open_ended):
            raise ValueError(f'"{text}" is no pattern: 1 to {MAX_DIALLED} signs are needed')
        return cls(text, tuple(places), open_ended)

    def matches(self, number: str) -> bool:
        """Whether this number is one of the set."""
        length = len(self.places)
        if len(number) > MAX_DIALLED or (len(number) <= length if self.open_ended else len(number) != length):
            return False
        return DIALLABLE.issuperset(number) and all(
            sign in place for sign, place in zip(number, self.places, strict=False)
        )

    def covers(self, other: Pattern) -> bool:
        """Whether every number of the other one is one of these."""
        ours, theirs = len(self.places), len(other.places)
        if self.open_ended:
            if theirs < ours or (theirs == ours and not other.open_ended):
                return False
        elif other.open_ended or ours != theirs:
            return False
        return all(place >= rival for place, rival in zip(self.places, other.places, strict=False))


def _one(sign: str) -> frozenset[str]:
    return _DIGITS if sign in "xX" else frozenset(sign)


def _choice(text: str, pattern: str) -> frozenset[str]:
    """The digits between brackets, "2-5" being a range."""
    found: set[str] = set()
    for first, last, single in re.findall(r"([0-9])-([0-9])|([0-9*#+])", text):
        found |= {single} if single else {str(digit) for digit in range(int(first), int(last) + 1)}
    if not found or "-" in re.sub(r"[0-9]-[0-9]", "", text):
        raise ValueError(f'"{pattern}" is no pattern: [{text}] is no choice; write one like [2-5] or [137]')
    return frozenset(found)
