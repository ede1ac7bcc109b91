"""STUN's attributes: their numbers, and the values that are more than bytes (RFC 8489 §14)."""

from __future__ import annotations

import struct
from enum import IntEnum
from ipaddress import ip_address
from typing import Final

from voipnode.media.errors import ParseError
from voipnode.media.values import Addr

MAGIC_COOKIE: Final = 0x2112A442
_COOKIE_BYTES = MAGIC_COOKIE.to_bytes(4, "big")
_FAMILIES = {1: 4, 2: 16}  # to bytes of address (RFC 8489 §14.1)
FIRST_OPTIONAL = 0x8000  # from here on, what is not understood is ignored (§14)


class Attribute(IntEnum):
    """The attributes that we read or write; RFC 8489 §18.3, RFC 8445 §20, RFC 8656 §18."""

    MAPPED_ADDRESS = 0x0001
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    CHANNEL_NUMBER = 0x000C
    LIFETIME = 0x000D
    XOR_PEER_ADDRESS = 0x0012
    DATA = 0x0013
    REALM = 0x0014
    NONCE = 0x0015
    XOR_RELAYED_ADDRESS = 0x0016
    REQUESTED_ADDRESS_FAMILY = 0x0017
    EVEN_PORT = 0x0018
    REQUESTED_TRANSPORT = 0x0019
    DONT_FRAGMENT = 0x001A
    MESSAGE_INTEGRITY_SHA256 = 0x001C
    PASSWORD_ALGORITHM = 0x001D
    USERHASH = 0x001E
    XOR_MAPPED_ADDRESS = 0x0020
    RESERVATION_TOKEN = 0x0022
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    ADDITIONAL_ADDRESS_FAMILY = 0x8000
    ADDRESS_ERROR_CODE = 0x8001
    PASSWORD_ALGORITHMS = 0x8002
    ALTERNATE_DOMAIN = 0x8003
    ICMP = 0x8004
    SOFTWARE = 0x8022
    ALTERNATE_SERVER = 0x8023
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A


KNOWN: Final = frozenset(int(attribute) for attribute in Attribute)


def pack_address(address: Addr) -> bytes:
    """The value of MAPPED-ADDRESS (§14.1). Raises ValueError where the host is no IP address."""
    packed = ip_address(address[0]).packed
    return struct.pack("!BBH", 0, 1 if len(packed) == 4 else 2, address[1]) + packed


def unpack_address(value: bytes) -> Addr:
    """What MAPPED-ADDRESS or ALTERNATE-SERVER says. Raises `ParseError`."""
    family = value[1] if len(value) > 4 else 0
    if _FAMILIES.get(family) != len(value) - 4:
        raise ParseError("an address of a length that its family does not have")
    return str(ip_address(value[4:])), int.from_bytes(value[2:4], "big")


def pack_xor_address(address: Addr, transaction_id: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS and its like (§14.2). Raises ValueError where the host is no IP address."""
    return _xored(pack_address(address), transaction_id)


def unpack_xor_address(value: bytes, transaction_id: bytes) -> Addr:
    """What XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS or XOR-RELAYED-ADDRESS says. Raises `ParseError`."""
    if len(value) not in (8, 20):
        raise ParseError("an address of a length that its family does not have")
    return unpack_address(_xored(value, transaction_id))


def _xored(value: bytes, transaction_id: bytes) -> bytes:
    # The port under the cookie's upper half, the address under cookie and transaction id; family stays in the clear.
    key = b"\0\0" + _COOKIE_BYTES[:2] + _COOKIE_BYTES + transaction_id
    size = len(value)
    return (int.from_bytes(value, "big") ^ int.from_bytes(key[:size], "big")).to_bytes(size, "big")


def pack_error(code: int, reason: str = "") -> bytes:
    """The value of ERROR-CODE (§14.8): `code` is 300 to 699, `reason` is cut to 127 characters."""
    return struct.pack("!HBB", 0, code // 100, code % 100) + reason[:127].encode()


def unpack_error(value: bytes) -> tuple[int, str]:
    """Code and words of ERROR-CODE. Raises `ParseError`."""
    if len(value) < 4 or not 3 <= value[2] & 0x07 <= 6 or value[3] > 99:
        raise ParseError("an error without a code")
    return (value[2] & 0x07) * 100 + value[3], value[4:].decode("utf-8", "replace")


def pack_unknown(kinds: tuple[int, ...]) -> bytes:
    """The value of UNKNOWN-ATTRIBUTES (§14.9)."""
    return struct.pack(f"!{len(kinds)}H", *kinds)
