"""Unguessable values from the operating system."""

from __future__ import annotations

import secrets

from voipnode.sipstack.entropy import MAGIC_COOKIE


class SystemEntropy:
    """Tokens for the SIP stack (`sipstack.entropy.Entropy`) and random numbers for RTP, all from `secrets`."""

    def call_id(self) -> str:
        """128 random bits; no host name, so that it tells nothing about us (RFC 3261 §8.1.1.4, RFC 3323 §4.1)."""
        return secrets.token_hex(16)

    def tag(self) -> str:
        """64 random bits (RFC 3261 §19.3 asks for 32)."""
        return secrets.token_hex(8)

    def branch(self) -> str:
        """The magic cookie and 96 random bits (RFC 3261 §8.1.1.7)."""
        return MAGIC_COOKIE + secrets.token_hex(12)

    def cnonce(self) -> str:
        """128 random bits (RFC 7616 §5.9)."""
        return secrets.token_hex(16)

    def bits(self, count: int) -> int:
        """A number of `count` random bits: 32 for an SSRC or a first timestamp, 16 for a first sequence number
        (RFC 3550 §5.1)."""
        return secrets.randbits(count)

    def cname(self) -> str:
        """An RTCP CNAME of 96 random bits in base64 (RFC 7022 §4.2)."""
        return secrets.token_urlsafe(12)

    def draw(self, most: int) -> int:
        """A uniform random number from 0 to `most`, both included."""
        return secrets.randbelow(most + 1)
