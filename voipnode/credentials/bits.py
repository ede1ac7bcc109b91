"""Bits, bytes and UIDs: one card in the three ways in which readers, door controllers and people write it."""

from __future__ import annotations

MAX_BITS = 512  # as long as the entry list keeps a card; SIA's formats end at 200 and a bit


class CredentialError(ValueError):
    """Bits, or a number, that cannot be what they are taken for; the message says why, and never quotes a code."""


def checked(bits: str) -> str:
    """`bits` as they are; CredentialError where they are none, more than 512, or anything but 0 and 1."""
    if not bits:
        raise CredentialError("no bits at all")
    if len(bits) > MAX_BITS:
        raise CredentialError(f"{len(bits)} bits; at most {MAX_BITS}")
    if bits.strip("01"):
        raise CredentialError("something else than 0 and 1 among the bits")
    return bits


def of_number(number: int, size: int) -> str:
    """`number` in `size` bits, most significant first; CredentialError where it does not fit. 0 bits hold 0."""
    if number < 0 or number >> size:
        raise CredentialError(f"does not fit {size} bits; at most {(1 << size) - 1}")
    return f"{number:0{size}b}" if size else ""


def to_uid(bits: str) -> str:
    """The bits as a UID: whole bytes in capital hexadecimal, the bits at their right end."""
    digits = -(-len(checked(bits)) // 8) * 2
    return f"{int(bits, 2):0{digits}X}"


def of_uid(uid: str, count: int = 0) -> str:
    """The last `count` bits of a UID in hexadecimal, zeros before it where it has fewer; 0: all of its digits' bits.

    CredentialError where it is no UID, or `count` more than 512.
    """
    size = count or 4 * len(uid)
    if not 0 < size <= MAX_BITS:
        raise CredentialError(f"{size} bits; 1 to {MAX_BITS} are right")
    if not uid or uid.strip("0123456789ABCDEFabcdef"):
        raise CredentialError("a UID is written in hexadecimal, such as 04A1B2C3")
    return f"{int(uid, 16) & ((1 << size) - 1):0{size}b}"


def of_bytes(data: bytes, count: int) -> str:
    """The first `count` bits of `data`, which begin at its left end, as OSDP's raw card data do (IEC 60839-11-5)."""
    if count > 8 * len(data):
        raise CredentialError(f"{count} bits are more than {len(data)} bytes have")
    return checked("".join(f"{byte:08b}" for byte in data)[:count])


def to_bytes(bits: str) -> bytes:
    """The bits at the left end of as many bytes as they need, zeros after them."""
    size = -(-len(checked(bits)) // 8)
    return int(bits.ljust(8 * size, "0"), 2).to_bytes(size, "big")
