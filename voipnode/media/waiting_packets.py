"""Packets between arrival and decoding, in the order of playout."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from voipnode.codecs.codec import Decoder

MAX_WAITING = 256


class WaitingPacket(NamedTuple):
    """`start`: its first sample's place in the source's time, without wraps."""

    start: int
    payload: bytes
    decoder: Decoder


class WaitingPackets:
    """At most 256 packets, sorted by their start; a second one for the same place is ignored."""

    def __init__(self) -> None:
        self._packets: list[WaitingPacket] = []

    def clear(self) -> None:
        self._packets.clear()

    def add(self, packet: WaitingPacket) -> None:
        """Nearly always the newest. Where there are too many, the newest is not taken."""
        packets = self._packets
        if not packets or packet.start > packets[-1].start:
            if len(packets) < MAX_WAITING:
                packets.append(packet)
            return
        place = bisect_left(packets, packet.start, key=lambda other: other.start)
        if packets[place].start != packet.start:
            packets.insert(place, packet)
            del packets[MAX_WAITING:]

    @property
    def first(self) -> WaitingPacket | None:
        """The next to be played."""
        return self._packets[0] if self._packets else None

    def pop(self) -> WaitingPacket:
        """Take the first one out; there must be one."""
        return self._packets.pop(0)
