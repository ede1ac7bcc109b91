"""The seven ways in which keys go over a Wiegand line, bit by bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipnode.credentials.bits import CredentialError
from voipnode.credentials.keypress import KEYPRESS_FORMATS, KeypressFormat, decode_keys, encode_keys

# PIN 1234 as Axis publishes it for its intercoms (Intercom service, KeypressOutputFormat): on the wire in bytes, or as
# an ID in a card's format, here with facility code 5.
ON_THE_WIRE = [
    ("FourBit", ("0001", "0010", "0011", "0100")),
    ("EightBitZeroPadded", ("00000001", "00000010", "00000011", "00000100")),
    ("EightBitInvertPadded", ("11100001", "11010010", "11000011", "10110100")),  # E1 D2 C3 B4
    ("Wiegand26", ("0" + "00000101" + "0000010011010010" + "0",)),
    ("Wiegand34", ("0" + "0000000000000101" + "0000010011010010" + "0",)),
    ("Wiegand37FacilityCode", ("0" + "0000000000000101" + "0000000010011010010" + "0",)),
]


@pytest.mark.parametrize(("form", "frames"), ON_THE_WIRE)
def test_pin_1234(form: KeypressFormat, frames: tuple[str, ...]) -> None:
    assert encode_keys("1234", form, 5) == frames
    assert "".join(decode_keys(bits, form, 5) for bits in frames) == "1234"


def test_pin_1234_without_facility_code() -> None:
    (bits,) = encode_keys("1234", "Wiegand37")
    assert bits == "0" + f"{1234:035b}" + "0"
    assert decode_keys(bits, "Wiegand37") == "1234"


def test_star_and_hash_are_ten_and_eleven() -> None:
    assert encode_keys("*#") == ("1010", "1011")
    assert encode_keys("*#", "EightBitInvertPadded") == ("01011010", "01001011")


def test_a_whole_pin_loses_its_zeros_and_its_end() -> None:
    assert encode_keys("0042#", "Wiegand26", 1) == encode_keys("42", "Wiegand26", 1)
    assert decode_keys(*encode_keys("0042", "Wiegand26", 1), "Wiegand26", 1, length=4) == "0042"


@pytest.mark.parametrize(
    ("keys", "form", "facility", "words"),
    [
        ("", "FourBit", 0, "0 keys; 1 to 32 are right"),
        ("1" * 33, "FourBit", 0, "33 keys"),
        ("12A4", "FourBit", 0, "there are keys 0 to 9"),
        ("12*4", "Wiegand26", 0, "digits only"),
        ("١٢", "Wiegand26", 0, "digits only"),
        ("#", "Wiegand26", 0, "0 keys"),
        ("65536", "Wiegand26", 0, "the number does not fit 16 bits; at most 65535"),
        ("65536", "Wiegand34", 0, "the number does not fit 16 bits"),
        ("524288", "Wiegand37FacilityCode", 0, "at most 524287"),
        ("1234", "Wiegand26", 256, "the facility code does not fit 8 bits; at most 255"),
        ("1234", "Wiegand37FacilityCode", 65536, "at most 65535"),
    ],
)
def test_what_cannot_be_sent(keys: str, form: KeypressFormat, facility: int, words: str) -> None:
    with pytest.raises(CredentialError, match=words) as refused:
        encode_keys(keys, form, facility)
    if len(keys) > 3:
        assert keys not in str(refused.value)  # a PIN stands in no message


@pytest.mark.parametrize(
    ("bits", "form"),
    [
        ("1100", "FourBit"),  # twelve is no key
        ("00001", "FourBit"),
        ("00010001", "EightBitZeroPadded"),
        ("00000001", "EightBitInvertPadded"),
        ("11100010", "EightBitInvertPadded"),
        ("0" * 26, "Wiegand26"),
    ],
)
def test_what_is_no_key(bits: str, form: KeypressFormat) -> None:
    with pytest.raises(CredentialError):
        decode_keys(bits, form)


def test_a_card_is_no_pin() -> None:
    (bits,) = encode_keys("1234", "Wiegand26", 7)
    with pytest.raises(CredentialError, match="another facility code"):
        decode_keys(bits, "Wiegand26", 8)


@given(st.sampled_from(KEYPRESS_FORMATS), st.text("0123456789", min_size=1, max_size=4), st.integers(0, 255))
def test_every_pin_comes_back(form: KeypressFormat, pin: str, facility: int) -> None:
    code = 0 if form == "Wiegand37" else facility
    frames = encode_keys(pin, form, code)
    assert "".join(decode_keys(bits, form, code, len(pin) if len(frames) == 1 else 0) for bits in frames) == pin
