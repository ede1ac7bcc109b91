"""When RTP telephone events went over the wire, read from a capture by an independent reader."""

from __future__ import annotations

from pathlib import Path

import dpkt


def first_event_at(capture: Path, payload_type: int = 101) -> float:
    """Wall-clock seconds of the first RTP packet with that payload type (RFC 3550 §5.1)."""
    with capture.open("rb") as file:
        for at, frame in dpkt.pcap.UniversalReader(file):
            ip = dpkt.ethernet.Ethernet(frame).data
            if not isinstance(ip, dpkt.ip.IP) or not isinstance(ip.data, dpkt.udp.UDP):
                continue
            data = bytes(ip.data.data)
            if len(data) == 16 and data[0] == 0x80 and data[1] & 0x7F == payload_type:
                return float(at)
    raise AssertionError(f"no RTP packet of payload type {payload_type} in {capture}")
