"""STUN messages (RFC 8489): read, proven and written.

`parse` is strict: the lengths add up, the cookie is in its place, a FINGERPRINT is right, the attributes are few.
What it does not do is believe: `proves` says whether a message was written by somebody who knows the key.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from voipnode.media.errors import ParseError
from voipnode.media.stun.attributes import (
    FIRST_OPTIONAL,
    MAGIC_COOKIE,
    Attribute,
    pack_error,
    pack_unknown,
    pack_xor_address,
    unpack_address,
    unpack_error,
    unpack_xor_address,
)
from voipnode.media.values import Addr

HEADER_BYTES = 20
TRANSACTION_ID_BYTES = 12
MAX_ATTRIBUTES = 24
SOFTWARE = b"voipnode"

_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_INTEGRITY_BYTES = 20  # HMAC-SHA1 (§14.5)
_INTEGRITY_SHA256_BYTES = 32  # §14.6; truncated only where a usage says so, and none of ours does
_FINGERPRINT_XOR = 0x5354554E  # §14.7: so that the CRC of an inner protocol is never taken for it
_COOKIE_BYTES = MAGIC_COOKIE.to_bytes(4, "big")

Attributes: TypeAlias = Sequence[tuple[int, bytes]]


class Method(IntEnum):
    """RFC 8489 §18.2, RFC 8656 §17."""

    BINDING = 0x001
    ALLOCATE = 0x003
    REFRESH = 0x004
    SEND = 0x006
    DATA = 0x007
    CREATE_PERMISSION = 0x008
    CHANNEL_BIND = 0x009


class Kind(IntEnum):
    """The class of a message, as its two bits stand in the type (RFC 8489 §5, figure 3)."""

    REQUEST = 0x0000
    INDICATION = 0x0010
    SUCCESS = 0x0100
    ERROR = 0x0110


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `attributes` are in order, those behind MESSAGE-INTEGRITY left out but FINGERPRINT (§14.5).

    `signed` is what MESSAGE-INTEGRITY covers, None where there is none; `signed_sha256` the same of its successor.
    """

    method: Method
    kind: Kind
    transaction_id: bytes
    attributes: tuple[tuple[int, bytes], ...] = ()
    signed: bytes | None = None
    signed_sha256: bytes | None = None

    def value(self, attribute: int) -> bytes | None:
        """The first value of an attribute; later ones do not count (§5)."""
        return next((value for kind, value in self.attributes if kind == attribute), None)

    def number(self, attribute: int) -> int | None:
        """The value of an attribute of 4 or 8 bytes as a number. Raises `ParseError` for another length."""
        value = self.value(attribute)
        if value is None:
            return None
        if len(value) not in (4, 8):
            raise ParseError(f"{len(value)} bytes are no number")
        return int.from_bytes(value, "big")

    def address(self, attribute: int = Attribute.XOR_MAPPED_ADDRESS) -> Addr | None:
        """An address, made readable where it is one of the XOR kinds; None where there is none. Raises `ParseError`."""
        value = self.value(attribute)
        if value is None:
            return None
        if attribute in (Attribute.MAPPED_ADDRESS, Attribute.ALTERNATE_SERVER):
            return unpack_address(value)
        return unpack_xor_address(value, self.transaction_id)

    def addresses(self, attribute: int) -> list[Addr]:
        """All addresses of that kind: a TURN server gives one per family (RFC 8656 §7.2). Raises `ParseError`."""
        return [unpack_xor_address(value, self.transaction_id) for kind, value in self.attributes if kind == attribute]

    def text(self, attribute: int) -> str | None:
        """USERNAME, REALM, NONCE or SOFTWARE as text. Raises `ParseError` where it is not UTF-8."""
        value = self.value(attribute)
        try:
            return None if value is None else value.decode()
        except UnicodeDecodeError as error:
            raise ParseError("a text that is not UTF-8") from error

    @property
    def error(self) -> tuple[int, str] | None:
        """Code and words of an error response. Raises `ParseError`."""
        value = self.value(Attribute.ERROR_CODE)
        return None if value is None else unpack_error(value)

    @property
    def has_fingerprint(self) -> bool:
        """True where a FINGERPRINT is there (`parse` let it pass, so it is right)."""
        return bool(self.attributes) and self.attributes[-1][0] == Attribute.FINGERPRINT

    def unknown(self, known: frozenset[int]) -> tuple[int, ...]:
        """The attributes that would have to be understood and are not in `known` (§6.3.1: 420)."""
        return tuple(dict.fromkeys(k for k, _ in self.attributes if k < FIRST_OPTIONAL and k not in known))

    def proves(self, key: bytes) -> bool:
        """True where MESSAGE-INTEGRITY is there and was made with `key` (§9.1.3, §9.2.4)."""
        value = self.value(Attribute.MESSAGE_INTEGRITY)
        if value is None or self.signed is None:
            return False
        return hmac.compare_digest(hmac.digest(key, self.signed, "sha1"), value)

    def proves_sha256(self, key: bytes) -> bool:
        """True where MESSAGE-INTEGRITY-SHA256 is there, whole, and was made with `key` (§14.6)."""
        value = self.value(Attribute.MESSAGE_INTEGRITY_SHA256)
        if value is None or self.signed_sha256 is None:
            return False
        return hmac.compare_digest(hmac.digest(key, self.signed_sha256, "sha256"), value)


