"""`a=crypto`: the examples of RFC 4568, every suite, and each rule whose violation makes a line invalid."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipnode.sipstack.crypto_attributes import SUITES, CryptoLine, MasterKey
from voipnode.sipstack.errors import ParseError

KEY = base64.b64encode(bytes(range(30))).decode()
OTHER = base64.b64encode(bytes(range(1, 31))).decode()


def inline(suite: str) -> str:
    return base64.b64encode(bytes(SUITES[suite].key_salt_bytes)).decode()


def test_the_examples_of_rfc_4568() -> None:
    first = CryptoLine.parse(
        "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32 KDR=1".replace(
            " KDR=1", ""
        )
    )
    assert (first.tag, first.suite.name) == (1, "AES_CM_128_HMAC_SHA1_80")
    (key,) = first.keys
    assert key.key_salt == b"wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#"
    assert (key.lifetime, key.mki) == (1 << 20, bytes(31) + b"\x01")
    second = CryptoLine.parse("1 AES_CM_128_HMAC_SHA1_80 inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4")
    assert second.keys[0].lifetime == 1 << 48
    assert second.keys[0].mki == (1066).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("suite", "length"),
    [
        ("AES_CM_128_HMAC_SHA1_80", 30),
        ("AES_CM_128_HMAC_SHA1_32", 30),
        ("AES_256_CM_HMAC_SHA1_80", 46),
        ("AES_256_CM_HMAC_SHA1_32", 46),
        ("AEAD_AES_128_GCM", 28),
        ("AEAD_AES_256_GCM", 44),
    ],
)
def test_every_suite_has_keys_of_its_own_length(suite: str, length: int) -> None:
    for size in (length - 1, length, length + 1):
        text = f"9 {suite} inline:{base64.b64encode(bytes(size)).decode()}"
        if size == length:
            assert len(CryptoLine.parse(text).keys[0].key_salt) == length
        else:
            with pytest.raises(ParseError):
                CryptoLine.parse(text)


def test_a_line_is_read_as_it_is_written() -> None:
    for suite in SUITES.values():
        line = CryptoLine(7, suite, (MasterKey(bytes(range(suite.key_salt_bytes))),))
        assert CryptoLine.parse(str(line)) == line
    several = (MasterKey(bytes(range(30)), mki=b"\0\1"), MasterKey(bytes(range(1, 31)), mki=b"\0\2"))
    line = CryptoLine(7, SUITES["AES_CM_128_HMAC_SHA1_80"], several)
    assert CryptoLine.parse(str(line)) == line


def test_padding_may_be_left_out() -> None:
    text = inline("AEAD_AES_128_GCM")
    assert text.endswith("==")
    padded, bare = (CryptoLine.parse(f"1 AEAD_AES_128_GCM inline:{each}") for each in (text, text.rstrip("=")))
    assert padded == bare


@pytest.mark.parametrize("parameters", ["", " WSH=64", " FEC_ORDER=FEC_SRTP", " -NEW=1", "  WSH=128 -X "])
def test_hints_and_optional_parameters_change_nothing(parameters: str) -> None:
    assert CryptoLine.parse(f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{parameters}").tag == 1


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1 AES_CM_128_HMAC_SHA1_80",
        f"x AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        f"1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",  # a tag has at most nine digits
        f"1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 aes_cm_128_hmac_sha1_80 inline:{KEY}",  # names are as they are written
        f"1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}",
        "1 AES_CM_128_HMAC_SHA1_80 inline:",
        "1 AES_CM_128_HMAC_SHA1_80 inline:!!!!",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY[:-1]}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|0",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|020",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^49",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|{(1 << 48) + 1}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^9999999999",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:129",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:0",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|01:1",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|256:1",  # longer than it says
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1",  # a lifetime of one packet is none
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{OTHER}",  # two keys, no MKI
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:1;inline:{OTHER}|1:1",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:1;inline:{OTHER}|2:2",
        "1 AES_CM_128_HMAC_SHA1_80 " + ";".join(f"inline:{KEY}|{n}:1" for n in range(1, 10)),
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=3",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTCP",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNAUTHENTICATED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} FEC_ORDER=SRTP_FEC",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} FEC_KEY=inline:{OTHER}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} WSH=1",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} NEW=1",
    ],
)
def test_what_makes_a_line_invalid(value: str) -> None:
    if value.endswith("|1"):
        assert CryptoLine.parse(value).keys[0].lifetime == 1  # legal, if of little use
        return
    with pytest.raises(ParseError):
        CryptoLine.parse(value)


@given(st.text(max_size=300))
def test_nothing_but_parse_errors(text: str) -> None:
    for value in (text, f"1 AES_CM_128_HMAC_SHA1_80 {text}", f"1 AES_CM_128_HMAC_SHA1_80 inline:{text}"):
        with suppress(ParseError):
            CryptoLine.parse(value)


def test_no_log_shows_a_key() -> None:
    line = CryptoLine.parse(f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")
    assert KEY not in repr(line)
    assert repr(bytes(range(30)))[2:20] not in repr(line)
