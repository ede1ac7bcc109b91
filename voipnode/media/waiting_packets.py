"""Packets between arrival and decoding, in the order of playout."""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeAlias

from voipnode.codecs.codec import Decoder

MAX_WAITING = 256

WaitingPacket: TypeAlias = tuple[int, bytes, Decoder]
"""Its first sample's place in the source's time, without wraps; its payload; who decodes it. Fifty a second of each
call are made: a tuple with names costs five times as much."""


class WaitingPackets:
    """At most 256 packets, sorted by their places; a second one for the same place is ignored.

    `first_at` is where the next to be played begins, None while there is none.
    """

    __slots__ = ("_packets", "first_at")

    def __init__(self) -> None:
        self._packets: list[WaitingPacket] = []
        self.first_at: int | None = None

    def clear(self) -> None:
        self._packets.clear()
        self.first_at = None

    def add(self, packet: WaitingPacket) -> None:
        """Nearly always the newest. Where there are too many, the newest is not taken."""
        packets, at = self._packets, packet[0]
        if not packets:
            self.first_at = at
            packets.append(packet)
        elif at > packets[-1][0]:
            if len(packets) < MAX_WAITING:
                packets.append(packet)
        else:
            place = bisect_left(packets, at, key=lambda other: other[0])
            if packets[place][0] != at:
                packets.insert(place, packet)
                del packets[MAX_WAITING:]
                self.first_at = packets[0][0]

    @property
    def first(self) -> WaitingPacket:
        """The next to be played; there must be one."""
        return self._packets[0]

    def pop(self) -> WaitingPacket:
        """Take the first one out; there must be one."""
        packets = self._packets
        packet = packets.pop(0)
        self.first_at = packets[0][0] if packets else None
        return packet
