"""The little of STUN that keeps a SIP flow open: Binding requests and their answers (RFC 5389, RFC 5626 §8).

No attributes but XOR-MAPPED-ADDRESS, no credentials: what is proven is that somebody answers, and how he sees us.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address

from voipnode.sipstack.transport import Address

MAGIC_COOKIE = 0x2112A442
TRANSACTION_ID_BYTES = 12
MAX_BYTES = 548  # RFC 5389 §7.1: fits an IPv4 datagram anywhere

_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_XOR_MAPPED_ADDRESS = 0x0020
_FAMILIES = {1: 4, 2: 16}  # to bytes of address (§15.1)


class Kind(Enum):
    """Message types of the method Binding (§6, figure 3)."""

    REQUEST = 0x0001
    SUCCESS = 0x0101
    ERROR = 0x0111


@dataclass(frozen=True, slots=True)
class Message:
    """A Binding message; `mapped` is what a success says of where our packet came from, None where it says nothing."""

    kind: Kind
    transaction_id: bytes
    mapped: Address | None = None


def is_stun(data: bytes) -> bool:
    """Tell STUN from SIP: the first two bits are zero and the magic cookie is in its place (§8, RFC 5626 §8)."""
    return len(data) >= _HEADER.size and data[0] < 0x40 and data[4:8] == MAGIC_COOKIE.to_bytes(4)


def parse(data: bytes) -> Message | None:
    """A Binding request or answer; None for everything else, whole or broken."""
    if not is_stun(data) or len(data) > MAX_BYTES:
        return None
    kind, length, _, transaction_id = _HEADER.unpack_from(data)
    if length != len(data) - _HEADER.size or length % 4:
        return None
    try:
        return Message(Kind(kind), transaction_id, _mapped(data, transaction_id))
    except (ValueError, struct.error):
        return None


def binding_request(transaction_id: bytes) -> bytes:
    """A Binding request without attributes, which RFC 5626 §8 needs none of; `transaction_id` has 12 bytes."""
    return _HEADER.pack(Kind.REQUEST.value, 0, MAGIC_COOKIE, transaction_id)


def binding_success(transaction_id: bytes, source: Address) -> bytes:
    """The answer to a Binding request from `source`. Raises ValueError where that is no IP address."""
    packed = ip_address(source.host).packed
    key = _key(transaction_id)
    family = next(family for family, size in _FAMILIES.items() if size == len(packed))
    port = source.port ^ (MAGIC_COOKIE >> 16)
    value = struct.pack("!BBH", 0, family, port) + bytes(a ^ b for a, b in zip(packed, key, strict=False))
    body = _ATTRIBUTE.pack(_XOR_MAPPED_ADDRESS, len(value)) + value
    return _HEADER.pack(Kind.SUCCESS.value, len(body), MAGIC_COOKIE, transaction_id) + body


def _mapped(data: bytes, transaction_id: bytes) -> Address | None:
    """The first XOR-MAPPED-ADDRESS (§15.2); ValueError or struct.error where the attributes do not add up."""
    at = _HEADER.size
    while at < len(data):
        kind, length = _ATTRIBUTE.unpack_from(data, at)
        value = data[at + _ATTRIBUTE.size : at + _ATTRIBUTE.size + length]
        if len(value) != length:
            raise ValueError("an attribute reaches beyond the message")
        if kind == _XOR_MAPPED_ADDRESS:
            _, family, port = struct.unpack_from("!BBH", value)
            packed = value[4:]
            if _FAMILIES.get(family) != len(packed):
                raise ValueError("an address of a length that its family does not have")
            address = bytes(a ^ b for a, b in zip(packed, _key(transaction_id), strict=False))
            return Address(str(ip_address(address)), port ^ (MAGIC_COOKIE >> 16))
        at += _ATTRIBUTE.size + length + -length % 4  # padded to whole words (§15)
    return None


def _key(transaction_id: bytes) -> bytes:
    return MAGIC_COOKIE.to_bytes(4) + transaction_id
