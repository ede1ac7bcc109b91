"""Wiegand formats: where in a frame facility code, card number and parity are.

A frame is [start parity] facility code, card number [stop parity], most significant bits first. Each parity covers so
many data bits, counted from its own end; in the 37 bits of H10302 and H10304 both cover the one in the middle.
Sources: SIA AC-01 for 26 bits (H10301); HID's layouts of H10302, H10304 and H10306 as published by card makers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voipnode.credentials.bits import CredentialError, checked, of_number

Parity = Literal["none", "even", "odd", "fix0", "fix1"]
MAX_FIELD = 64


@dataclass(frozen=True, slots=True)
class CardNumber:
    """What a frame says: a number within a facility; None for a format, or a card, without facility code."""

    number: int
    facility: int | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """The layout of a frame. Sizes and the data bits that each parity covers are counted in bits.

    CredentialError where it cannot be: sizes beyond 64 bits, no card number, parity over more bits than there are.
    """

    name: str
    facility_size: int
    card_size: int
    start_parity: Parity = "none"
    start_bits: int = 0
    stop_parity: Parity = "none"
    stop_bits: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.facility_size <= MAX_FIELD:
            raise CredentialError(f"facility_size: {self.facility_size}; 0 to {MAX_FIELD} bits are right")
        if not 1 <= self.card_size <= MAX_FIELD:
            raise CredentialError(f"card_size: {self.card_size}; 1 to {MAX_FIELD} bits are right")
        for end, covered in (("start_bits", self.start_bits), ("stop_bits", self.stop_bits)):
            if not 0 <= covered <= self.data_size:
                raise CredentialError(f"{end}: {covered}; the format has {self.data_size} data bits")

    @property
    def data_size(self) -> int:
        return self.facility_size + self.card_size

    @property
    def size(self) -> int:
        """Bits of a whole frame."""
        return self.data_size + (self.start_parity != "none") + (self.stop_parity != "none")

    @property
    def max_facility(self) -> int:
        return (1 << self.facility_size) - 1

    def encode(self, number: int, facility: int = 0) -> str:
        """The frame; CredentialError where number or facility code does not fit."""
        try:
            data = of_number(facility, self.facility_size)
        except CredentialError as error:
            raise CredentialError(f"{self.name}: the facility code {error}") from None
        try:
            data += of_number(number, self.card_size)
        except CredentialError as error:
            raise CredentialError(f"{self.name}: the number {error}") from None
        return self._start(data) + data + self._stop(data)

    def decode(self, bits: str) -> CardNumber:
        """What a frame says; CredentialError where its length or a parity is wrong."""
        if len(checked(bits)) != self.size:
            raise CredentialError(f"{len(bits)} bits; {self.name} has {self.size}")
        begin = self.start_parity != "none"
        data = bits[begin : begin + self.data_size]
        wrong = [
            end
            for end, found, right in (
                ("start", bits[:begin], self._start(data)),
                ("stop", bits[begin + self.data_size :], self._stop(data)),
            )
            if found != right
        ]
        if wrong:
            raise CredentialError(f"{self.name}: wrong parity at the {' and the '.join(wrong)}")
        facility = int(data[: self.facility_size], 2) if self.facility_size else None
        return CardNumber(int(data[self.facility_size :], 2), facility)

    def _start(self, data: str) -> str:
        return _parity_bit(self.start_parity, data[: self.start_bits])

    def _stop(self, data: str) -> str:
        return _parity_bit(self.stop_parity, data[len(data) - self.stop_bits :])


def _parity_bit(kind: Parity, covered: str) -> str:
    if kind == "none":
        return ""
    if kind.startswith("fix"):
        return kind[-1]
    odd_already = covered.count("1") % 2
    return str(odd_already if kind == "even" else 1 - odd_already)


WIEGAND26 = Format("Wiegand26", 8, 16, "even", 12, "odd", 12)  # H10301
WIEGAND34 = Format("Wiegand34", 16, 16, "even", 16, "odd", 16)  # H10306
WIEGAND37 = Format("Wiegand37", 0, 35, "even", 18, "odd", 18)  # H10302
WIEGAND37_FACILITY_CODE = Format("Wiegand37FacilityCode", 16, 19, "even", 18, "odd", 18)  # H10304

FORMATS = {each.name: each for each in (WIEGAND26, WIEGAND34, WIEGAND37, WIEGAND37_FACILITY_CODE)}


def detected(bits: str, preferred: Format | None = None) -> CardNumber | None:
    """What a card of those bits says, where its length and parity are those of a known format; else None.

    37 bits are H10302, unless `preferred` says that they are H10304: nothing in the bits tells the two apart.
    """
    candidates = [preferred] if preferred is not None else []
    candidates += [WIEGAND26, WIEGAND34, WIEGAND37]
    for candidate in candidates:
        if candidate.size == len(bits):
            try:
                return candidate.decode(bits)
            except CredentialError:
                continue
    return None
