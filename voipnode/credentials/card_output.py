"""In which form a card goes to a door controller by Wiegand: raw, or in a format, with whose facility code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voipnode.credentials.bits import CredentialError, checked
from voipnode.credentials.wiegand import Format, detected

Override = Literal["auto", "optional", "override"]


@dataclass(frozen=True, slots=True)
class CardOutput:
    """Cards in the format `form`; None: raw, the bits as they were read.

    `override` says whose facility code goes out:
    - "auto": the card's own, where its bits are of a known format; else what its number has above the format's card
      number, which is how readers put a chip's UID into a format that is too short for it;
    - "optional": the card's own, where its bits are of a known format; else `facility`;
    - "override": always `facility`.
    Bits of a number that even then find no place are cut off at its upper end: cards that differ there only look the
    same to the controller. CredentialError where `facility` is more than the format holds: 255 in 26 bits, 65535 in
    34 bits and in 37 with facility code.
    """

    form: Format | None = None
    override: Override = "auto"
    facility: int = 0

    def __post_init__(self) -> None:
        if self.form is not None and self.override != "auto" and not 0 <= self.facility <= self.form.max_facility:
            raise CredentialError(
                f"facility: {self.facility}; {self.form.name} has a facility code of at most {self.form.max_facility}"
            )

    def encode(self, bits: str) -> str:
        """The frame for a card of those bits. Raises CredentialError where they are no bits."""
        if self.form is None:
            return checked(bits)
        form = self.form
        known = detected(checked(bits), form)
        number, own = (int(bits, 2), None) if known is None else (known.number, known.facility)
        if self.override == "override" or (self.override == "optional" and own is None):
            facility = self.facility
        else:
            facility = number >> form.card_size if own is None else own
        return form.encode(number & ((1 << form.card_size) - 1), facility & form.max_facility)
