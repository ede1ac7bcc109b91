from __future__ import annotations

import pytest

from tests.support.corpora import corpora
from voipnode.media.errors import ParseError
from voipnode.media.rtp import RtpPacket


def vector(name: str) -> bytes:
    return corpora("vectors", "aiortc-rtp-rtcp", name).read_bytes()


def test_a_plain_packet_is_read() -> None:
    packet = RtpPacket.parse(vector("rtp.bin"))
    assert (packet.payload_type, packet.marker, packet.sequence) == (0, False, 15743)
    assert (packet.timestamp, packet.ssrc) == (3937035252, 4028317929)
    assert packet.csrc == ()
    assert len(packet.payload) == 160
    assert packet.serialize() == vector("rtp.bin")


def test_contributing_sources_are_read() -> None:
    packet = RtpPacket.parse(vector("rtp_with_csrc.bin"))
    assert packet.csrc == (2882400001, 3735928559)
    assert len(packet.payload) == 160
    assert packet.serialize() == vector("rtp_with_csrc.bin")


def test_a_digit_packet_is_read() -> None:
    packet = RtpPacket.parse(vector("rtp_dtmf.bin"))
    assert (packet.payload_type, packet.marker, packet.sequence) == (101, True, 24152)
    assert packet.payload == b"\x01\x8a\x03\xc0"


def test_a_header_extension_is_read_and_written() -> None:
    packet = RtpPacket.parse(vector("rtp_with_sdes_mid.bin"))
    assert packet.extension == (0xBEDE, b"\x900\x00\x00")
    assert packet.payload_type == 111
    assert packet.serialize() == vector("rtp_with_sdes_mid.bin")


def test_padding_is_taken_off() -> None:
    packet = RtpPacket.parse(vector("rtp_only_padding.bin"))
    assert (packet.payload_type, packet.payload) == (120, b"")
    packet = RtpPacket.parse(vector("rtp_only_padding_with_header_extensions.bin"))
    assert packet.payload == b""
    assert packet.extension == (0xBEDE, b'"\xf1\xcc\x8c')


HEADER = bytes.fromhex("80001234 00000000 00000001")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes"),
        (HEADER[:11], "11 bytes"),
        (bytes(2049), "2049 bytes"),
        (b"\x00" + HEADER[1:], "version 0"),
        (b"\xc0" + HEADER[1:], "version 3"),
        (b"\x82" + HEADER[1:] + b"1234", "contributing sources is cut off"),
        (b"\x90" + HEADER[1:] + b"\xbe\xde\x00", "extension is cut off"),
        (b"\x90" + HEADER[1:] + b"\xbe\xde\x00\x02abcd", "extension is longer"),
        (b"\xa0" + HEADER[1:] + b"ab\x04", "4 octets of padding"),
        (b"\xa0" + HEADER[1:] + b"ab\x00", "0 octets of padding"),
        (b"\xa0" + HEADER[1:], "1 octets of padding"),
    ],
)
def test_what_is_not_rtp_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ParseError, match=why):
        RtpPacket.parse(data)
