"""RTP data packets (RFC 3550 §5.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from voipnode.media.errors import ParseError

VERSION = 2
MAX_PACKET = 2048  # what an audio packet may at most be; ours are 172 bytes at 20 ms
HEADER = struct.Struct("!BBHII")
"""What every packet begins with: its first byte, marker and payload type, sequence number, timestamp, SSRC."""
HEADER_BYTES = HEADER.size
PLAIN = 0x80  # the first byte of a packet without padding, extension and contributing sources
_EXTENSION = struct.Struct("!HH")


@dataclass(slots=True)
class RtpPacket:
    """One RTP packet without padding. `extension` is (profile's 16 bits, data in whole 32-bit words) or None."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    csrc: tuple[int, ...] = ()
    extension: tuple[int, bytes] | None = None

    @classmethod
    def parse(cls, data: bytes) -> RtpPacket:
        """Read a datagram; raises `ParseError` for what RFC 3550 A.1 calls invalid, or more than 2048 bytes."""
        size = len(data)
        if not HEADER_BYTES <= size <= MAX_PACKET:
            raise ParseError(f"{size} bytes are not an RTP packet")
        first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        if first >> 6 != VERSION:
            raise ParseError(f"RTP version {first >> 6}")
        start, csrc, extension = _read_options(data, first)
        end = size - _padding(data, start) if first & 0x20 else size
        return cls(second & 0x7F, sequence, timestamp, ssrc, data[start:end], second > 0x7F, csrc, extension)

    def serialize(self) -> bytes:
        """The packet as it goes on the wire; raises `struct.error` for fields out of range."""
        first = VERSION << 6 | len(self.csrc) | (0x10 if self.extension else 0)
        second = self.payload_type | (0x80 if self.marker else 0)
        head = HEADER.pack(first, second, self.sequence, self.timestamp, self.ssrc)
        if self.csrc:
            head += struct.pack(f"!{len(self.csrc)}I", *self.csrc)
        if self.extension:
            profile, words = self.extension
            head += _EXTENSION.pack(profile, len(words) // 4) + words
        return head + self.payload


def _read_options(data: bytes, first: int) -> tuple[int, tuple[int, ...], tuple[int, bytes] | None]:
    """Where the payload starts, the contributing sources and the header extension (RFC 3550 §5.3.1)."""
    count = first & 0x0F
    start = HEADER_BYTES + 4 * count
    if start > len(data):
        raise ParseError("the list of contributing sources is cut off")
    csrc = struct.unpack_from(f"!{count}I", data, HEADER_BYTES)
    if not first & 0x10:
        return start, csrc, None
    if start + 4 > len(data):
        raise ParseError("the header extension is cut off")
    profile, words = _EXTENSION.unpack_from(data, start)
    start += 4
    end = start + 4 * words
    if end > len(data):
        raise ParseError("the header extension is longer than the packet")
    return end, csrc, (profile, data[start:end])


def _padding(data: bytes, start: int) -> int:
    """RFC 3550 §5.1: the last octet counts the padding octets, itself included."""
    count = data[-1]
    if count == 0 or start + count > len(data):
        raise ParseError(f"{count} octets of padding in a packet of {len(data)}")
    return count
