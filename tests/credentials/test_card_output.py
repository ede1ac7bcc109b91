"""A card in the form in which a door controller wants it, and whose facility code it gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipnode.credentials.bits import CredentialError, of_uid
from voipnode.credentials.card_output import CardOutput, Override
from voipnode.credentials.wiegand import FORMATS, WIEGAND26, WIEGAND34, WIEGAND37, CardNumber, Format

UID = of_uid("C0DE1234")  # a chip's serial number of 32 bits
CARD = WIEGAND26.encode(1603, 118)  # a card that has a facility code of its own


def test_raw_is_the_card_as_it_was_read() -> None:
    assert CardOutput().encode(UID) == UID
    assert CardOutput().encode(CARD) == CARD


@pytest.mark.parametrize(
    ("bits", "override", "facility", "said"),
    [
        (CARD, "auto", 7, CardNumber(1603, 118)),
        (UID, "auto", 7, CardNumber(0x1234, 0xDE)),  # made of the bits above the card number; C0 has no place
        (CARD, "optional", 7, CardNumber(1603, 118)),
        (UID, "optional", 7, CardNumber(0x1234, 7)),
        (CARD, "override", 7, CardNumber(1603, 7)),
        (UID, "override", 7, CardNumber(0x1234, 7)),
    ],
)
def test_whose_facility_code(bits: str, override: Override, facility: int, said: CardNumber) -> None:
    frame = CardOutput(WIEGAND26, override, facility).encode(bits)
    assert WIEGAND26.decode(frame) == said


def test_a_card_in_its_own_format_is_unchanged() -> None:
    assert CardOutput(WIEGAND26).encode(CARD) == CARD
    assert WIEGAND34.decode(CardOutput(WIEGAND34).encode(CARD)) == CardNumber(1603, 118)
    assert WIEGAND37.decode(CardOutput(WIEGAND37).encode(CARD)) == CardNumber(1603)
    assert WIEGAND34.decode(CardOutput(WIEGAND34).encode(UID)) == CardNumber(0x1234, 0xC0DE)
    big = WIEGAND37.encode(0x1_2345_6789)
    assert WIEGAND26.decode(CardOutput(WIEGAND26).encode(big)) == CardNumber(0x6789, 0x45)


@pytest.mark.parametrize(
    ("name", "most"), [("Wiegand26", 255), ("Wiegand34", 65535), ("Wiegand37FacilityCode", 65535), ("Wiegand37", 0)]
)
def test_limits_of_the_facility_code(name: str, most: int) -> None:
    CardOutput(FORMATS[name], "override", most)
    CardOutput(FORMATS[name], "auto", most + 1)  # is not used
    with pytest.raises(CredentialError, match=f"facility: {most + 1}; {name} has a facility code of at most {most}"):
        CardOutput(FORMATS[name], "optional", most + 1)


@given(
    st.sampled_from([*FORMATS.values(), Format("Custom", 5, 3, "odd", 8, "fix0")]),
    st.sampled_from(["auto", "optional", "override"]),
    st.text("01", min_size=1, max_size=512),
)
def test_every_card_fits_every_format(form: Format, override: Override, bits: str) -> None:
    form.decode(CardOutput(form, override).encode(bits))
