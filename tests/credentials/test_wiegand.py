"""Wiegand frames against published examples, and every number there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipnode.credentials.bits import CredentialError, of_bytes, of_uid, to_bytes, to_uid
from voipnode.credentials.wiegand import (
    FORMATS,
    WIEGAND26,
    WIEGAND34,
    WIEGAND37,
    WIEGAND37_FACILITY_CODE,
    CardNumber,
    Format,
    detected,
)

# Published by others: format, facility code, card number, the frame.
PUBLISHED = [
    # accessgrid.com, "Examples of every access control bit format": Standard 26bit (H10301)
    (WIEGAND26, 42, 69, "10010101000000000010001010"),
    # CIVINTEC CN56X0B-X Reader User Manual, 6.4.2 and 6.4.5: data D4 1B 81, and 89 D4 1B 81
    (WIEGAND26, 0xD4, 0x1B81, "1" + "11010100" + "0001101110000001" + "0"),
    (WIEGAND34, 0x89D4, 0x1B81, "1" + "1000100111010100" + "0001101110000001" + "1"),
    # Proxmark3, `wiegand encode -w H10301 --fc 31 --cn 337 --new`: 068F80A8C0, whose first byte counts padding bits
    (WIEGAND26, 31, 337, of_bytes(bytes.fromhex("8F80A8C0"), 26)),
    # Proxmark3, `lf hid clone -r 2006ec0c86`: H10301, FC 118, CN 1603, the frame in its lower bits
    (WIEGAND26, 118, 1603, f"{0x2006EC0C86 & (1 << 26) - 1:026b}"),
    # Proxmark3, `lf hid decode 10001fc656`: H10302 and H10304, both with valid parity
    (WIEGAND37, None, 1041195, f"{0x10001FC656:037b}"),
    (WIEGAND37_FACILITY_CODE, 1, 516907, f"{0x10001FC656:037b}"),
    # Proxmark3's tests of `lf hid sim -w H10302 --cn 1234567`: raw 25ad0f
    (WIEGAND37, None, 1234567, f"{0x25AD0F:037b}"),
]


@pytest.mark.parametrize(("form", "facility", "number", "bits"), PUBLISHED)
def test_published_frames(form: Format, facility: int | None, number: int, bits: str) -> None:
    assert form.encode(number, facility or 0) == bits
    assert form.decode(bits) == CardNumber(number, facility)


def formats() -> st.SearchStrategy[Format]:
    """The four known formats, and any custom one."""

    def custom(facility: int, card: int, *parity: object) -> Format:
        start, first, stop, last = parity
        covered = facility + card
        return Format("Custom", facility, card, start, first % (covered + 1), stop, last % (covered + 1))  # type: ignore[arg-type, operator]  # drawn from the right kinds

    kinds = st.sampled_from(["none", "even", "odd", "fix0", "fix1"])
    size = st.integers(0, 64)
    return st.sampled_from(list(FORMATS.values())) | st.builds(
        custom, size, st.integers(1, 64), kinds, st.integers(0, 200), kinds, st.integers(0, 200)
    )


@given(formats(), st.data())
def test_every_number_comes_back(form: Format, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, (1 << form.card_size) - 1))
    facility = data.draw(st.integers(0, form.max_facility))
    bits = form.encode(number, facility)
    assert len(bits) == form.size
    assert form.decode(bits) == CardNumber(number, facility if form.facility_size else None)


@given(st.sampled_from([WIEGAND26, WIEGAND34]), st.data())
def test_one_wrong_bit_is_never_believed(form: Format, data: st.DataObject) -> None:
    """Every bit of these is covered by one parity; in 37 bits the middle one by both."""
    bits = form.encode(data.draw(st.integers(0, 65535)), data.draw(st.integers(0, form.max_facility)))
    at = data.draw(st.integers(0, form.size - 1))
    wrong = bits[:at] + "10"[int(bits[at])] + bits[at + 1 :]
    with pytest.raises(CredentialError, match=r"wrong parity at the (start|stop)$"):
        form.decode(wrong)
    with pytest.raises(CredentialError, match=f"{form.size - 1} bits; {form.name} has {form.size}"):
        form.decode(bits[1:])


@pytest.mark.parametrize("at", range(37))
def test_one_wrong_bit_in_37(at: int) -> None:
    bits = WIEGAND37_FACILITY_CODE.encode(516907, 1)
    with pytest.raises(CredentialError, match="wrong parity at the"):
        WIEGAND37_FACILITY_CODE.decode(bits[:at] + "10"[int(bits[at])] + bits[at + 1 :])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(CredentialError, match="Wiegand26: the number does not fit 16 bits; at most 65535"):
        WIEGAND26.encode(65536, 1)
    with pytest.raises(CredentialError, match="Wiegand26: the facility code does not fit 8 bits; at most 255"):
        WIEGAND26.encode(1, 256)
    with pytest.raises(CredentialError, match="Wiegand37: the facility code does not fit 0 bits"):
        WIEGAND37.encode(1, 1)
    with pytest.raises(CredentialError, match="the number"):
        WIEGAND26.encode(-1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((65, 16), "facility_size: 65"),
        ((8, 0), "card_size: 0"),
        ((8, 16, "even", 25), "start_bits: 25; the format has 24 data bits"),
        ((8, 16, "none", 0, "odd", 25), "stop_bits: 25"),
    ],
)
def test_a_format_that_cannot_be(values: tuple[int, ...], words: str) -> None:
    with pytest.raises(CredentialError, match=words):
        Format("Custom", *values)  # type: ignore[arg-type]  # a table of differing columns


def test_fixed_parity_and_none_at_one_end() -> None:
    form = Format("Custom", 4, 4, "fix1", 0, "none", 0)
    assert form.encode(0b0110, 0b1001) == "1" + "1001" + "0110"
    assert form.decode("110010110") == CardNumber(0b0110, 0b1001)
    with pytest.raises(CredentialError, match="wrong parity at the start"):
        form.decode("010010110")


def test_which_format_bits_are_of() -> None:
    bits = WIEGAND37_FACILITY_CODE.encode(516907, 1)
    assert detected(bits) == CardNumber(1041195)
    assert detected(bits, WIEGAND37_FACILITY_CODE) == CardNumber(516907, 1)
    assert detected("0" * 26) is None  # odd parity over nothing is 1
    assert detected("1" * 32) is None


@given(st.text("01", min_size=1, max_size=512))
def test_bits_uids_and_bytes_are_one(bits: str) -> None:
    uid = to_uid(bits)
    assert len(uid) % 2 == 0
    assert uid == uid.upper()
    assert of_uid(uid, len(bits)) == bits
    assert of_bytes(to_bytes(bits), len(bits)) == bits


def test_a_uid_in_more_and_in_fewer_bits() -> None:
    assert of_uid("04A1") == "0000010010100001"
    assert of_uid("04A1", 12) == "010010100001"
    assert of_uid("04A1", 18) == "000000010010100001"
    for uid, count in (("", 0), ("", 8), ("04A1", 513), ("0x12", 0), ("1_0", 0), ("-1", 0), ("١٢", 0), ("04A1", -1)):
        with pytest.raises(CredentialError):
            of_uid(uid, count)
    with pytest.raises(CredentialError, match="17 bits are more than 2 bytes have"):
        of_bytes(b"ab", 17)
