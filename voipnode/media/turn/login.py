"""The login at a TURN server: what its challenge says, and how requests are signed with it (RFC 8489 §9.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import unicodedata
from collections.abc import Iterator

from voipnode.media.errors import ParseError
from voipnode.media.stun.attributes import Attribute
from voipnode.media.stun.message import Attributes, Kind, Message, Method, build, long_term_key

MAX_CHALLENGE_BYTES = 763  # REALM and NONCE are less than 128 characters, as many as 763 bytes (§14.9, §14.10)
_COOKIE = "obMatJos2"  # before the security features of whoever knows RFC 8489 (§9.2)
_MD5, _SHA256 = 1, 2  # §18.5
_PASSWORD_ALGORITHMS, _ANONYMITY = 0x800000, 0x400000  # §18.1, bit 0 is the leftmost


class Login:
    """A name with its password, and the challenge that they answer at present. `challenged` False: none came so far."""

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._password = password
        self.challenged = False
        self._identity: Attributes = ()
        self._key = b""
        self._sha256 = False  # the server knows password algorithms: MESSAGE-INTEGRITY-SHA256 and nothing less

    def take(self, answer: Message) -> str:
        """Take the challenge of a 401 or 438. "" when the request may be made again, else why not, in words."""
        try:
            realm, nonce = answer.text(Attribute.REALM), answer.text(Attribute.NONCE)
        except ParseError as error:
            return f"its challenge cannot be read: {error}"
        if realm is None or nonce is None:
            return "its challenge has no realm or nonce"
        if max(len(realm.encode()), len(nonce.encode())) > MAX_CHALLENGE_BYTES:
            return "its challenge is too long"
        offered = answer.value(Attribute.PASSWORD_ALGORITHMS)
        features = _features(nonce)
        if features & _PASSWORD_ALGORITHMS and offered is None:
            return "somebody on the way has made its challenge weaker"  # §9.2.5: MUST NOT retry
        chosen = _MD5 if offered is None else _choose(offered)
        if chosen is None:
            return "it asks for a password algorithm that is not known here"
        self._answer(realm, nonce, offered, chosen, anonymous=bool(features & _ANONYMITY))
        return ""

    def _answer(self, realm: str, nonce: str, offered: bytes | None, chosen: int, *, anonymous: bool) -> None:
        self._key = long_term_key(self._username, realm, self._password, sha256=chosen == _SHA256)
        self._sha256 = offered is not None
        if anonymous:
            who = (int(Attribute.USERHASH), user_hash(self._username, realm))
        else:
            who = (int(Attribute.USERNAME), self._username.encode())
        identity = [who, (int(Attribute.REALM), realm.encode()), (int(Attribute.NONCE), nonce.encode())]
        if offered is not None:  # sent back whole, so that nobody on the way can have shortened the list
            identity.append((int(Attribute.PASSWORD_ALGORITHMS), offered))
            identity.append((int(Attribute.PASSWORD_ALGORITHM), chosen.to_bytes(2, "big") + b"\0\0"))
        self._identity = tuple(identity)
        self.challenged = True

    def request(self, method: Method, transaction_id: bytes, attributes: Attributes) -> bytes:
        """A request, signed as soon as there was a challenge (§9.2.3)."""
        if not self.challenged:
            return build(method, Kind.REQUEST, transaction_id, attributes, fingerprint=True)
        signed = (*attributes, *self._identity)
        return build(method, Kind.REQUEST, transaction_id, signed, key=self._key, sha256=self._sha256, fingerprint=True)

    def proves(self, answer: Message) -> bool:
        """Whether an answer was written by somebody who knows the password."""
        return answer.proves_sha256(self._key) if self._sha256 else answer.proves(self._key)


def user_hash(username: str, realm: str) -> bytes:
    """The value of USERHASH (§14.4)."""
    return hashlib.sha256(f"{username}:{unicodedata.normalize('NFC', realm)}".encode()).digest()


def _features(nonce: str) -> int:
    """The security features that the nonce says the server has; 0 where it says nothing."""
    if not nonce.startswith(_COOKIE):
        return 0
    try:
        return int.from_bytes(base64.b64decode(nonce[len(_COOKIE) : len(_COOKIE) + 4], validate=True), "big")
    except (binascii.Error, ValueError):
        return 0


def _choose(offered: bytes) -> int | None:
    """SHA-256 where it is there (RFC 8656 §6), MD5 where that is all; None where neither is."""
    known = set(_algorithms(offered))
    return next((number for number in (_SHA256, _MD5) if number in known), None)


def _algorithms(offered: bytes) -> Iterator[int]:
    at = 0
    while at + 4 <= len(offered):
        length = int.from_bytes(offered[at + 2 : at + 4], "big")
        yield int.from_bytes(offered[at : at + 2], "big")
        at += 4 + length + -length % 4
