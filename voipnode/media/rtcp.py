"""RTCP: sender and receiver reports, source description, goodbye (RFC 3550 §6).

`parse` is strict about framing (RFC 3550 A.2) and skips whole what it does not know: APP, feedback (RFC 4585).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from voipnode.media.errors import ParseError
from voipnode.media.rtcp_xr import XR, ExtendedReport

SR, RR, SDES, BYE = 200, 201, 202, 203
CNAME = 1
MAX_COMPOUND = 2048
_MAX_TEXT = 255
_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IQIII")
_REPORT = struct.Struct("!IIIIII")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What one receiver says about one source (RFC 3550 §6.4.1).

    `fraction_lost` in 1/256, `lost` a signed 24-bit count, `jitter` in timestamp units, `last_sr` the middle 32 bits
    of the NTP time of the last SR, `delay_since_sr` in 1/65536 s.
    """

    ssrc: int
    fraction_lost: int
    lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_since_sr: int

    def pack(self) -> bytes:
        loss = (self.fraction_lost & 0xFF) << 24 | (self.lost & 0xFFFFFF)
        return _REPORT.pack(
            self.ssrc, loss, self.highest_sequence, self.jitter, self.last_sr & 0xFFFFFFFF, self.delay_since_sr
        )

    @classmethod
    def unpack(cls, data: bytes, start: int) -> ReportBlock:
        ssrc, loss, highest, jitter, last_sr, delay = _REPORT.unpack_from(data, start)
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 0x1000000
        return cls(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay)


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR (RFC 3550 §6.4.1): `ntp` is 32.32 fixed point."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR (RFC 3550 §6.4.2)."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """SDES (RFC 3550 §6.5): per source, its items as (type, bytes)."""

    chunks: tuple[tuple[int, tuple[tuple[int, bytes], ...]], ...]


@dataclass(frozen=True, slots=True)
class Goodbye:
    """BYE (RFC 3550 §6.6)."""

    sources: tuple[int, ...]
    reason: str = ""


RtcpPacket: TypeAlias = SenderReport | ReceiverReport | SourceDescription | Goodbye | ExtendedReport


def is_rtcp(data: bytes) -> bool:
    """True for a datagram that is RTCP where both kinds share a port (RFC 5761 §4: packet types 192 to 223)."""
    return len(data) > 1 and 192 <= data[1] <= 223


def parse(data: bytes, *, compound: bool = True) -> list[RtcpPacket]:
    """Read a datagram of RTCP packets; those of unknown type are left out.

    `compound` demands what RFC 3550 A.2 does: SR or RR first, without padding; without it any packet may stand first
    and alone, as agreed for reduced size (RFC 5506 §3.4). Raises `ParseError` for broken framing or contents, and
    beyond 2048 bytes.
    """
    if not 4 <= len(data) <= MAX_COMPOUND:
        raise ParseError(f"{len(data)} bytes are not an RTCP packet")
    if compound and (data[1] not in (SR, RR) or data[0] & 0x20):
        raise ParseError("a compound RTCP packet begins with an unpadded SR or RR")
    packets: list[RtcpPacket] = []
    start = 0
    while start < len(data):
        if start + 4 > len(data):
            raise ParseError("an RTCP header is cut off")
        first, kind, words = _HEADER.unpack_from(data, start)
        end = start + 4 * (words + 1)
        if first >> 6 != 2:
            raise ParseError(f"RTCP version {first >> 6}")
        if end > len(data):
            raise ParseError("an RTCP packet is longer than its datagram")
        body = data[start + 4 : end - _padding(data, first, start, end)]
        if kind in _READERS:
            packets.append(_READERS[kind](body, first & 0x1F))
        start = end
    return packets


def _padding(data: bytes, first: int, start: int, end: int) -> int:
    """RFC 3550 §6.4.1 and A.2: only the last packet is padded, in whole words."""
    if not first & 0x20:
        return 0
    count = data[end - 1]
    if end != len(data) or count == 0 or count % 4 or count > end - start - 4:
        raise ParseError("wrong RTCP padding")
    return count


