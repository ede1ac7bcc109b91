"""Protected data on cards: what a reader tells, and what it ignores without a sound."""

from __future__ import annotations

import pytest

from voipnode.credentials.bits import CredentialError
from voipnode.credentials.data_sets import ChipCard, DataSet, Place, Presented, presented

KEY = bytes(range(16))
STAFF = DataSet(
    "staff",
    "MIFARE_DESFire",
    address="F51780/1",
    key=KEY,
    offset_bits=8,
    length_bits=32,
    required=True,
    use_as_uid=True,
)
CSN = bytes.fromhex("04A1B2C3D4E5F6")


def card(key: bytes = KEY, data: str = "FF00012345FF", address: str = "F51780/1") -> ChipCard:
    return ChipCard("MIFARE_DESFire", CSN, places=(Place(address, bytes.fromhex(data), key),))


def test_the_protected_data_take_the_serial_numbers_place() -> None:
    assert presented(card(), [STAFF]) == Presented("00012345", 32, "MIFARE_DESFire", protected=True)


def test_without_data_sets_the_serial_number_is_told() -> None:
    assert presented(card(), []) == Presented("04A1B2C3D4E5F6", 56, "MIFARE_DESFire")


@pytest.mark.parametrize(
    "copied",
    [
        card(key=bytes(16)),  # of another key
        card(address="000000/1"),
        card(data="FF0001"),  # too short
        ChipCard("MIFARE_DESFire", CSN),  # a copy of the serial number only
    ],
)
def test_a_card_without_required_data_is_ignored(copied: ChipCard) -> None:
    assert presented(copied, [STAFF]) is None


def test_what_is_not_required_may_be_missing() -> None:
    optional = DataSet("staff", "MIFARE_DESFire", address="F51780/1", key=KEY, use_as_uid=True)
    assert presented(ChipCard("MIFARE_DESFire", CSN), [optional]) == Presented("04A1B2C3D4E5F6", 56, "MIFARE_DESFire")


def test_required_without_taking_the_uids_place() -> None:
    proof = DataSet("proof", "MIFARE_DESFire", address="F51780/1", key=KEY, required=True)
    assert presented(card(), [proof]) == Presented("04A1B2C3D4E5F6", 56, "MIFARE_DESFire")


def test_several_are_joined_in_their_order() -> None:
    def piece(name: str, offset: int) -> DataSet:
        return DataSet(
            name, "MIFARE_DESFire", address="F51780/1", key=KEY, offset_bits=offset, length_bits=12, use_as_uid=True
        )

    both = presented(card(), [piece("low", 28), piece("high", 8)])
    assert both == Presented("345000", 24, "MIFARE_DESFire", protected=True)


def test_sets_for_other_chips_and_those_switched_off_do_not_count() -> None:
    other = DataSet("other", "MIFARE_Classic", address="1/0", key=b"abcdef", required=True)
    off = DataSet("off", "MIFARE_DESFire", address="x/1", required=True, enabled=False)
    assert presented(card(), [other, off]) is not None


def test_chips_that_are_not_enabled_are_ignored() -> None:
    assert presented(card(), [], chips=["EM4X02"]) is None
    assert presented(card(), [], chips=["EM4X02", "MIFARE_DESFire"]) is not None


def test_serial_number_and_secure_number_as_sources() -> None:
    chip = ChipCard("HID_ICLASS", CSN, secure_id=bytes.fromhex("BEEF"))
    secure = DataSet("pac", "HID_ICLASS", source="SecureId", use_as_uid=True)
    part = DataSet("csn", "HID_ICLASS", source="CSN", offset_bits=4, length_bits=5, use_as_uid=True)
    assert presented(chip, [secure]) == Presented("BEEF", 16, "HID_ICLASS", protected=True)
    assert presented(chip, [part]) == Presented("09", 5, "HID_ICLASS", protected=True)  # 0100 1


def test_more_bits_than_a_credential_may_have_are_nobodys_card() -> None:
    long = [DataSet(str(k), "MIFARE_DESFire", address="F51780/1", key=KEY, use_as_uid=True) for k in range(2)]
    assert presented(card(data="00" * 33), long) is None
    assert presented(ChipCard("EM4X02", b""), []) is None


def test_keys_and_data_are_in_no_repr() -> None:
    said = repr(STAFF) + repr(card())
    assert repr(KEY) not in said
    assert "12345" not in said


@pytest.mark.parametrize(
    ("values", "words"),
    [({"chip": "Mifare"}, "chip: 'Mifare'; there are MIFARE, "), ({"chip": "EM4X02", "length_bits": 513}, "512 bits")],
)
def test_sets_that_cannot_be(values: dict[str, str], words: str) -> None:
    with pytest.raises(CredentialError, match=words):
        DataSet("x", **values)  # type: ignore[arg-type]  # a table of differing columns
