"""What went by a TURN server over UDP, as it left and reached the node's address at that server (RFC 8656).

Of the server a replay knows neither name nor password, and needs none: what it carried stands within its messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from voipnode.media.errors import ParseError
from voipnode.media.stun.attributes import Attribute
from voipnode.media.stun.message import Kind, Message, Method, is_stun, parse
from voipnode.media.turn.channel_data import is_channel_data, unpack
from voipnode.media.values import Addr
from voipnode.replay.seen import Seen
from voipnode.sipstack.transport import Address

MAX_RELAYS = 1024  # of a capture


@dataclass(slots=True)
class _Relay:
    """One allocation: `address` at the server, and whom the node's channels lead to (§12)."""

    address: Address
    channels: dict[int, Address] = field(default_factory=dict)


class Relays:
    """The allocations of a capture, each by the two ends of its way: the node's port, and the server's."""

    def __init__(self) -> None:
        self._known: dict[tuple[Address, Address], _Relay] = {}

    def opened(self, capture: Iterable[Seen]) -> Iterator[Seen]:
        """The capture with what was relayed in place of the messages that carried it; everything else as it is."""
        for seen in capture:
            yield (self._opened(seen) if seen.transport == "UDP" else None) or seen

    def _opened(self, seen: Seen) -> Seen | None:
        try:
            if is_stun(seen.data):
                return self._message(seen, parse(seen.data))
            if is_channel_data(seen.data):
                return self._channel_data(seen)
        except ParseError:
            pass  # another protocol, or half a message
        return None

    def _message(self, seen: Seen, message: Message) -> Seen | None:
        there, back = (seen.source, seen.destination), (seen.destination, seen.source)
        if message.method is Method.ALLOCATE and message.kind is Kind.SUCCESS:
            relayed = message.address(Attribute.XOR_RELAYED_ADDRESS)
            if relayed is not None and len(self._known) < MAX_RELAYS:
                self._known[back] = _Relay(Address(*relayed))
        elif message.method is Method.CHANNEL_BIND and message.kind is Kind.REQUEST:
            number, peer = message.number(Attribute.CHANNEL_NUMBER), message.address(Attribute.XOR_PEER_ADDRESS)
            if number is not None and peer is not None and (relay := self._known.get(there)) is not None:
                relay.channels[number >> 16] = Address(*peer)
        elif message.kind is Kind.INDICATION and message.method in (Method.SEND, Method.DATA):
            data, peer = message.value(Attribute.DATA), message.address(Attribute.XOR_PEER_ADDRESS)
            if data and peer is not None:
                return self._carried(seen, peer, data)
        return None

    def _channel_data(self, seen: Seen) -> Seen | None:
        number, data = unpack(seen.data)
        relay = self._known.get((seen.source, seen.destination)) or self._known.get((seen.destination, seen.source))
        peer = None if relay is None else relay.channels.get(number)
        return self._carried(seen, (peer.host, peer.port), data) if peer is not None and data else None

    def _carried(self, seen: Seen, peer: Addr, data: bytes) -> Seen | None:
        if (relay := self._known.get((seen.source, seen.destination))) is not None:
            return replace(seen, source=relay.address, destination=Address(*peer), data=data)
        if (relay := self._known.get((seen.destination, seen.source))) is not None:
            return replace(seen, source=Address(*peer), destination=relay.address, data=data)
        return None
