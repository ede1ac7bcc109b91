"""The peers of one relay: who may send to us through it, and by which channel they are spoken with (RFC 8656)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from voipnode.media.errors import ParseError
from voipnode.media.stun.attributes import Attribute, pack_xor_address
from voipnode.media.stun.message import TRANSACTION_ID_BYTES, Kind, Message, Method, build
from voipnode.media.turn.channel_data import FIRST_CHANNEL, pack, unpack
from voipnode.media.values import Addr

PERMISSION_S = 240.0  # renewed a minute before its 300 s are over (§9)
CHANNEL_S = 480.0  # renewed two minutes before its 600 s are over (§12)
MAX_HOSTS = 64
MAX_CHANNELS = 32
_NO_TRANSACTION = bytes(TRANSACTION_ID_BYTES)  # of indications: nobody answers them


@dataclass(slots=True)
class Channel:
    """A number that stands for a peer. `ready` once the server has confirmed it; until then indications carry data."""

    number: int
    peer: Addr
    ready: bool = False
    refused: bool = False
    renew_at: float | None = 0.0  # None while it is being asked for


@dataclass(slots=True)
class Permission:
    """`renew_at` None while it is being asked for."""

    granted: bool = False
    renew_at: float | None = 0.0


class Peers:
    """Permissions and channels of one allocation, with the times at which they are to be renewed."""

    def __init__(self, *, padded: bool) -> None:
        self._padded = padded  # over a stream (§12.5)
        self._hosts: dict[str, Permission] = {}
        self._channels: dict[Addr, Channel] = {}
        self._by_number: dict[int, Channel] = {}

    def permit(self, host: str) -> None:
        """Let that address send to us; `due` asks for it. Beyond 64 addresses nothing happens."""
        if host not in self._hosts and len(self._hosts) < MAX_HOSTS:
            self._hosts[host] = Permission()

    def bind(self, peer: Addr) -> None:
        """Give a peer a channel, which saves 32 bytes a packet. Beyond 32 peers nothing happens."""
        if peer not in self._channels and len(self._channels) < MAX_CHANNELS:
            channel = Channel(FIRST_CHANNEL + len(self._channels), peer)
            self._channels[peer] = self._by_number[channel.number] = channel

    def permits(self, host: str) -> bool:
        """Whether that address is, or is about to be, let through."""
        return host in self._hosts

    def is_granted(self, host: str) -> bool:
        """Whether the server has confirmed it."""
        found = self._hosts.get(host)
        return found is not None and found.granted

    # -- renewing

    def due(self, now: float) -> tuple[list[str], list[Channel]]:
        """The permissions and channels to ask for now; each is given once, until its answer is told."""
        hosts = [host for host, entry in self._hosts.items() if _is_due(entry.renew_at, now)]
        channels = [channel for channel in self._channels.values() if _is_due(channel.renew_at, now)]
        for host in hosts:
            self._hosts[host].renew_at = None
        for channel in channels:
            channel.renew_at = None
        return hosts, channels

    def next_deadline(self) -> float | None:
        return min(self._times(), default=None)

    def _times(self) -> Iterator[float]:
        for entry in self._hosts.values():
            if entry.renew_at is not None:
                yield entry.renew_at
        for channel in self._channels.values():
            if channel.renew_at is not None:
                yield channel.renew_at

    def granted(self, host: str, now: float) -> None:
        """The server lets that address through."""
        if host in self._hosts:
            self._hosts[host] = Permission(granted=True, renew_at=now + PERMISSION_S)

    def refused(self, host: str) -> None:
        """The server does not; it is not asked again."""
        self._hosts.pop(host, None)

    def unanswered(self, hosts: Iterable[str], number: int, now: float) -> None:
        """Nothing came back: `due` asks once more."""
        channel = self._by_number.get(number)
        if channel is not None:
            channel.renew_at = now
            return
        for host in hosts:
            if host in self._hosts:
                self._hosts[host].renew_at = now

    def bound(self, number: int, now: float) -> None:
        """The server has taken the channel."""
        channel = self._by_number[number]
        channel.ready, channel.renew_at = True, now + CHANNEL_S

    def unbound(self, number: int) -> None:
        """The server refused the channel: indications carry its data from now on."""
        channel = self._by_number[number]
        channel.ready, channel.refused, channel.renew_at = False, True, None

    # -- data

    def wrap(self, data: bytes, peer: Addr) -> bytes:
        """A datagram for a peer as it goes to the server (§11.1, §12.5). Raises ValueError where the host is a name."""
        channel = self._channels.get(peer)
        if channel is not None and channel.ready:
            return pack(channel.number, data, padded=self._padded)
        attributes = (
            (Attribute.XOR_PEER_ADDRESS, pack_xor_address(peer, _NO_TRANSACTION)),
            (Attribute.DATA, data),
        )
        return build(Method.SEND, Kind.INDICATION, _NO_TRANSACTION, attributes)

    def unwrap_channel(self, message: bytes) -> tuple[bytes, Addr]:
        """Data and peer of a ChannelData message. Raises `ParseError` for a channel that is not ours (§12.6)."""
        number, data = unpack(message)
        channel = self._by_number.get(number)
        # Taken before the server's confirmation too: it may overtake that (§12).
        if channel is None or channel.refused:
            raise ParseError(f"channel {number:#x} is bound to nobody")
        return data, channel.peer

    def unwrap_indication(self, message: Message) -> tuple[bytes, Addr]:
        """Data and peer of a Data indication. Raises `ParseError` where it has none, or nobody permitted the peer."""
        peer, data = message.address(Attribute.XOR_PEER_ADDRESS), message.value(Attribute.DATA)
        if peer is None or data is None or peer[0] not in self._hosts:
            raise ParseError("a Data indication of nobody who may send to us")  # §11.4
        return data, peer


def _is_due(at: float | None, now: float) -> bool:
    return at is not None and now >= at
