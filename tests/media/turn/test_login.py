"""The long-term login against the vector of RFC 8489 Appendix B.1."""

from __future__ import annotations

import hmac

from voipnode.media.stun.attributes import Attribute
from voipnode.media.stun.message import Kind, Method, build, long_term_key, parse
from voipnode.media.turn.login import Login, user_hash

USERNAME, PASSWORD, REALM = "マトリックス", "TheMatrIX", "example.org"
NONCE = "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"
BEFORE = (
    "2112a44278ad3433c6ad72c029da412e"
    "001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704"
    "001500296f624d61744a6f7332414141"
    + "43662f2f3439396b39353464364f4c33346f4c39465354767936347341000000"
    + "0014000b6578616d706c652e6f726700"
)
# As printed: its length counts 20 bytes that are not there, and the HMAC was made so.
PRINTED = bytes.fromhex(f"0001009c{BEFORE}")
PRINTED_HMAC = bytes.fromhex("e4686c8f0edeb59013e07090010a93efccbccc544c0a45d9f830aa6d6f735a01")
# As the errata have it: with PASSWORD-ALGORITHM, and the length right.
CORRECTED = bytes.fromhex(
    f"00010090{BEFORE}001d000400020000001c0020b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65"
)
KEY = long_term_key(USERNAME, REALM, PASSWORD, sha256=True)


def test_the_key_of_rfc_8489_b_1() -> None:
    assert hmac.digest(KEY, PRINTED, "sha256") == PRINTED_HMAC


def test_the_request_of_rfc_8489_b_1_is_read_and_proven() -> None:
    message = parse(CORRECTED)
    assert message.value(Attribute.USERHASH) == user_hash(USERNAME, REALM)
    assert message.text(Attribute.NONCE) == NONCE
    assert message.proves_sha256(KEY)
    assert not message.proves_sha256(long_term_key(USERNAME, REALM, PASSWORD + "x", sha256=True))
    assert not message.proves(KEY)


def test_the_request_of_rfc_8489_b_1_is_written_to_the_byte() -> None:
    attributes = (
        (Attribute.USERHASH, user_hash(USERNAME, REALM)),
        (Attribute.NONCE, NONCE.encode()),
        (Attribute.REALM, REALM.encode()),
        (Attribute.PASSWORD_ALGORITHM, b"\0\2\0\0"),
    )
    written = build(Method.BINDING, Kind.REQUEST, CORRECTED[8:20], attributes, key=KEY, sha256=True)
    assert written == CORRECTED


def test_the_key_of_rfc_8489_9_2_2() -> None:
    assert long_term_key("user", "realm", "pass").hex() == "8493fbc53ba582fb4c044c456bdc40eb"


def _challenge(*attributes: tuple[int, bytes]) -> str:
    login = Login("user", "pass")
    return login.take(parse(build(Method.ALLOCATE, Kind.ERROR, bytes(12), attributes)))


def test_challenges_that_cannot_be_answered_are_told_in_words() -> None:
    realm, nonce = (int(Attribute.REALM), b"r"), (int(Attribute.NONCE), b"n")
    assert _challenge(realm, nonce) == ""
    assert _challenge(realm) == "its challenge has no realm or nonce"
    assert _challenge(realm, (Attribute.NONCE, b"\xff")) == "its challenge cannot be read: a text that is not UTF-8"
    assert _challenge(realm, (Attribute.NONCE, b"n" * 800)) == "its challenge is too long"
    unknown = (int(Attribute.PASSWORD_ALGORITHMS), b"\0\7\0\0")
    assert _challenge(realm, nonce, unknown) == "it asks for a password algorithm that is not known here"
