"""What a frame from a Wiegand reader is: a card, keys, or nothing that can be believed."""

from __future__ import annotations

from dataclasses import dataclass, field

from voipnode.credentials.bits import CredentialError, checked, to_uid
from voipnode.credentials.keypress import KeypressFormat, decode_keys, format_of
from voipnode.credentials.wiegand import CardNumber, Format, detected

LEAST_CARD_BITS = 9  # shorter frames are keys, or noise


@dataclass(frozen=True, slots=True)
class Card:
    """A card of `bits`; `uid` is all of them, parity too, as every reader of the same card gives them.

    `said` is what they mean, where the format is known.
    """

    bits: str
    said: CardNumber | None = None

    @property
    def uid(self) -> str:
        return to_uid(self.bits)


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys pressed. Never shown: they are somebody's PIN."""

    keys: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame that is neither; `why` in words, without its bits."""

    why: str


@dataclass(frozen=True, slots=True)
class WiegandDecoder:
    """Reads frames, as of `FrameCollector` or a file. `receive` never raises.

    `card`: the format that all cards have, whose parity is then checked; None: any length, and parity is checked where
    the length is that of a known format. `keypress`, `facility` and `pin_length`: as of `decode_keys`. Keys in a card's
    format are told from cards by their facility code; in Wiegand37, which has none, every frame of 37 bits is keys.
    """

    card: Format | None = None
    keypress: KeypressFormat = "FourBit"
    facility: int = 0
    pin_length: int = 0

    def receive(self, bits: str | CredentialError) -> Card | Keys | Refused:
        """What the frame is; an error of the collector is refused with its words."""
        try:
            if isinstance(bits, CredentialError):
                raise bits
            return self._read(checked(bits))
        except CredentialError as error:
            return Refused(str(error))

    def _read(self, bits: str) -> Card | Keys:
        whole = format_of(self.keypress)
        if whole is None and len(bits) < LEAST_CARD_BITS:
            return Keys(decode_keys(bits, self.keypress))
        if whole is not None and len(bits) == whole.size:
            said = whole.decode(bits)  # a frame whose parity is wrong is neither keys nor card
            if said.facility in (None, self.facility):
                return Keys(decode_keys(bits, self.keypress, self.facility, self.pin_length))
        if len(bits) < LEAST_CARD_BITS:
            raise CredentialError(f"{len(bits)} bits are no card")
        if self.card is not None:
            return Card(bits, self.card.decode(bits))
        return Card(bits, _believed(bits))


def _believed(bits: str) -> CardNumber | None:
    """What a card of any format says; one whose length is that of a format with parity must have it right."""
    said = detected(bits)
    if said is None and len(bits) in (26, 34, 37):
        raise CredentialError(f"{len(bits)} bits with wrong parity")
    return said
