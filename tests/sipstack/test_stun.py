"""STUN Binding messages against the vectors of RFC 5769, and against bytes that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipnode.sipstack.stun import Kind, Message, binding_request, binding_success, is_stun, parse
from voipnode.sipstack.transport import Address

ID = bytes.fromhex("b7e7a701bc34d686fa87dfae")

# RFC 5769 §2.1, §2.2, §2.3: written off the RFC.
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1"
    "51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
IPV4_SUCCESS = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599"
    "fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
IPV6_SUCCESS = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5"
    "bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)


def test_the_messages_of_rfc_5769_are_read() -> None:
    assert parse(REQUEST) == Message(Kind.REQUEST, ID)
    assert parse(IPV4_SUCCESS) == Message(Kind.SUCCESS, ID, Address("192.0.2.1", 32853))
    assert parse(IPV6_SUCCESS) == Message(Kind.SUCCESS, ID, Address("2001:db8:1234:5678:11:2233:4455:6677", 32853))


def test_our_answer_holds_the_same_address_as_the_rfcs() -> None:
    for whole, address in ((IPV4_SUCCESS, "192.0.2.1"), (IPV6_SUCCESS, "2001:db8:1234:5678:11:2233:4455:6677")):
        ours = binding_success(ID, Address(address, 32853))
        assert ours[20:] == whole[36 : 36 + len(ours) - 20]
        assert ours[:2] == b"\x01\x01"
        assert ours[4:20] == whole[4:20]


def test_a_request_of_ours_is_a_header_and_no_more() -> None:
    assert binding_request(ID) == bytes.fromhex("000100002112a442") + ID
    assert parse(binding_request(ID)) == Message(Kind.REQUEST, ID)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        REQUEST[:19],
        REQUEST[:-4],  # shorter than it says
        REQUEST + b"\0\0\0\0",
        b"\x00\x03" + REQUEST[2:],  # another method
        b"\x00\x11" + REQUEST[2:],  # an indication wants no answer
        REQUEST[:4] + b"\0\0\0\0" + REQUEST[8:],
        IPV4_SUCCESS[:20] + IPV4_SUCCESS[20:].replace(b"\x00\x01\xa1\x47", b"\x00\x02\xa1\x47"),
        IPV4_SUCCESS[:36] + b"\x00\x20\xff\xff" + IPV4_SUCCESS[40:],
        REQUEST[:2] + b"\xff\xfc" + REQUEST[4:20] + bytes(65532),
    ],
)
def test_what_is_broken_or_not_for_us_is_nothing(data: bytes) -> None:
    assert parse(data) is None


@pytest.mark.parametrize("data", [b"INVITE sip:a@b SIP/2.0\r\n\r\n", b"\r\n\r\n", bytes(40), b"SIP/2.0 200 OK\r\n\r\n"])
def test_sip_is_not_taken_for_stun(data: bytes) -> None:
    assert not is_stun(data)


@given(st.binary(max_size=120), st.sampled_from([REQUEST, IPV4_SUCCESS, IPV6_SUCCESS]), st.integers(0, 120))
def test_nothing_makes_it_raise(noise: bytes, whole: bytes, at: int) -> None:
    for data in (noise, whole[:at] + noise + whole[at + len(noise) :], whole[:20] + noise):
        parse(data)
