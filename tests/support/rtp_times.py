"""When RTP telephone events went over the wire, read from a capture by an independent reader."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import dpkt

EVENTS = (101, 97)  # as the node's own offers number them: beside codecs of 8000 Hz, and of Opus' 48000


def first_event_at(capture: Path, payload_types: Collection[int] = EVENTS) -> float:
    """Wall-clock seconds of the first RTP packet with one of those payload types (RFC 3550 §5.1)."""
    with capture.open("rb") as file:
        for at, frame in dpkt.pcap.UniversalReader(file):
            ip = dpkt.ethernet.Ethernet(frame).data
            if not isinstance(ip, dpkt.ip.IP) or not isinstance(ip.data, dpkt.udp.UDP):
                continue
            data = bytes(ip.data.data)
            if len(data) == 16 and data[0] == 0x80 and data[1] & 0x7F in payload_types:
                return float(at)
    raise AssertionError(f"no RTP packet of payload types {payload_types} in {capture}")
