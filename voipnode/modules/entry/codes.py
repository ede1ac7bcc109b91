"""Codes as they are kept: hashed, so that who reads the file has no PIN.

A code of four digits is soon tried through by whoever has the file, however it is hashed; scrypt (RFC 7914) makes it
cost minutes for each list instead of nothing. All codes of a list share its salt: a code has to lead to its holder by
one look-up, and no two holders have the same.
"""

from __future__ import annotations

import hashlib
import secrets

SALT_BYTES = 16
# 16 MB and some 40 ms on a small processor: nothing to whoever waits at a door, a lot to whoever tries all codes.
COST = 2**14
_R, _P = 8, 1


def new_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


def hashed(code: str, salt: bytes, cost: int = COST) -> bytes:
    """32 bytes by which the code is known; `cost` is scrypt's N. Takes its time: not on the event loop."""
    return hashlib.scrypt(code.encode("ascii"), salt=salt, n=cost, r=_R, p=_P, maxmem=64 * 1024 * 1024, dklen=32)


def generated(length: int) -> str:
    """A code of so many digits, every one as likely as any other."""
    return "".join(secrets.choice("0123456789") for _ in range(length))