def _reports(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    if start + count * _REPORT.size > len(body):
        raise ParseError("report blocks are cut off")
    return tuple(ReportBlock.unpack(body, start + index * _REPORT.size) for index in range(count))


def _read_sr(body: bytes, count: int) -> SenderReport:
    if len(body) < _SENDER.size:
        raise ParseError("a sender report is cut off")
    ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
    return SenderReport(ssrc, ntp, timestamp, packets, octets, _reports(body, _SENDER.size, count))


def _read_rr(body: bytes, count: int) -> ReceiverReport:
    if len(body) < 4:
        raise ParseError("a receiver report is cut off")
    return ReceiverReport(int.from_bytes(body[:4], "big"), _reports(body, 4, count))


def _read_xr(body: bytes, _count: int) -> ExtendedReport:
    return ExtendedReport.unpack(body)


def _read_sdes(body: bytes, count: int) -> SourceDescription:
    chunks = []
    start = 0
    for _ in range(count):
        if start + 4 > len(body):
            raise ParseError("a source description is cut off")
        ssrc = int.from_bytes(body[start : start + 4], "big")
        items, start = _read_items(body, start + 4)
        chunks.append((ssrc, items))
    return SourceDescription(tuple(chunks))


def _read_items(body: bytes, start: int) -> tuple[tuple[tuple[int, bytes], ...], int]:
    """One chunk's items; a null octet ends the list and pads it to the next word."""
    items = []
    while start < len(body) and body[start] != 0:
        if start + 2 > len(body) or start + 2 + body[start + 1] > len(body):
            raise ParseError("a source description item is cut off")
        end = start + 2 + body[start + 1]
        items.append((body[start], body[start + 2 : end]))
        start = end
    return tuple(items), start + 4 - start % 4


def _read_bye(body: bytes, count: int) -> Goodbye:
    end = 4 * count
    if end > len(body):
        raise ParseError("a goodbye is cut off")
    sources = struct.unpack_from(f"!{count}I", body)
    reason = b""
    if len(body) > end:
        reason = body[end + 1 : end + 1 + body[end]]
        if len(reason) < body[end]:
            raise ParseError("the reason of a goodbye is cut off")
    return Goodbye(sources, reason.decode("utf-8", "replace"))


_READERS: Mapping[int, Callable[[bytes, int], RtcpPacket]] = MappingProxyType(
    {SR: _read_sr, RR: _read_rr, SDES: _read_sdes, BYE: _read_bye, XR: _read_xr}
)


def build(packets: Iterable[RtcpPacket]) -> bytes:
    """The datagram of these packets, in order."""
    return b"".join(_pack(packet) for packet in packets)


def _pack(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport():
            head = _SENDER.pack(packet.ssrc, packet.ntp, packet.rtp_timestamp, packet.packets, packet.octets)
            return _framed(SR, len(packet.reports), head + b"".join(block.pack() for block in packet.reports))
        case ReceiverReport():
            head = packet.ssrc.to_bytes(4, "big")
            return _framed(RR, len(packet.reports), head + b"".join(block.pack() for block in packet.reports))
        case SourceDescription():
            return _framed(SDES, len(packet.chunks), b"".join(_pack_chunk(*chunk) for chunk in packet.chunks))
        case ExtendedReport():
            return _framed(XR, 0, packet.pack())
        case Goodbye():
            body = struct.pack(f"!{len(packet.sources)}I", *packet.sources)
            if packet.reason:
                text = packet.reason.encode()[:_MAX_TEXT]
                body += _to_word(bytes([len(text)]) + text)
            return _framed(BYE, len(packet.sources), body)


def _pack_chunk(ssrc: int, items: tuple[tuple[int, bytes], ...]) -> bytes:
    listed = b"".join(bytes([kind, len(value)]) + value for kind, value in items)
    return _to_word(ssrc.to_bytes(4, "big") + listed + b"\0")


def _to_word(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _framed(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body
