"""What session descriptions say about DTLS: `a=fingerprint` (RFC 8122), `a=setup` and `a=tls-id` (RFC 8842)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from voipnode.sipstack.errors import ParseError

MAX_FINGERPRINTS = 16
TLS_ID = re.compile(r"[A-Za-z0-9+/_-]{20,255}")  # RFC 8842 §4

# RFC 8122 §5: the hash functions, by their bytes. MD2 and MD5 "MUST NOT" be used, not even to verify (§5).
HASH_BYTES = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}

_FINGERPRINT = re.compile(r"([A-Za-z0-9-]{1,16})[ \t]+([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){0,63})")


class Fingerprint(NamedTuple):
    """The hash of a certificate, by which its owner proves to be the one who signed on to the call."""

    hash_name: str
    digest: bytes

    @classmethod
    def parse(cls, value: str) -> Fingerprint:
        """Reads an attribute's value; ParseError for what is malformed, or hashed in a way that proves nothing."""
        match = _FINGERPRINT.fullmatch(value.strip())
        if match is None:
            raise ParseError("a=fingerprint is malformed")
        name, digest = match[1].lower(), bytes.fromhex(match[2].replace(":", ""))
        if HASH_BYTES.get(name) != len(digest):
            raise ParseError("a=fingerprint: a hash that is not served")
        return cls(name, digest)

    def __str__(self) -> str:
        return f"{self.hash_name} {self.digest.hex(':').upper()}"


class Setup(StrEnum):
    """Who begins the handshake: `active` sends the ClientHello, `actpass` leaves the choice to the answerer."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
