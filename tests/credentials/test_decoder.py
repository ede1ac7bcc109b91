"""What a frame from a reader is taken for; nothing that comes over the line raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipnode.credentials.bits import CredentialError
from voipnode.credentials.decoder import Card, Keys, Refused, WiegandDecoder
from voipnode.credentials.keypress import KEYPRESS_FORMATS, encode_keys
from voipnode.credentials.wiegand import FORMATS, WIEGAND26, WIEGAND34, WIEGAND37, CardNumber

CARD = WIEGAND26.encode(1603, 118)


def test_a_card_and_keys() -> None:
    decoder = WiegandDecoder()
    card = decoder.receive(CARD)
    assert card == Card(CARD, CardNumber(1603, 118))
    assert isinstance(card, Card)
    assert card.uid == "02EC0C86"
    assert decoder.receive("0111") == Keys("7")
    assert "7" not in repr(decoder.receive("0111"))


def test_a_length_that_nobody_knows_is_a_card() -> None:
    assert WiegandDecoder().receive("1" * 32) == Card("1" * 32)


def test_all_cards_of_one_format() -> None:
    decoder = WiegandDecoder(WIEGAND34)
    assert isinstance(decoder.receive(WIEGAND34.encode(7, 1)), Card)
    assert decoder.receive(CARD) == Refused("26 bits; Wiegand34 has 34")


def test_whole_pins_are_told_by_their_facility_code() -> None:
    decoder = WiegandDecoder(keypress="Wiegand26", facility=9, pin_length=4)
    assert decoder.receive(*encode_keys("0042", "Wiegand26", 9)) == Keys("0042")
    assert decoder.receive(CARD) == Card(CARD, CardNumber(1603, 118))
    assert decoder.receive("0001") == Refused("4 bits are no card")
    assert WiegandDecoder(keypress="Wiegand37").receive(WIEGAND37.encode(1234)) == Keys("1234")


@pytest.mark.parametrize(
    ("bits", "why"),
    [
        ("", "no bits at all"),
        ("0" * 513, "513 bits; at most 512"),
        ("01x1", "something else than 0 and 1 among the bits"),
        ("1111", "4 bits that are no key in FourBit"),
        ("00000", "5 bits that are no key in FourBit"),
        ("00000001", "8 bits that are no key in FourBit"),
        ("0" * 26, "26 bits with wrong parity"),
        ("1" * 34, "34 bits with wrong parity"),
        (CredentialError("pulses on D0 and D1 at once"), "pulses on D0 and D1 at once"),
    ],
)
def test_refused(bits: str | CredentialError, why: str) -> None:
    assert WiegandDecoder().receive(bits) == Refused(why)


@pytest.mark.fuzz
@given(
    st.builds(
        WiegandDecoder,
        st.sampled_from([None, *FORMATS.values()]),
        st.sampled_from(KEYPRESS_FORMATS),
        st.integers(0, 255),
        st.integers(0, 32),
    ),
    st.text("01", max_size=600) | st.text(max_size=40),
)
def test_no_stream_of_bits_raises(decoder: WiegandDecoder, bits: str) -> None:
    read = decoder.receive(bits)
    if isinstance(read, Keys):
        assert set(read.keys) <= set("0123456789*#")
    elif isinstance(read, Card):
        assert read.bits == bits
        assert len(read.uid) == -(-len(bits) // 8) * 2
    else:
        assert read.why
