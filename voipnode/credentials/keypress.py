"""Keys on a Wiegand line: each key as a frame of 4 or 8 bits, or a whole PIN in a card's format."""

from __future__ import annotations

from typing import Literal, get_args

from voipnode.credentials.bits import CredentialError, checked
from voipnode.credentials.wiegand import FORMATS, Format

KeypressFormat = Literal[
    "FourBit",
    "EightBitZeroPadded",
    "EightBitInvertPadded",
    "Wiegand26",
    "Wiegand34",
    "Wiegand37",
    "Wiegand37FacilityCode",
]
KEYPRESS_FORMATS: tuple[KeypressFormat, ...] = get_args(KeypressFormat)
KEYS = "0123456789*#"  # a key's value is its place here; keypads that have ESC and ENTER send them as * and #
MAX_KEYS = 32


def format_of(form: KeypressFormat) -> Format | None:
    """The card format in which `form` sends a whole PIN; None where each key is a frame."""
    return FORMATS.get(form)


def encode_keys(keys: str, form: KeypressFormat = "FourBit", facility: int = 0) -> tuple[str, ...]:
    """The frames for `keys`, in order. A PIN that goes out whole is a number with the facility code `facility`.

    Its leading zeros are lost then, and "#" at its end, which only says that it is complete, is not sent.
    CredentialError where there are no keys or more than 32, other keys than 0 to 9, * and #, or where a whole PIN, or
    its facility code, does not fit its format: 65535 in 26 and 34 bits, 524287 in 37 with facility code.
    """
    whole = format_of(form)
    if whole is not None:
        keys = keys.removesuffix("#")
    if not 0 < len(keys) <= MAX_KEYS:
        raise CredentialError(f"{len(keys)} keys; 1 to {MAX_KEYS} are right")
    if whole is not None:
        if not (keys.isascii() and keys.isdigit()):
            raise CredentialError(f"{form} sends digits only")
        return (whole.encode(int(keys), facility),)
    if keys.strip(KEYS):
        raise CredentialError("there are keys 0 to 9, * and #")
    return tuple(_frame(KEYS.index(key), form) for key in keys)


def decode_keys(bits: str, form: KeypressFormat = "FourBit", facility: int = 0, length: int = 0) -> str:
    """The keys that a frame says; a whole PIN is filled up to `length` digits with leading zeros.

    CredentialError where the frame is none of `form`: wrong length, padding, parity or facility code, or a key that
    there is not.
    """
    whole = format_of(form)
    if whole is None:
        return _key(checked(bits), form)
    said = whole.decode(bits)
    if said.facility is not None and said.facility != facility:
        raise CredentialError(f"{form}: another facility code than that of keys")
    return str(said.number).zfill(length)


def _frame(value: int, form: KeypressFormat) -> str:
    if form == "FourBit":
        return f"{value:04b}"
    padding = 0 if form == "EightBitZeroPadded" else value ^ 0xF
    return f"{padding:04b}{value:04b}"


def _key(bits: str, form: KeypressFormat) -> str:
    value = int(bits[-4:], 2)
    if value >= len(KEYS) or _frame(value, form) != bits:
        raise CredentialError(f"{len(bits)} bits that are no key in {form}")
    return KEYS[value]