def is_stun(data: bytes) -> bool:
    """Tell STUN from what shares its port (§5, RFC 7983 §7): the first byte is 0 to 3, the cookie in its place."""
    return len(data) >= HEADER_BYTES and data[0] < 4 and data[4:8] == _COOKIE_BYTES


def parse(data: bytes) -> Message:
    """Read one message. Raises `ParseError` for everything else, whole or broken; a wrong FINGERPRINT is broken."""
    if not is_stun(data):
        raise ParseError("not a STUN message")
    kind, length, _, transaction_id = _HEADER.unpack_from(data)
    if length != len(data) - HEADER_BYTES or length % 4:
        raise ParseError("a STUN message of another length than it says")
    try:
        method = Method(_method(kind))
    except ValueError as error:
        raise ParseError(f"STUN method {_method(kind):#x}") from error
    return Message(method, Kind(kind & 0x0110), transaction_id, *_attributes(data))


def _method(kind: int) -> int:
    """The twelve bits of the method, among which the two of the class stand (§5, figure 3)."""
    return (kind & 0x3E00) >> 2 | (kind & 0x00E0) >> 1 | kind & 0x000F


def _type(method: int, kind: int) -> int:
    return (method & 0x0F80) << 2 | (method & 0x0070) << 1 | method & 0x000F | kind


def _attributes(data: bytes) -> tuple[tuple[tuple[int, bytes], ...], bytes | None, bytes | None]:
    found: list[tuple[int, bytes]] = []
    signed: bytes | None = None
    signed_sha256: bytes | None = None
    at = HEADER_BYTES
    while at < len(data):
        kind, length = _ATTRIBUTE.unpack_from(data, at)  # the length is whole words, so four bytes are there
        start, end = at + _ATTRIBUTE.size, at + _ATTRIBUTE.size + length
        if end > len(data) or len(found) >= MAX_ATTRIBUTES:
            raise ParseError("a STUN attribute reaches beyond the message, or there are too many")
        value = data[start:end]
        if kind == Attribute.FINGERPRINT:
            _check_fingerprint(data, at, value)
            found.append((kind, value))
        elif kind == Attribute.MESSAGE_INTEGRITY_SHA256 and signed_sha256 is None:
            found.append((kind, value))
            signed_sha256 = _until(data, at, _ATTRIBUTE.size + length)
        elif signed is None and signed_sha256 is None:
            found.append((kind, value))
            if kind == Attribute.MESSAGE_INTEGRITY:
                signed = _until(data, at, _ATTRIBUTE.size + _INTEGRITY_BYTES)
        at = end + -length % 4  # padded to whole words, with anything (§14)
    return tuple(found), signed, signed_sha256


