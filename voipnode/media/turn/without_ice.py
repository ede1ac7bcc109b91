"""A leg's packets by the address that SDP told, where there is no ICE to choose: by the relay, or past the router."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from voipnode.media.events import AddressesGathered, MediaEvent, PathFound
from voipnode.media.turn.gatherer import Carried, Gatherer
from voipnode.media.turn.values import RTCP, RTP
from voipnode.media.values import Addr, MediaPacket

MAX_BOUND = 64  # peers that a channel was asked for, after which it is asked for once more


class WithoutIce:
    """The `Connectivity` of a leg with TURN or STUN alone.

    Where it `begin`s with relays all packets go by these; where it has none, packets go as they would without it, and
    the router's way to us is kept open. Whose packets are taken is for the stream to decide. `gathering`: the servers
    have been asked already, and somebody waits for their answers.
    """

    proves = False  # anybody can send to a port, and whoever has the permitted host's address by a relay

    def __init__(self, gatherer: Gatherer, *, gathering: bool = False) -> None:
        self._gatherer = gatherer
        self._gathering = gathering
        self._relays: dict[int, Addr] = {}
        self._relayed = False
        self._bound: set[tuple[int, Addr]] = set()
        self._hosts: frozenset[str] = frozenset()
        self._path = ""  # as it was told last
        self._events: deque[MediaEvent] = deque(maxlen=8)
        self._now = 0.0

    def gather(self, now: float) -> None:
        """Ask the servers; `AddressesGathered` follows where they do not answer at once."""
        self._gatherer.start(now)
        self._gathering = not self._gatherer.done

    @property
    def relayed(self) -> bool:
        """Whether packets go by relays."""
        return self._relayed

    def begin(self, now: float, *, relayed: bool) -> None:
        """What has been gathered is in our description: use it; again when relays were replaced."""
        self._relays = {one.component: one.address for one in self._gatherer.found if one.kind == "relay"}
        self._relayed = relayed
        self._bound.clear()
        if not relayed:
            self._gatherer.keep_open(now)
        self._permit(now)

    def expect(self, hosts: Iterable[str], now: float) -> None:
        """Let these hosts send to us through the relays: where the far side's SDP says that it is, and its SIP."""
        self._now, self._hosts = now, frozenset(hosts)
        self._permit(now)

    def tell(self, remote: Addr, now: float) -> None:
        """Say by which way the sound goes to the far side, where it is another one than before."""
        kind = "relay" if self._relayed else "srflx"
        ours = next((one.address for one in self._gatherer.found if (one.kind, one.component) == (kind, RTP)), None)
        path = "" if ours is None else f"{kind} {ours[0]}:{ours[1]} with {remote[0]}:{remote[1]}"
        if path and path != self._path:
            self._path = path
            self._events.append(PathFound(now, path, 0.0, chosen=True))

    def _permit(self, now: float) -> None:
        for relay in self._relays.values():
            for host in self._hosts:
                self._gatherer.permit(relay, host, now)

    # -- what the transport asks

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool) -> tuple[bytes, Addr] | None:
        self._now = now
        if not self._gatherer.serves(source):
            return None  # a check of somebody who thinks that we speak ICE
        carried = self._gatherer.receive(data, source, now, rtcp=rtcp)
        return None if carried is None else (carried.data, carried.peer)

    def receive_beside(self, beside: int, data: bytes, source: Addr, now: float, *, rtcp: bool) -> None:
        self._now = now  # nobody was told of our other addresses

    def receive_stream(self, stream: int, data: bytes, now: float) -> list[Carried]:
        self._now = now
        return self._gatherer.receive_stream(stream, data, now)

    def stream_closed(self, stream: int, words: str, now: float) -> None:
        self._now = now
        self._gatherer.stream_closed(stream, words, now)

    def admits(self, source: Addr, *, rtcp: bool) -> bool:
        return True

    def known_as(self, source: Addr, *, rtcp: bool) -> Addr:
        return source

    def way(self, packet: MediaPacket) -> MediaPacket | None:
        if not self._relayed:
            return packet
        component = RTCP if packet.rtcp else RTP
        relay = self._relays.get(component)
        if relay is None:
            return None
        if (component, packet.remote) not in self._bound:
            if len(self._bound) >= MAX_BOUND:
                self._bound.clear()
            self._bound.add((component, packet.remote))
            self._gatherer.bind(relay, packet.remote, self._now)
        return self._gatherer.wrap(relay, packet.data, packet.remote)

    def outbox(self, now: float) -> list[MediaPacket]:
        self._now = now
        return self._gatherer.outbox(now)

    def next_deadline(self) -> float | None:
        # What is to be told must not wait for the next packet.
        return self._now if self._events else self._gatherer.next_deadline()

    def on_deadline(self, now: float) -> None:
        self._now = now
        self._gatherer.on_deadline(now)

    def next_event(self) -> MediaEvent | None:
        if self._gathering and self._gatherer.done:
            self._gathering = False
            return AddressesGathered(self._now)
        return self._events.popleft() if self._events else self._gatherer.next_event()
