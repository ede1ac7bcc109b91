"""SRTP keys in session descriptions: `a=crypto` of RFC 4568, with the suites of RFC 6188 and RFC 7714 §14.2.

A line that violates a rule is invalid as a whole (RFC 4568 §6.1, §6.3) and counts as absent: `CryptoLine.parse` raises
ParseError with the rule. What is valid and yet not served here (F8, key derivation rates, packets in the clear or
without authentication, FEC streams) is refused in the same way, because a line may be accepted only in all its parts
(§7.1.2).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import NamedTuple

from voipnode.sipstack.errors import ParseError

MAX_MASTER_KEYS = 8  # of one line; more serve nobody
MAX_CRYPTO_LINES = 24  # of one section that are looked at

_LINE = re.compile(r"([0-9]{1,9})[ \t]+([A-Za-z0-9_]{1,64})[ \t]+([\x21-\x7e]{1,2048})((?:[ \t]+[\x21-\x7e]+)*)[ \t]*")
_KEY = re.compile(
    r"inline:([A-Za-z0-9+/]{1,128}={0,2})(?:\|(2\^)?([1-9][0-9]{0,19}))?(?:\|([1-9][0-9]{0,38}):([1-9][0-9]{0,2}))?"
)
_WINDOW = re.compile(r"WSH=[1-9][0-9]{1,8}")


class CryptoSuite(NamedTuple):
    """A suite by its name in SDP: lengths in bytes; how many SRTP packets one master key may protect.

    What is not `offered` is taken from whoever offers it.
    """

    name: str
    key_bytes: int
    salt_bytes: int
    lifetime: int = 1 << 48
    offered: bool = True

    @property
    def key_salt_bytes(self) -> int:
        """What the inline parameter carries: the master key, and behind it the master salt."""
        return self.key_bytes + self.salt_bytes


# In our order of preference: whoever is asked takes the first that both have, and RFC 4568 §5.1.1 wants the stronger
# first. Tags of 32 bits are not offered: a guess in 2**32 is too good for a door, and each line is 80 bytes of an
# INVITE that should fit into a datagram.
SUITES = {
    suite.name: suite
    for suite in (
        CryptoSuite("AEAD_AES_256_GCM", 32, 12),  # RFC 7714 §14.2: 44 octets
        CryptoSuite("AEAD_AES_128_GCM", 16, 12),  # 28 octets
        CryptoSuite("AES_256_CM_HMAC_SHA1_80", 32, 14),  # RFC 6188 §4: 46 octets
        CryptoSuite("AES_CM_128_HMAC_SHA1_80", 16, 14),  # RFC 4568 §6.2.1: 30 octets
        CryptoSuite("AES_256_CM_HMAC_SHA1_32", 32, 14, offered=False),
        CryptoSuite("AES_CM_128_HMAC_SHA1_32", 16, 14, offered=False),
    )
}


class MasterKey(NamedTuple):
    """A master key with its salt behind it, as whoever sends with it tells it.

    `lifetime` is in packets. `mki` is what every packet carries to name this key, as it stands there; b"" for none.
    """

    key_salt: bytes
    lifetime: int = 1 << 48
    mki: bytes = b""

    def __repr__(self) -> str:  # logs are read by many
        return f"MasterKey(<{len(self.key_salt)} bytes>, lifetime={self.lifetime}, mki={self.mki!r})"

    def __str__(self) -> str:
        text = "inline:" + base64.b64encode(self.key_salt).decode("ascii")
        return f"{text}|{int.from_bytes(self.mki, 'big')}:{len(self.mki)}" if self.mki else text


@dataclass(frozen=True, slots=True)
class CryptoLine:
    """One `a=crypto` attribute: its tag, its suite, the keys that its writer sends with."""

    tag: int
    suite: CryptoSuite
    keys: tuple[MasterKey, ...]

    @classmethod
    def parse(cls, value: str) -> CryptoLine:
        """Reads the attribute's value (RFC 4568 §9.2). Raises ParseError for what is invalid or not served."""
        match = _LINE.fullmatch(value.strip())
        if match is None:
            raise ParseError("a=crypto: not a tag, a suite and a key")
        tag, name, keys, parameters = match.groups()
        suite = SUITES.get(name)
        if suite is None:
            raise ParseError("a=crypto: a suite that is not served")
        for parameter in parameters.split():
            _check_parameter(parameter)
        return cls(int(tag), suite, _keys(keys, suite))

    def __str__(self) -> str:
        return f"{self.tag} {self.suite.name} {';'.join(map(str, self.keys))}"


def _keys(text: str, suite: CryptoSuite) -> tuple[MasterKey, ...]:
    pieces = text.split(";")
    if len(pieces) > MAX_MASTER_KEYS:
        raise ParseError("a=crypto: too many keys")
    keys = tuple(_key(piece, suite) for piece in pieces)
    # §6.1: several keys are told apart by an MKI, of one length, in each packet.
    if len(keys) > 1 and (
        len({len(key.mki) for key in keys}) > 1 or len({key.mki for key in keys} - {b""}) < len(keys)
    ):
        raise ParseError("a=crypto: several keys, and no MKI to tell them apart")
    return keys


def _key(text: str, suite: CryptoSuite) -> MasterKey:
    match = _KEY.fullmatch(text)
    if match is None:
        raise ParseError("a=crypto: no inline key")
    inline, power, lifetime_text, mki_value, mki_length = match.groups()
    try:
        # §6.1: padding characters are discarded, and some leave them out
        key_salt = base64.b64decode(inline.rstrip("=") + "=" * (-len(inline.rstrip("=")) % 4), validate=True)
    except binascii.Error as error:
        raise ParseError("a=crypto: a key that is no base64") from error
    if len(key_salt) != suite.key_salt_bytes:
        raise ParseError("a=crypto: a key of another length than its suite's")
    return MasterKey(key_salt, _lifetime(power, lifetime_text, suite), _mki(mki_value, mki_length))


def _lifetime(power: str | None, text: str | None, suite: CryptoSuite) -> int:
    """§6.1: "MUST NOT exceed the maximum packet lifetime for the crypto-suite"; a larger one makes the line invalid."""
    if text is None:
        return suite.lifetime
    number = int(text)
    if power and number > 48:
        raise ParseError("a=crypto: a lifetime beyond its suite's")
    lifetime = 1 << number if power else number
    if lifetime > suite.lifetime:
        raise ParseError("a=crypto: a lifetime beyond its suite's")
    return lifetime


def _mki(value: str | None, length: str | None) -> bytes:
    if value is None or length is None:
        return b""
    if int(length) > 128:
        raise ParseError("a=crypto: an MKI of more than 128 bytes")
    try:
        return int(value).to_bytes(int(length), "big")
    except OverflowError as error:
        raise ParseError("a=crypto: an MKI longer than it says") from error


def _check_parameter(text: str) -> None:
    """Session parameters (§6.3): hints may pass, as may unknown ones with a dash (§6.3.7); the rest is not served."""
    if text.startswith("-") or _WINDOW.fullmatch(text) or text == "FEC_ORDER=FEC_SRTP":  # the default, and no FEC here
        return
    raise ParseError("a=crypto: a session parameter that is not served")
