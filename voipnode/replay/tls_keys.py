"""What protects one direction of a TLS connection: keys made from the key log's secrets, records opened with them.

TLS 1.3: RFC 8446 §5.2, §7.1, §7.3. TLS 1.2: RFC 5246 §5, §6.3 with the AEAD suites of RFC 5288, RFC 5289 and RFC 7905.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305


class Aead(Protocol):
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Suite:
    """An AEAD cipher suite: its hash for the key schedule, key length, and how its nonces are made."""

    hash_name: str
    key_bytes: int
    chacha: bool = False

    def aead(self, key: bytes) -> Aead:
        return ChaCha20Poly1305(key) if self.chacha else AESGCM(key)


_AES_128, _AES_256, _CHACHA = Suite("sha256", 16), Suite("sha384", 32), Suite("sha256", 32, chacha=True)
SUITES_13 = {0x1301: _AES_128, 0x1302: _AES_256, 0x1303: _CHACHA}
SUITES_12 = {
    **dict.fromkeys((0x009C, 0x009E, 0xC02B, 0xC02F), _AES_128),  # RSA, DHE_RSA, ECDHE_ECDSA, ECDHE_RSA
    **dict.fromkeys((0x009D, 0x009F, 0xC02C, 0xC030), _AES_256),
    **dict.fromkeys((0xCCA8, 0xCCA9, 0xCCAA), _CHACHA),
}


class Opener(Protocol):
    """Opens the records of one direction, in their order."""

    def open(self, kind: int, body: bytes) -> tuple[int, bytes] | None:
        """The content type and plaintext of a record; None where the key does not fit."""
        ...


class Opener13:
    """TLS 1.3: the nonce is the IV with the record's number in it, the true content type stands at the end."""

    def __init__(self, suite: Suite, secret: bytes) -> None:
        self._suite = suite
        self._secret = secret
        self._take(secret)

    def _take(self, secret: bytes) -> None:
        self._secret = secret
        name = self._suite.hash_name
        self._aead = self._suite.aead(expand_label(name, secret, b"key", self._suite.key_bytes))
        self._iv = expand_label(name, secret, b"iv", 12)
        self._number = 0

    def update(self) -> None:
        """The sender has changed its key (RFC 8446 §7.2)."""
        size = hashlib.new(self._suite.hash_name).digest_size
        self._take(expand_label(self._suite.hash_name, self._secret, b"traffic upd", size))

    def open(self, kind: int, body: bytes) -> tuple[int, bytes] | None:
        header = struct.pack("!BHH", kind, 0x0303, len(body))
        try:
            inner = self._aead.decrypt(_numbered(self._iv, self._number), body, header).rstrip(b"\0")
        except (InvalidTag, ValueError):
            return None
        self._number += 1
        return (inner[-1], inner[:-1]) if inner else None


class Opener12:
    """TLS 1.2 with AEAD: GCM's nonces are half explicit, ChaCha20's are as in TLS 1.3."""

    def __init__(self, suite: Suite, key: bytes, iv: bytes) -> None:
        self._suite = suite
        self._aead = suite.aead(key)
        self._iv = iv
        self._number = 0

    def open(self, kind: int, body: bytes) -> tuple[int, bytes] | None:
        if self._suite.chacha:
            nonce, sealed = _numbered(self._iv, self._number), body
        else:
            nonce, sealed = self._iv + body[:8], body[8:]
        header = struct.pack("!QBHH", self._number, kind, 0x0303, max(0, len(sealed) - 16))
        try:
            plain = self._aead.decrypt(nonce, sealed, header)
        except (InvalidTag, ValueError):
            return None
        self._number += 1
        return kind, plain


def openers_12(suite: Suite, master: bytes, client_random: bytes, server_random: bytes) -> tuple[Opener12, Opener12]:
    """The client's and the server's direction of a TLS 1.2 session."""
    iv_bytes = 12 if suite.chacha else 4
    seed = b"key expansion" + server_random + client_random
    block = prf(suite.hash_name, master, seed, 2 * (suite.key_bytes + iv_bytes))
    keys, ivs = block[: 2 * suite.key_bytes], block[2 * suite.key_bytes :]
    return (
        Opener12(suite, keys[: suite.key_bytes], ivs[:iv_bytes]),
        Opener12(suite, keys[suite.key_bytes :], ivs[iv_bytes:]),
    )


def expand_label(hash_name: str, secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446 §7.1, RFC 5869 §2.3)."""
    full = b"tls13 " + label
    info = struct.pack("!HB", length, len(full)) + full + b"\0"
    output, block, number = b"", b"", 1
    while len(output) < length:
        block = hmac.new(secret, block + info + bytes([number]), hash_name).digest()
        output += block
        number += 1
    return output[:length]


def prf(hash_name: str, secret: bytes, seed: bytes, length: int) -> bytes:
    """P_hash of RFC 5246 §5."""
    output, part = b"", seed
    while len(output) < length:
        part = hmac.new(secret, part, hash_name).digest()
        output += hmac.new(secret, part + seed, hash_name).digest()
    return output[:length]


def _numbered(iv: bytes, number: int) -> bytes:
    return (int.from_bytes(iv, "big") ^ number).to_bytes(len(iv), "big")
