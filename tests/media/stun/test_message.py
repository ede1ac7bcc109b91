"""STUN messages against the published vectors (RFC 5769), and against hostile ones."""

from __future__ import annotations

import random

import pytest

from voipnode.media.errors import ParseError
from voipnode.media.stun.attributes import KNOWN, Attribute, pack_xor_address
from voipnode.media.stun.message import (
    Kind,
    Message,
    Method,
    build,
    failure,
    long_term_key,
    parse,
    short_term_key,
    success,
)

PASSWORD = short_term_key("VOkJxbRl1RmTxUk/WvJxBt")
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff"
    "80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
RESPONSE_4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
RESPONSE_6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a147"
    "0113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)
LONG_TERM = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341"
    "0014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
)


def test_the_request_of_rfc_5769_2_1_is_read_and_proven() -> None:
    message = parse(REQUEST)
    assert (message.method, message.kind, message.transaction_id) == (Method.BINDING, Kind.REQUEST, TRANSACTION)
    assert message.text(Attribute.USERNAME) == "evtj:h6vY"
    assert message.number(Attribute.PRIORITY) == 0x6E0001FF
    assert message.number(Attribute.ICE_CONTROLLED) == 0x932FF9B151263B36
    assert message.has_fingerprint
    assert message.unknown(KNOWN) == ()
    assert message.proves(PASSWORD)
    assert not message.proves(PASSWORD + b"x")


@pytest.mark.parametrize(
    ("vector", "host"), [(RESPONSE_4, "192.0.2.1"), (RESPONSE_6, "2001:db8:1234:5678:11:2233:4455:6677")]
)
def test_the_responses_of_rfc_5769_2_2_and_2_3(vector: bytes, host: str) -> None:
    message = parse(vector)
    assert message.kind is Kind.SUCCESS
    assert message.address() == (host, 32853)
    assert message.proves(PASSWORD)
    # Ours, written with the same attributes, differs from theirs by its padding alone, which HMAC and CRC cover.
    ours = build(
        Method.BINDING,
        Kind.SUCCESS,
        TRANSACTION,
        [(Attribute.SOFTWARE, b"test vector "), (0x0020, pack_xor_address((host, 32853), TRANSACTION))],
    )
    assert ours[24:] == vector[24 : len(ours)]


def test_the_request_with_a_login_of_rfc_5769_2_4_is_ours_byte_by_byte() -> None:
    user = "\u30de\u30c8\u30ea\u30c3\u30af\u30b9"
    key = long_term_key(user, "example.org", "TheMatrIX")
    assert parse(LONG_TERM).proves(key)
    attributes = [
        (Attribute.USERNAME, user.encode()),
        (Attribute.NONCE, b"f//499k954d6OL34oL9FSTvy64sA"),
        (Attribute.REALM, b"example.org"),
    ]
    ours = build(Method.BINDING, Kind.REQUEST, bytes.fromhex("78ad3433c6ad72c029da412e"), attributes, key=key)
    assert ours == LONG_TERM


def test_every_method_and_class_has_its_own_type() -> None:
    types = {build(method, kind, bytes(12))[:2] for method in Method for kind in Kind}
    assert len(types) == len(Method) * len(Kind)
    assert build(Method.ALLOCATE, Kind.ERROR, bytes(12))[:2] == b"\x01\x13"  # RFC 8656: 0x0113
    for method in Method:
        for kind in Kind:
            assert parse(build(method, kind, bytes(12))) == Message(method, kind, bytes(12))


def test_answers_carry_their_request_s_transaction() -> None:
    request = parse(REQUEST)
    answer = parse(success(request, ("192.0.2.1", 32853), key=PASSWORD))
    assert answer.address() == ("192.0.2.1", 32853)
    assert answer.proves(PASSWORD)
    assert answer.has_fingerprint
    refusal = parse(failure(request, 420, "Unknown Attribute", key=PASSWORD, unknown=(0x7FFF,)))
    assert refusal.error == (420, "Unknown Attribute")
    assert refusal.value(Attribute.UNKNOWN_ATTRIBUTES) == b"\x7f\xff"
    assert refusal.transaction_id == TRANSACTION


