"""Protected data on cards: what a reader takes from a card instead of the number that anybody can copy.

A chip's serial number (CSN) is told to whoever asks, and a copy of it opens what trusts it. A data set names data on
the card that only a secret key reads. Its words are those of Axis' Intercom service (CardDataConfig). How a chip proves
that it knows a key (DESFire's AES, Classic's Crypto1) is the reader hardware's matter: a `ChipCard` is what such
hardware finds.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from voipnode.credentials.bits import MAX_BITS, CredentialError, of_bytes, to_uid

Source = Literal["CSN", "SecureId", "Data"]
MAX_DATA_SETS = 32

# Chips by the names that Axis' Intercom service (CardTypeNames) gives them.
CHIPS = (
    *("MIFARE", "MIFARE_Classic", "MIFARE_DESFire", "MIFARE_Plus", "MIFARE_Ultralight", "ISO14443B", "ISO15693"),
    *("LEGIC", "HID_ICLASS", "FELICA", "SRX", "NFC_P2P", "BLE", "TOPAZ", "CTS"),
    *("EM4X02", "EM4X50", "EM4026", "EM4305", "T55X7", "HITAG_1_S", "HITAG_2", "HITAG_U", "ISOFDX_B", "ISOHDX_TIRIS"),
    *("HID_PROX", "COTAG", "IOPROX", "INDALA", "NEXWATCH", "AWID", "GPROX", "PYRAMID", "KERI", "DEISTER", "CARDAX"),
    *("NEDAP", "PAC", "IDTECK", "ULTRAPROX", "ICT", "ISONAS"),
)


@dataclass(frozen=True, slots=True)
class DataSet:
    """Data to take from cards of `chip`: bits `offset_bits` and the `length_bits` after it (0: all) of `source`.

    "CSN" is the serial number and "SecureId" the chip's own protected number; "Data" is the place `address` (a
    DESFire file as "AID/file", a Classic block as "sector/block": opaque here), which `key` opens. Where
    `required`, a card without it is ignored; where `use_as_uid`, it takes the serial number's place.
    """

    name: str
    chip: str
    source: Source = "Data"
    address: str = ""
    key: bytes = field(default=b"", repr=False)
    offset_bits: int = 0
    length_bits: int = 0
    enabled: bool = True
    required: bool = False
    use_as_uid: bool = False

    def __post_init__(self) -> None:
        if self.chip not in CHIPS:
            raise CredentialError(f"chip: {self.chip!r}; there are {', '.join(CHIPS)}")
        if self.offset_bits < 0 or not 0 <= self.length_bits <= MAX_BITS:
            raise CredentialError(f"offset_bits and length_bits: 0 or more, and at most {MAX_BITS} bits, are right")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a card's memory: who has `key` reads `data` from it."""

    address: str
    data: bytes = field(repr=False)
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ChipCard:
    """A card in front of a reader, as the reader's hardware finds it."""

    chip: str
    csn: bytes
    secure_id: bytes = field(default=b"", repr=False)
    places: tuple[Place, ...] = ()

    def read(self, wanted: DataSet) -> str | None:
        """The bits that `wanted` names; None where they are not there, or another key opens them."""
        if wanted.source == "CSN":
            return _cut(self.csn, wanted)
        if wanted.source == "SecureId":
            return _cut(self.secure_id, wanted)
        for place in self.places:
            if place.address == wanted.address and hmac.compare_digest(place.key, wanted.key):
                return _cut(place.data, wanted)
        return None


@dataclass(frozen=True, slots=True)
class Presented:
    """What a reader tells of a card: its UID and how many bits that has; `protected` where data sets have made it."""

    uid: str
    bits: int
    chip: str
    protected: bool = False


def presented(card: ChipCard, data_sets: Iterable[DataSet], chips: Collection[str] = CHIPS) -> Presented | None:
    """What the reader tells of `card`; None: nothing, it is ignored without a sound.

    Ignored are cards of a chip that is not among `chips`, and those that lack what an enabled set for their chip
    requires. The data of several sets that are used as UID are joined in the order of the sets; where a card has none
    of them and none is required, its serial number stays.
    """
    if card.chip not in chips:
        return None
    uid = ""
    for wanted in data_sets:
        if not wanted.enabled or wanted.chip != card.chip:
            continue
        bits = card.read(wanted)
        if bits is None and wanted.required:
            return None
        if bits is not None and wanted.use_as_uid:
            uid += bits
    if len(uid) > MAX_BITS:
        return None  # longer than any credential is kept: no part of it is the card
    bits = uid or _all(card.csn)
    return None if bits is None else Presented(to_uid(bits), len(bits), card.chip, protected=bool(uid))


def _all(data: bytes) -> str | None:
    return of_bytes(data, 8 * len(data)) if 0 < 8 * len(data) <= MAX_BITS else None


def _cut(data: bytes, wanted: DataSet) -> str | None:
    """The bits of `data` that `wanted` names; None where it ends before them."""
    end = wanted.offset_bits + wanted.length_bits if wanted.length_bits else 8 * len(data)
    if not wanted.offset_bits < end <= 8 * len(data) or end - wanted.offset_bits > MAX_BITS:
        return None
    number = int.from_bytes(data, "big") >> (8 * len(data) - end)
    size = end - wanted.offset_bits
    return f"{number & ((1 << size) - 1):0{size}b}"
