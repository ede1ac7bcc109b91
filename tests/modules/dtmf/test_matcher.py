"""Digits become sequences: the longest match wins, and a naive reader of the whole text agrees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipnode.modules.dtmf.matcher import DigitMatcher

PAUSE = "|"


def read(sequences: list[str], digits: str) -> list[str]:
    """What a matcher finds in `digits`, where | is a pause."""
    matcher = DigitMatcher(sequences)
    found: list[str] = []
    for digit in digits:
        found += matcher.expire() if digit == PAUSE else matcher.feed(digit)
    return found


@pytest.mark.parametrize(
    ("sequences", "digits", "found"),
    [
        (["1"], "1", ["1"]),
        (["1"], "21", ["1"]),
        (["1"], "11", ["1", "1"]),
        (["1", "123"], "123", ["123"]),
        (["1", "123"], "1", []),
        (["1", "123"], "1|", ["1"]),
        (["1", "123"], "12|", ["1"]),
        (["1", "123"], "14", ["1"]),
        (["1", "123"], "121|", ["1", "1"]),
        (["1", "123"], "11", ["1"]),
        (["123", "2"], "124", ["2"]),
        (["12"], "1|2", []),
        (["12"], "512", ["12"]),
        (["112"], "1112", ["112"]),
        (["12", "1234"], "12|34", ["12"]),
        (["#", "#1*", "A"], "#1A", ["#", "A"]),
        ([], "123|", []),
    ],
)
def test_digits_are_read_as_documented(sequences: list[str], digits: str, found: list[str]) -> None:
    assert read(sequences, digits) == found


def naive(sequences: list[str], digits: str) -> list[str]:
    """The same for a whole text that ends in a pause: at each place the longest sequence, else one digit further."""
    found: list[str] = []
    while digits:
        best = max((item for item in sequences if digits.startswith(item)), key=len, default="")
        found += [best] if best else []
        digits = digits[max(1, len(best)) :]
    return found


@given(st.lists(st.text(alphabet="12", min_size=1, max_size=5), max_size=6), st.text(alphabet="123", max_size=30))
def test_a_naive_reader_of_the_whole_text_agrees(sequences: list[str], digits: str) -> None:
    assert read(sequences, digits + PAUSE) == naive(sequences, digits)


@given(st.text(alphabet="0123456789ABCD#*", max_size=300))
def test_what_is_kept_is_bounded(digits: str) -> None:
    matcher = DigitMatcher(["0123456789ABCD#*", "1"])
    for digit in digits:
        matcher.feed(digit)
        assert len(matcher._digits) < 16
