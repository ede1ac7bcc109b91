"""Reads a capture (pcap or pcapng) into the datagrams and stream pieces that applications saw."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import dpkt

from voipnode.replay.key_log import KeyLog
from voipnode.replay.relayed import Relays
from voipnode.replay.seen import Seen
from voipnode.replay.tls_session import TlsSession, looks_like_tls
from voipnode.sipstack.transport import Address

MAX_CAPTURE_BYTES = 512 * 1024 * 1024
MAX_PACKETS = 2_000_000
UDP_HEADER_BYTES = 8
MAX_STREAM_GAP = 64  # TCP segments kept waiting for one that is missing

# https://www.tcpdump.org/linktypes.html
LINK_NULL, LINK_ETHERNET, LINK_RAW, LINK_SLL, LINK_IPV4, LINK_IPV6, LINK_SLL2 = 0, 1, 101, 113, 228, 229, 276


class CaptureError(Exception):
    """The file is no capture that can be read; the message says why."""


def read_capture(path: Path, keys: Path | None = None) -> list[Seen]:
    """Everything in the capture that carried bytes, in order; TCP put in sequence and without repeats.

    TLS is opened with the key log `keys`; see `read_key_log`. What a TURN server carried stands there as it left and
    reached the node's address at that server.
    Raises CaptureError for what is no capture, and for one of more than 512 MiB or 2 million packets.
    """
    log = read_key_log(path, keys)
    seen = list(Relays().opened(_read(path)))
    return seen if len(log) == 0 else list(_opened(seen, log))


def read_key_log(path: Path, keys: Path | None = None) -> KeyLog:
    """The key log that goes with a capture: `keys`, or the one beside it that is named like it and ends in ".keys".

    Raises CaptureError where there is one that cannot be read.
    """
    beside = path.with_suffix(".keys")
    if keys is None and beside.exists():
        keys = beside
    try:
        return KeyLog.read(keys) if keys is not None else KeyLog()
    except OSError as error:
        raise CaptureError(f"{keys}: {error.strerror}") from error


def _read(path: Path) -> list[Seen]:
    try:
        if path.stat().st_size > MAX_CAPTURE_BYTES:
            raise CaptureError(
                f"{path}: larger than {MAX_CAPTURE_BYTES} bytes; cut it with editcap or a capture filter"
            )
        with path.open("rb") as file:
            return list(_applications(_packets(file, path)))
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from error


def _packets(file: BinaryIO, path: Path) -> Iterator[tuple[float, int, bytes]]:
    try:
        reader = dpkt.pcap.UniversalReader(file)
    except (ValueError, dpkt.dpkt.Error) as error:
        raise CaptureError(f"{path}: neither pcap nor pcapng ({error})") from error
    first: float | None = None
    link = reader.datalink()
    try:
        for count, (at, frame) in enumerate(reader):
            if count >= MAX_PACKETS:
                raise CaptureError(f"{path}: more than {MAX_PACKETS} packets")
            first = at if first is None else first
            yield at - first, link, frame
    except (ValueError, struct.error, dpkt.dpkt.Error):
        return  # cut off in the middle of a packet, as a capture is when its writer was killed: what came before counts


def _applications(packets: Iterator[tuple[float, int, bytes]]) -> Iterator[Seen]:
    streams: dict[tuple[Address, Address], _Stream] = {}
    for at, link, frame in packets:
        ip = _ip(link, frame)
        if ip is None or not isinstance(ip.data, (dpkt.udp.UDP, dpkt.tcp.TCP)):
            continue
        segment = ip.data
        family = socket.AF_INET if isinstance(ip, dpkt.ip.IP) else socket.AF_INET6
        source = Address(socket.inet_ntop(family, ip.src), segment.sport)
        destination = Address(socket.inet_ntop(family, ip.dst), segment.dport)
        if isinstance(segment, dpkt.udp.UDP):
            if segment.data and segment.ulen <= len(segment.data) + UDP_HEADER_BYTES:  # else cut short by the capture
                yield Seen(at, "UDP", source, destination, bytes(segment.data))
            continue
        stream = streams.setdefault((source, destination), _Stream())
        data = stream.receive(segment)
        if data:
            yield Seen(at, "TCP", source, destination, data)


def _ip(link: int, frame: bytes) -> dpkt.ip.IP | dpkt.ip6.IP6 | None:
    try:
        if link == LINK_ETHERNET:
            ip = dpkt.ethernet.Ethernet(frame).data
        elif link == LINK_SLL:
            ip = dpkt.sll.SLL(frame).data
        elif link == LINK_SLL2:
            ip = dpkt.sll2.SLL2(frame).data
        else:
            raw = frame[4:] if link == LINK_NULL else frame
            ip = dpkt.ip6.IP6(raw) if raw[:1] and raw[0] >> 4 == 6 else dpkt.ip.IP(raw)
    except (dpkt.dpkt.Error, ValueError, IndexError, struct.error):
        return None  # not IP, or cut short: no application saw it
    return ip if isinstance(ip, (dpkt.ip.IP, dpkt.ip6.IP6)) else None


def _opened(capture: list[Seen], keys: KeyLog) -> Iterator[Seen]:
    """The capture with its TLS connections opened; those whose keys are missing stay as they are."""
    sessions: dict[tuple[Address, Address], TlsSession] = {}
    for seen in capture:
        there, back = (seen.source, seen.destination), (seen.destination, seen.source)
        if seen.transport == "TCP" and looks_like_tls(seen.data) and there not in sessions:
            sessions[there] = TlsSession(keys)
            sessions.pop(back, None)
        session = sessions.get(there) or sessions.get(back)
        if seen.transport != "TCP" or session is None:
            yield seen
            continue
        said = session.receive(seen.data, from_client=there in sessions)
        if said:
            yield Seen(seen.at, "TLS", seen.source, seen.destination, said)
        elif session.failed:
            yield seen


class _Stream:
    """One direction of a TCP connection: segments in, bytes in sequence out (RFC 9293 §3.4)."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._waiting: dict[int, bytes] = {}

    def receive(self, segment: dpkt.tcp.TCP) -> bytes:
        if segment.flags & dpkt.tcp.TH_SYN:
            self._next = (segment.seq + 1) & 0xFFFFFFFF
            self._waiting.clear()
            return b""
        if not segment.data:
            return b""
        if self._next is None:  # the capture began in the middle of the connection
            self._next = segment.seq
        self._waiting[segment.seq] = bytes(segment.data)
        if len(self._waiting) > MAX_STREAM_GAP:  # the missing one is not in the capture: go on behind the gap
            self._next = min(self._waiting)
        return self._in_sequence()

    def _in_sequence(self) -> bytes:
        pieces: list[bytes] = []
        progress = True
        while progress and self._next is not None:
            progress = False
            for sequence in sorted(self._waiting):
                ahead = (sequence - self._next) & 0xFFFFFFFF
                data = self._waiting[sequence]
                if 0 < ahead < 0x80000000:
                    continue
                del self._waiting[sequence]
                known = (self._next - sequence) & 0xFFFFFFFF
                if known < len(data):
                    pieces.append(data[known:])
                    self._next = (self._next + len(data) - known) & 0xFFFFFFFF
                    progress = True
        return b"".join(pieces)
