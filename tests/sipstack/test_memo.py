"""What was read once is remembered, within bounds."""

from __future__ import annotations

import pytest

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.headers import NameAddr, Via
from voipnode.sipstack.memo import MAX_TEXT_CHARS, MAX_TEXTS, Memo
from voipnode.sipstack.uri import parse_uri


def test_a_text_is_read_once() -> None:
    asked: list[str] = []
    memo = Memo(lambda text: asked.append(text) or len(text))

    assert [memo["abc"], memo["abc"], memo["de"]] == [3, 3, 2]
    assert asked == ["abc", "de"]


def test_what_fails_fails_again() -> None:
    for _ in range(2):
        with pytest.raises(ParseError):
            parse_uri("sip:")
        with pytest.raises(ParseError):
            NameAddr.parse("<sip:a@b> x")
        with pytest.raises(ParseError):
            Via.parse("SIP/2.0/UDP ;branch=z9hG4bK1")


def test_a_flood_of_texts_leaves_no_more_than_the_bound() -> None:
    memo = Memo(str.upper)
    for number in range(3 * MAX_TEXTS + 1):
        assert memo[f"x{number}"] == f"X{number}"
        assert len(memo) <= MAX_TEXTS
    assert memo["y" * (MAX_TEXT_CHARS + 1)] == "Y" * (MAX_TEXT_CHARS + 1)
    assert max(map(len, memo)) <= MAX_TEXT_CHARS


def test_remembered_addresses_do_not_mix_their_parameters() -> None:
    text = '"Bob > Alice" <sip:bob@example.com>'
    first, second, bare = (NameAddr.parse(text + tail) for tail in (";tag=1", " ; tag=2;x", ""))

    assert (first.tag, second.tag, bare.tag) == ("1", "2", None)
    assert {first.display_name, second.display_name} == {"Bob > Alice"}
    plain = [NameAddr.parse("<sip:bob@example.com>" + tail) for tail in (";tag=1", ";tag=2", "")]
    assert [address.tag for address in plain] == ["1", "2", None]
    assert plain[0].uri is plain[1].uri
