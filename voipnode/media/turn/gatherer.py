"""All addresses of one leg beyond its own ports: asked for before the offer or answer, kept while the leg lives.

start -> bindings (one per socket, all STUN servers)  \\  done: all have answered, or `patience_s` is over
      -> hunt (server after server, for relays)       /   found: the addresses, for SDP or for ICE
later -> data by the relays; a relay that is lost is sought anew, `RelayLost` and `RelayFound` tell of it
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from voipnode.media.errors import ParseError
from voipnode.media.events import AddressMoved, MediaEvent, PeerNotRelayed, RelayFound, RelayLost
from voipnode.media.stun.message import Message, is_stun, parse
from voipnode.media.turn.allocation import Allocation
from voipnode.media.turn.binding import Binding
from voipnode.media.turn.channel_data import Framer, is_channel_data
from voipnode.media.turn.hunt import RelayHunt
from voipnode.media.turn.memory import ServerMemory
from voipnode.media.turn.values import RTCP, Gathered, Server, Tokens, Way
from voipnode.media.values import Addr, MediaPacket

PATIENCE_S = 1.0
SEEK_AGAIN_S = (0.0, 2.0, 5.0, 10.0, 20.0)  # after a relay was lost, and after each search in vain
MAX_WAITING = 128

OpenStream = Callable[[Server], int]
"""Begins to open a connection and gives its number; what is sent before it is open waits. Raises OSError."""


class Carried(NamedTuple):
    """What a relay brought: `relay` is its address, as candidates have it."""

    data: bytes
    peer: Addr
    component: int
    relay: Addr


class Gatherer:
    """Speaks with all STUN and TURN servers for one leg.

    `bases`: by component (1 RTP, 2 RTCP) the local address of its socket. `open_stream` opens connections to servers by
    TCP and TLS; without it they are left out. `public` is the router's address as somebody who knows has set it, with
    our ports forwarded: STUN servers need not be asked for it. `even_port`: relays on an even port and the next one,
    for peers without ICE. Never raises for what servers send.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        bases: Mapping[int, Addr],
        *,
        tokens: Tokens,
        memory: ServerMemory,
        open_stream: OpenStream | None = None,
        patience_s: float = PATIENCE_S,
        even_port: bool = False,
        public: str = "",
    ) -> None:
        self._bases = dict(bases)
        self._tokens = tokens
        self._memory = memory
        self._open_stream = open_stream
        self._patience_s = patience_s
        self._even_port = even_port
        self._family = ip_address(next(iter(bases.values()))[0]).version
        self._relaying = [server for server in servers if server.relays]
        self._addresses = {server.address for server in servers if server.transport == "UDP"}
        self._public = public if public and ip_address(public).version == self._family else ""
        told = [one for one in servers if not one.relays and self._reaches(one) and not self._public]
        self._bindings = {
            component: Binding(told, self._sender(component), tokens, memory, patience_s) for component in bases
        }
        self._hunt = self._new_hunt(patience_s)
        self._streams: dict[int, Framer] = {}
        self._outbox: deque[MediaPacket] = deque(maxlen=MAX_WAITING)
        self._events: deque[MediaEvent] = deque(maxlen=MAX_WAITING)
        self._give_up_at: float | None = None
        self._seek_at: float | None = None
        self._sought = 0
        self._lender: Server | None = None  # whose relays we have, or had last
        self._closed = False
        # When there is something to do; reckoned anew when something happened. Sound that comes and goes moves nothing
        # to an earlier time, and it must not cost the reckoning fifty times a second.
        self._next_at: float | None = None
        self._stale = True
        self.done = False

    def _reaches(self, server: Server) -> bool:
        return ip_address(server.address[0]).version == self._family

    def _sender(self, component: int) -> Callable[[Server, bytes], None]:
        return lambda server, data: self._send(Way(server, component), data)

    def _send(self, way: Way, data: bytes) -> None:
        self._outbox.append(MediaPacket(data, way.server.address, way.component == RTCP, way.stream))

    def _new_hunt(self, patience_s: float) -> RelayHunt:
        return RelayHunt(
            self._relaying,
            tuple(self._bases),
            open_way=self._open_way,
            send=self._send,
            tokens=self._tokens,
            memory=self._memory,
            patience_s=patience_s,
            family=self._family,
            even_port=self._even_port,
        )

    def _open_way(self, server: Server, component: int) -> Way | None:
        if server.transport == "UDP":
            self._addresses.add(server.address)
            return Way(server, component) if self._reaches(server) else None
        if self._open_stream is None:
            return None
        try:
            stream = self._open_stream(server)
        except OSError:  # the leg's ports are closed
            return None
        self._streams[stream] = Framer()
        return Way(server, component, stream)

    # -- gathering

    def start(self, now: float) -> None:
        """Ask all servers. `done` at once where there are none."""
        self._stale = True
        self._give_up_at = now + self._patience_s
        for binding in self._bindings.values():
            binding.start(now)
        self._hunt.start(now)
        self._settle(now)

    @property
    def found(self) -> list[Gathered]:
        """The addresses that are known now; those of TURN servers by UDP tell how they see us, too."""
        found: dict[tuple[str, int, Addr], Gathered] = {}
        for component, base in self._bases.items():
            binding, relay = self._bindings[component], self._hunt.relays.get(component)
            addresses: list[tuple[Addr | None, Server | None]] = [(binding.mapped, binding.server)]
            if self._public:
                addresses = [((self._public, base[1]), Server((self._public, 0)))]
            if relay is not None and not relay.way.reliable:
                addresses.append((relay.mapped, relay.way.server))
            for mapped, server in addresses:
                if mapped is not None and server is not None and mapped != base:
                    found.setdefault(("srflx", component, mapped), Gathered("srflx", component, mapped, base, server))
            if relay is not None and relay.address is not None:
                found["relay", component, relay.address] = Gathered(
                    "relay", component, relay.address, base, relay.way.server
                )
        return list(found.values())

    @property
    def faults(self) -> list[str]:
        """What is wrong with which server, in words."""
        servers = [*self._relaying, *(s for binding in self._bindings.values() for s in binding.servers)]
        return [words for server in dict.fromkeys(servers) if (words := self._memory.fault(server))]

    def keep_open(self, now: float) -> None:
        """Have the router keep the way to each socket open, where nothing else (ICE) does."""
        self._stale = True
        for binding in self._bindings.values():
            binding.keep(now)

    # -- data

    def serves(self, source: Addr) -> bool:
        """Whether a datagram from there is for `receive`: it is a server's."""
        return source in self._addresses

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool = False) -> Carried | None:
        """Take a datagram of a server; what a relay carried is handed back."""
        component = RTCP if rtcp else 1
        for allocation in self._hunt:
            way = allocation.way
            if way.stream is None and way.component == component and way.server.address == source:
                carried = self._take(allocation, data, now)
                if carried is not None:
                    return carried
        if is_stun(data):
            message, binding = _parsed(data), self._bindings.get(component)
            if message is not None and binding is not None:
                binding.receive(message, source, now)
        self._settle(now)
        return None

    def _take(self, allocation: Allocation, data: bytes, now: float) -> Carried | None:
        if is_channel_data(data):
            carried = allocation.receive_channel(data, now)
        else:
            message = _parsed(data)
            carried = None if message is None else allocation.receive(message, now)
        if carried is None or allocation.address is None:
            return None
        return Carried(carried[0], carried[1], allocation.way.component, allocation.address)

    def receive_stream(self, stream: int, data: bytes, now: float) -> list[Carried]:
        """Take bytes from a connection; what relays carried is handed back, in order."""
        allocation = self._of_stream(stream)
        if allocation is None or stream not in self._streams:
            return []
        try:
            messages = self._streams[stream].feed(data)
        except ParseError as error:
            self.stream_closed(stream, f"sends what is not TURN: {error}", now)
            return []
        found = [carried for message in messages if (carried := self._take(allocation, message, now)) is not None]
        self._settle(now)
        return found

    def stream_closed(self, stream: int, words: str, now: float) -> None:
        """A connection is gone, or never came about."""
        allocation = self._of_stream(stream)
        self._streams.pop(stream, None)
        if allocation is not None:
            allocation.broken(words, now)
            self._settle(now)

    def _of_stream(self, stream: int) -> Allocation | None:
        return next((one for one in self._hunt if one.way.stream == stream), None)

    def permit(self, relay: Addr, host: str, now: float) -> None:
        """Let an address send to us through that relay."""
        self._stale = True
        if (found := self._relay(relay)) is not None:
            found.permit(host, now)

    def bind(self, relay: Addr, peer: Addr, now: float) -> None:
        """Have a relay speak with a peer in short frames; this permits it, too."""
        self._stale = True
        if (found := self._relay(relay)) is not None:
            found.bind(peer, now)

    def wrap(self, relay: Addr, data: bytes, peer: Addr) -> MediaPacket | None:
        """A packet to a peer as it goes to the relay; None where that is not there (any more)."""
        found = self._relay(relay)
        if found is None:
            return None
        try:
            wrapped = found.wrap(data, peer)
        except ValueError:  # a name in the far side's SDP: a relay takes addresses
            return None
        way = found.way
        return MediaPacket(wrapped, way.server.address, way.component == RTCP, way.stream)

    def _relay(self, address: Addr) -> Allocation | None:
        for relay in self._hunt.relays.values():
            if relay.address == address and relay.is_open:
                return relay
        return None

    # -- time

    def outbox(self, now: float) -> list[MediaPacket]:
        """Our own messages to the servers."""
        packets = list(self._outbox)
        self._outbox.clear()
        return packets

    def next_deadline(self) -> float | None:
        if self._stale:
            self._stale = False
            self._next_at = self._reckon()
        return self._next_at

    def _reckon(self) -> float | None:
        times = [self._give_up_at, self._seek_at, self._hunt.next_deadline()]
        times += [binding.next_deadline() for binding in self._bindings.values()]
        return min((at for at in times if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        self._stale = True
        for binding in self._bindings.values():
            binding.on_deadline(now)
        self._hunt.on_deadline(now)
        if self._give_up_at is not None and now >= self._give_up_at:
            self._give_up(now)
        self._settle(now)
        if self._seek_at is not None and now >= self._seek_at:
            self._seek(now)
            self._settle(now)

    def next_event(self) -> MediaEvent | None:
        return self._events.popleft() if self._events else None

    def close(self, now: float) -> None:
        """Give the relays back, and let the router forget us; what goes out last is in the outbox."""
        self._stale = True
        self._closed = True
        for binding in self._bindings.values():
            binding.rest()
        self._give_up_at = self._seek_at = None
        self._hunt.close(now)

    def _give_up(self, now: float) -> None:
        self._give_up_at = None
        for binding in self._bindings.values():
            binding.give_up(now)
        self._hunt.give_up(now)

    def _settle(self, now: float) -> None:
        """See what has come of it."""
        self._stale = True
        lost = self._hunt.look(now)
        if self._closed:
            return
        while self._hunt.peers_refused:
            refused = self._hunt.peers_refused.popleft()
            words = f"{self._lender} {refused.refusal.words}"
            self._events.append(PeerNotRelayed(now, refused.host, words))
        for binding in self._bindings.values():
            if binding.take_move() and binding.mapped is not None and not self._hunt.relays:
                self._events.append(AddressMoved(now, f"{binding.mapped[0]}:{binding.mapped[1]}"))
        if lost is not None:
            self._events.append(RelayLost(now, f"{self._lender} {lost.words}"))
            self._sought = 0
            self._seek_later(now)
        if self.done:
            self._look_for_new(now)
        elif self._give_up_at is None or (self._hunt.done and all(one.done for one in self._bindings.values())):
            self._give_up_at = None
            self.done = True
        if self._hunt.relays:
            self._lender = next(iter(self._hunt.relays.values())).way.server

    # -- a relay that was lost

    def _seek_later(self, now: float) -> None:
        if self._sought < len(SEEK_AGAIN_S):
            self._seek_at = now + SEEK_AGAIN_S[self._sought]
            self._sought += 1

    def _seek(self, now: float) -> None:
        self._seek_at = None
        self._hunt.close(now)
        self._hunt = self._new_hunt(self._patience_s)
        self._hunt.start(now)

    def _look_for_new(self, now: float) -> None:
        if not self._sought or self._seek_at is not None or not self._hunt.done:
            return
        if self._hunt.relays:
            self._sought = 0
            self._events.append(RelayFound(now, str(next(iter(self._hunt.relays.values())).way.server)))
        else:
            self._seek_later(now)


def _parsed(data: bytes) -> Message | None:
    try:
        return parse(data)
    except ParseError:
        return None