def _check_fingerprint(data: bytes, at: int, value: bytes) -> None:
    if at + 8 != len(data) or value != _fingerprint(data[:at]):
        raise ParseError("a FINGERPRINT that is wrong or not at the end")


def _fingerprint(data: bytes) -> bytes:
    return (zlib.crc32(data) ^ _FINGERPRINT_XOR).to_bytes(4, "big")


def _until(data: bytes, at: int, extra: int) -> bytes:
    """The message as it was before the attribute at `at`, with the length that counts that attribute (§14.5)."""
    return data[:2] + (at - HEADER_BYTES + extra).to_bytes(2, "big") + data[4:at]


def build(
    method: Method,
    kind: Kind,
    transaction_id: bytes,
    attributes: Attributes = (),
    *,
    key: bytes | None = None,
    sha256: bool = False,
    fingerprint: bool = False,
) -> bytes:
    """A message with these attributes in order, then MESSAGE-INTEGRITY where a `key` is given, then FINGERPRINT.

    With `sha256` its successor MESSAGE-INTEGRITY-SHA256 takes the first one's place (§14.6).
    """
    body = b"".join(_ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4) for kind, value in attributes)
    data = _HEADER.pack(_type(method, kind), len(body), MAGIC_COOKIE, transaction_id) + body
    if key is not None and sha256:
        data = _until(data, len(data), _ATTRIBUTE.size + _INTEGRITY_SHA256_BYTES)
        digest = hmac.digest(key, data, "sha256")
        data += _ATTRIBUTE.pack(Attribute.MESSAGE_INTEGRITY_SHA256, _INTEGRITY_SHA256_BYTES) + digest
    elif key is not None:
        data = _until(data, len(data), _ATTRIBUTE.size + _INTEGRITY_BYTES)
        data += _ATTRIBUTE.pack(Attribute.MESSAGE_INTEGRITY, _INTEGRITY_BYTES) + hmac.digest(key, data, "sha1")
    if fingerprint:
        data = _until(data, len(data), 8)
        data += _ATTRIBUTE.pack(Attribute.FINGERPRINT, 4) + _fingerprint(data)
    return data


def success(request: Message, source: Addr, *, key: bytes | None = None, fingerprint: bool = True) -> bytes:
    """The answer to a Binding request that came from `source`, an IP address."""
    mapped = pack_xor_address(source, request.transaction_id)
    attributes = ((Attribute.XOR_MAPPED_ADDRESS, mapped),)
    return build(request.method, Kind.SUCCESS, request.transaction_id, attributes, key=key, fingerprint=fingerprint)


def failure(
    request: Message,
    code: int,
    reason: str,
    *,
    key: bytes | None = None,
    unknown: tuple[int, ...] = (),
    fingerprint: bool = True,
) -> bytes:
    """An error response; `unknown` are the attributes of a 420."""
    attributes: list[tuple[int, bytes]] = [(Attribute.ERROR_CODE, pack_error(code, reason))]
    if unknown:
        attributes.append((Attribute.UNKNOWN_ATTRIBUTES, pack_unknown(unknown)))
    return build(request.method, Kind.ERROR, request.transaction_id, attributes, key=key, fingerprint=fingerprint)


def short_term_key(password: str) -> bytes:
    """The key of ICE's checks (§9.1.1)."""
    return password.encode()


def long_term_key(username: str, realm: str, password: str, *, sha256: bool = False) -> bytes:
    """The key of a login at a TURN server (§9.2.2, §18.5.1): MD5 or SHA-256 of the three, as RFC 8265 prepares them."""
    text = ":".join((username, realm, unicodedata.normalize("NFC", password))).encode()
    # MD5 is what most servers know; the messages are protected by HMAC.
    return hashlib.sha256(text).digest() if sha256 else hashlib.md5(text, usedforsecurity=False).digest()
