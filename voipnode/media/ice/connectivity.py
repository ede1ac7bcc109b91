"""ICE as the way of one leg's packets: the agent, its sockets and relays, as `media.transport` wants it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from voipnode.media.events import AddressesGathered, MediaEvent, PathFound
from voipnode.media.ice.agent import IceAgent
from voipnode.media.ice.candidate import RTCP, RTP, Candidate, Found, Kind, local_candidates
from voipnode.media.ice.values import Peer, Sent
from voipnode.media.stun.message import is_stun
from voipnode.media.turn.gatherer import Carried, Gatherer
from voipnode.media.values import Addr, MediaPacket

KEEP_RELAYS_S = 3.0  # after the choice (RFC 8445 §8.3.1): the far side may still change its mind

# What the stream takes for the far side's addresses: its own change with the path, and are nobody's business.
FAR_SIDE = {RTP: ("ice.invalid", 1), RTCP: ("ice.invalid", 2)}


class IceConnectivity:
    """Brings the agent's checks and the leg's media to the sockets and relays, and back.

    `bases`: by component (1 RTP, 2 RTCP) the local address of its socket. `beside`: by the number that packets name
    them by (below zero), the same ports of other addresses of this host. `gatherer`: STUN and TURN servers of the leg.
    """

    proves = True

    def __init__(
        self,
        agent: IceAgent,
        bases: Mapping[int, Addr],
        gatherer: Gatherer | None = None,
        beside: Mapping[int, Mapping[int, Addr]] = MappingProxyType({}),
    ) -> None:
        self.agent = agent
        self._bases = dict(bases)
        self._beside = beside
        # How packets leave from a base: by their own port (None), or by another address's (its number).
        self._exits: dict[Addr, int | None] = dict.fromkeys(self._bases.values())
        self._exits |= {base: number for number, own in beside.items() for base in own.values()}
        self._gatherer = gatherer
        self._release_at: float | None = None
        self._gathering = False
        self._now = 0.0

    def gather(self, now: float) -> None:
        """Ask the servers; `AddressesGathered` follows where they do not answer at once."""
        if self._gatherer is not None:
            self._gatherer.start(now)
            self._gathering = not self._gatherer.done

    def candidates(self) -> list[Candidate]:
        """Our candidates, as far as they are gathered."""
        hosts = [tuple(own[component] for component in sorted(own)) for own in (self._bases, *self._beside.values())]
        gathered = self._gatherer.found if self._gatherer is not None else []
        return local_candidates(
            hosts,
            [Found(Kind(one.kind), one.component, one.address, one.base, one.server.address[0]) for one in gathered],
        )

    def begin(self, peer: Peer, now: float, *, components: int, early: bool = False) -> None:
        """Check the far side's candidates; `early`: before the call is answered."""
        self._release_at = None
        if self._gatherer is not None:  # while the first checks are on their way, relays learn whom to let in
            relays = [candidate.address for candidate in self.agent.candidates if candidate.relayed]
            for relay in relays:
                for candidate in peer.candidates:
                    self._gatherer.permit(relay, candidate.address[0], now)
        self.agent.begin(peer, now, components=components, early=early)

    # -- packets in

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool) -> tuple[bytes, Addr] | None:
        """Take STUN or ChannelData; what a relay carried and is no check is handed back with its real source."""
        self._now = now
        if self._gatherer is not None and self._gatherer.serves(source):
            carried = self._gatherer.receive(data, source, now, rtcp=rtcp)
            return None if carried is None else self._carried(carried, now)
        component = RTCP if rtcp else RTP
        if component in self._bases:
            self.agent.receive(data, source, component, self._bases[component], now)
        return None

    def receive_beside(self, beside: int, data: bytes, source: Addr, now: float, *, rtcp: bool) -> None:
        """Take STUN that came to our port at another address of this host."""
        self._now = now
        component = RTCP if rtcp else RTP
        if (base := self._beside.get(beside, {}).get(component)) is not None:
            self.agent.receive(data, source, component, base, now)

    def receive_stream(self, stream: int, data: bytes, now: float) -> list[Carried]:
        """Take bytes of a connection to a TURN server; what was carried and is no check is handed back."""
        self._now = now
        if self._gatherer is None:
            return []
        carried = self._gatherer.receive_stream(stream, data, now)
        return [one for one in carried if self._carried(one, now) is not None]

    def stream_closed(self, stream: int, words: str, now: float) -> None:
        """A connection to a TURN server is gone."""
        self._now = now
        if self._gatherer is not None:
            self._gatherer.stream_closed(stream, words, now)

    def _carried(self, carried: Carried, now: float) -> tuple[bytes, Addr] | None:
        if not is_stun(carried.data):
            return carried.data, carried.peer
        self.agent.receive(carried.data, carried.peer, carried.component, carried.relay, now)
        return None

    def admits(self, source: Addr, *, rtcp: bool) -> bool:
        """Whether a check has shown that the far side sends from there."""
        return self.agent.admits(RTCP if rtcp else RTP, source)

    def known_as(self, source: Addr, *, rtcp: bool) -> Addr:
        """One name for all addresses of the far side: its stream does not begin anew when the path changes."""
        return FAR_SIDE[RTCP if rtcp else RTP]

    # -- packets out

    def way(self, packet: MediaPacket) -> MediaPacket | None:
        """The packet as it leaves by the pair in use; None: there is none."""
        pair = self.agent.route(RTCP if packet.rtcp else RTP)
        if pair is None:
            return None
        if pair.local.relayed:
            return self._wrapped(pair.local.address, packet.data, pair.remote.address)
        return MediaPacket(packet.data, pair.remote.address, packet.rtcp, self._exits[pair.local.base])

    def _wrapped(self, relay: Addr, data: bytes, peer: Addr) -> MediaPacket | None:
        return None if self._gatherer is None else self._gatherer.wrap(relay, data, peer)

    def outbox(self, now: float) -> list[MediaPacket]:
        """Checks, their answers, and what is to be said to servers."""
        found = [packet for sent in self.agent.outbox() if (packet := self._packet(sent, now)) is not None]
        if self._gatherer is not None:
            found = self._gatherer.outbox(now) + found
        return found

    def _packet(self, sent: Sent, now: float) -> MediaPacket | None:
        if sent.base in self._exits:
            return MediaPacket(sent.data, sent.remote, sent.component == RTCP, self._exits[sent.base])
        if self._gatherer is not None:
            self._gatherer.permit(sent.base, sent.remote[0], now)
        return self._wrapped(sent.base, sent.data, sent.remote)

    # -- time and events

    def next_deadline(self) -> float | None:
        times = [self.agent.next_deadline(), self._release_at]
        if self._gatherer is not None:
            times.append(self._gatherer.next_deadline())
        return min((at for at in times if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        self.agent.on_deadline(now)
        if self._gatherer is not None:
            self._gatherer.on_deadline(now)
            if self._release_at is not None and now >= self._release_at:
                self._release_at = None
                self._gatherer.close(now)

    def next_event(self) -> MediaEvent | None:
        """What the agent tells, then what the servers do."""
        if self._gathering and self._gatherer is not None and self._gatherer.done:
            self._gathering = False
            return AddressesGathered(self._now)
        event = self.agent.next_event()
        if isinstance(event, PathFound) and event.chosen:
            self._chosen(event.at)
        if event is None and self._gatherer is not None:
            event = self._gatherer.next_event()
        return event

    def _chosen(self, now: float) -> None:
        """The pairs stand: relays among them carry media in short frames, the others are given back."""
        if self._gatherer is None:
            return
        relayed = [pair for c in (RTP, RTCP) if (pair := self.agent.selected(c)) is not None and pair.local.relayed]
        for pair in relayed:
            self._gatherer.bind(pair.local.address, pair.remote.address, now)
        self._release_at = None if relayed else now + KEEP_RELAYS_S