def test_what_stands_behind_the_proof_does_not_count() -> None:
    """RFC 8489 §14.5: an attribute behind MESSAGE-INTEGRITY could have been added by anybody."""
    proven = build(Method.BINDING, Kind.REQUEST, TRANSACTION, [(Attribute.USERNAME, b"a:b")], key=PASSWORD)
    added = (Attribute.USE_CANDIDATE).to_bytes(2, "big") + bytes(2)
    message = parse(proven[:2] + (len(proven) - 16).to_bytes(2, "big") + proven[4:] + added)
    assert message.value(Attribute.USE_CANDIDATE) is None
    assert message.proves(PASSWORD)


def test_attributes_that_would_have_to_be_understood_are_named_once() -> None:
    message = parse(build(Method.BINDING, Kind.REQUEST, TRANSACTION, [(0x7001, b""), (0x7001, b""), (0x8001, b"")]))
    assert message.unknown(KNOWN) == (0x7001,)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        REQUEST[:19],
        REQUEST[:-1],
        REQUEST + b"\0",
        b"\x80" + REQUEST[1:],  # RTP's first byte
        REQUEST[:4] + bytes(4) + REQUEST[8:],  # without the cookie (RFC 3489)
        REQUEST[:-1] + b"\0",  # another FINGERPRINT
        b"\x3e" + REQUEST[1:],
        build(Method.BINDING, Kind.REQUEST, TRANSACTION, [(0x8001, b"")] * 25),
        build(Method.BINDING, Kind.REQUEST, TRANSACTION, [(Attribute.FINGERPRINT, bytes(4)), (0x8001, b"")]),
        RESPONSE_4[:22] + b"\xff\xff" + RESPONSE_4[24:],  # an attribute longer than the message
    ],
)
def test_what_is_broken_is_refused(broken: bytes) -> None:
    with pytest.raises(ParseError):
        parse(broken)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [(0x0020, b"\0\1"), (0x0020, bytes(8)), (0x0001, bytes(20)), (0x0009, b"\0\0\0"), (9, bytes(4))],
)
def test_values_that_do_not_fit_raise_nothing_else(attribute: int, value: bytes) -> None:
    message = parse(build(Method.BINDING, Kind.SUCCESS, TRANSACTION, [(attribute, value)]))
    with pytest.raises(ParseError):
        _ = message.error if attribute == 9 else message.address(attribute)


@pytest.mark.fuzz
def test_no_bytes_raise_anything_else() -> None:
    drawn = random.Random(8489)
    proven = {parse(vector).signed for vector in (REQUEST, RESPONSE_4, RESPONSE_6)}
    for _ in range(5000):
        data = bytearray(drawn.choice((REQUEST, RESPONSE_4, RESPONSE_6, LONG_TERM)))
        for _ in range(drawn.randint(1, 6)):
            data[drawn.randrange(len(data))] = drawn.randrange(256)
        data = data[: drawn.randint(0, len(data))] if drawn.random() < 0.2 else data
        try:
            message = parse(bytes(data))
            assert not message.proves(PASSWORD) or message.signed in proven
            _ = message.error, message.address(), message.text(Attribute.USERNAME)
        except ParseError:
            continue


def test_of_both_integrities_each_covers_what_stands_before_it() -> None:
    key = b"key"
    first = build(Method.BINDING, Kind.REQUEST, TRANSACTION, ((Attribute.REALM, b"r"),), key=key)
    both = parse(first).attributes
    message = parse(build(Method.BINDING, Kind.REQUEST, TRANSACTION, both, key=key, sha256=True))
    assert message.proves(key)
    assert message.proves_sha256(key)
    assert not message.proves_sha256(b"other")
    behind = ((Attribute.MESSAGE_INTEGRITY_SHA256, bytes(32)), (Attribute.USERNAME, b"smuggled"))
    assert parse(build(Method.BINDING, Kind.REQUEST, TRANSACTION, behind)).text(Attribute.USERNAME) is None
