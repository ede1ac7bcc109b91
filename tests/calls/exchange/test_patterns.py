"""Patterns of dialled numbers: what they match, and which of them takes all that another one would."""

from __future__ import annotations

import pytest

from voipnode.calls.exchange.patterns import Pattern


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("10x", ["100", "109"], ["10", "1000", "10a", "10*"]),
        ("0.", ["01", "00", "0*31#", "0+43"], ["0", "", "1"]),
        ("[2-4]x", ["20", "49"], ["19", "50", "2"]),
        ("[137]", ["1", "3", "7"], ["2", "13"]),
        ("*8", ["*8"], ["8", "*88"]),
        ("*8.", ["*8101"], ["*8"]),
        ("+43.", ["+431"], ["+43", "431"]),
        (".", ["1", "#"], ["", "anna", "1" * 65]),
    ],
)
def test_what_a_pattern_matches(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    parsed = Pattern.parse(pattern)
    assert [number for number in fits + fits_not if parsed.matches(number)] == fits


@pytest.mark.parametrize("text", ["", "1y", "1.2", "[]1", "[5-2]", "[1-]", "anna", "1" * 65, "1 2"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="is no pattern"):
        Pattern.parse(text)


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        ("1xx", "10x", True),
        ("10x", "1xx", False),
        ("0.", "00.", True),
        ("0.", "0", False),
        ("0.", "0x", True),
        ("0.", "0.", True),
        ("1xx", "1.", False),
        (".", "xxxx", True),
        ("[1-5]0", "[24]0", True),
        ("[1-5]0", "[46]0", False),
        ("x", "*", False),
        (".", "*8.", True),
    ],
)
def test_which_pattern_leaves_nothing_to_another(wide: str, narrow: str, covers: bool) -> None:
    assert Pattern.parse(wide).covers(Pattern.parse(narrow)) is covers


def test_covering_agrees_with_every_number_of_up_to_four_signs() -> None:
    """An oracle: what covering claims is true of all numbers that there are, as far as they can be listed."""
    signs = "01*"
    numbers = [""]
    for _ in range(4):
        numbers += [number + sign for number in numbers for sign in signs if len(number) < 4]
    numbers = sorted(set(numbers))
    patterns = [
        Pattern.parse(text) for text in ("0", "x", "0.", "x.", ".", "01", "xx", "[01*]", "0x", "*.", "xxx", "0x.")
    ]
    for wide in patterns:
        for narrow in patterns:
            if wide.covers(narrow):
                assert all(wide.matches(number) for number in numbers if narrow.matches(number)), (wide, narrow)
