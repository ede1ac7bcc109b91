"""The ACKs that we sent for 2xx responses, kept as long as such a response may be repeated (RFC 3261 §13.2.2.4)."""

from __future__ import annotations

from dataclasses import replace

from voipnode.sipstack.core import FORGET_ACK, Core
from voipnode.sipstack.dialog import DialogId
from voipnode.sipstack.transport import Hop, Packet


class Acks:
    """ACK packets by dialog and CSeq, each kept for 64*T1: that is how long a UAS repeats its 2xx (§13.3.1.4).

    They outlive their session: a 2xx may be repeated after our BYE overtook the ACK.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._packets: dict[object, tuple[Packet, Hop | None]] = {}

    def __len__(self) -> int:
        return len(self._packets)

    def send(self, dialog: DialogId, number: int, packet: Packet, fallback: Hop | None, now: float) -> None:
        """Send an ACK; its copies go to `fallback` once the connection is gone that its hop names."""
        key = (dialog, number)
        self._packets[key] = packet, fallback
        self._core.deadlines.set((FORGET_ACK, key), now + self._core.config.timers.timeout_s)
        self._core.transmit(packet)

    def repeat(self, dialog: DialogId, number: int) -> bool:
        """Send the ACK of this 2xx again; False where none was sent yet."""
        sent = self._packets.get((dialog, number))
        if sent is None:
            return False
        packet, fallback = sent
        if packet.hop.connection is not None and not self._core.connections.is_alive(packet.hop):
            packet = replace(packet, hop=fallback or replace(packet.hop, connection=None))
        self._core.transmit(packet)
        return True

    def forget(self, key: object) -> None:
        self._packets.pop(key, None)
