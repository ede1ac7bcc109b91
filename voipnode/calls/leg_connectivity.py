"""How a leg is reached and reaches: its candidates, ICE with the far side, and what descriptions say of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from voipnode.calls.ice_settings import IceSettings
from voipnode.media.ice.agent import IceAgent
from voipnode.media.ice.candidate import RTCP, RTP, Candidate, Kind
from voipnode.media.ice.connectivity import FAR_SIDE, IceConnectivity
from voipnode.media.ice.values import Credentials, Pacer, Peer, Times
from voipnode.media.transport import MediaTransport
from voipnode.media.turn.gatherer import Gatherer
from voipnode.media.turn.without_ice import WithoutIce
from voipnode.media.values import Addr
from voipnode.sipstack.audio import AudioSession, LocalAudio
from voipnode.sipstack.ice_attributes import IceCandidate, LocalIce, RemoteIce, credentials_of

# A peer outside that does not know ICE reaches us by a public way; one in our own network takes the short one.
# The relay works with everybody, behind whatever router (RFC 5245 §4.1.4).
_OUTSIDE, _INSIDE = (Kind.RELAYED, Kind.SERVER_REFLEXIVE, Kind.HOST), (Kind.HOST,)


class LegConnectivity:
    """One leg's ICE: what it gathers, offers, answers and finds.

    `bases`: by component the address of its socket; `beside`: those at other addresses of ours. `peer_host`: where its
    SIP goes; `inside`: on our side of the router, which decides about the address that peers without ICE take.
    `ready`: everything has been gathered, or has taken long enough.
    """

    def __init__(
        self,
        settings: IceSettings,
        transport: MediaTransport,
        bases: dict[int, Addr],
        peer_host: str,
        *,
        inside: bool,
        random_bits: Callable[[int], int],
        pacer: Pacer,
        gatherer: Gatherer | None = None,
        beside: Mapping[int, Mapping[int, Addr]] = MappingProxyType({}),
    ) -> None:
        self._transport = transport
        self._bases = bases
        self._peer_host = peer_host
        self._inside = inside
        self._random_bits = random_bits
        self._pacer = pacer
        self._times = Times(max_pairs=settings.max_pairs, patience_s=float(settings.give_up_s))
        self._gatherer = gatherer
        self._beside = beside
        self._waiting: tuple[Peer, int] | None = None  # a far side whose offer we have yet to answer
        self._answered = False  # the call is
        self._remote: RemoteIce | None = None
        self._told: tuple[Addr, ...] = ()  # the default address of each component that our last description named
        self._plain: WithoutIce | None = None  # the way to a far side that knows no ICE
        self._ice = self._new_ice()
        transport.connect(self._ice)

    def _new_ice(self) -> IceConnectivity:
        agent = IceAgent(
            (),
            controlling=False,
            random_bits=self._random_bits,
            components=len(self._bases),
            times=self._times,
            pacer=self._pacer,
        )
        ice = IceConnectivity(agent, self._bases, self._gatherer, self._beside)
        agent.add(ice.candidates())
        return ice

    # -- gathering

    def start(self, now: float) -> None:
        """Ask the STUN and TURN servers."""
        self._ice.gather(now)
        if self.ready:
            self.gathered(now)

    @property
    def ready(self) -> bool:
        """Everything that can be known has been gathered, or has taken too long."""
        return self._gatherer is None or self._gatherer.done

    def gathered(self, now: float) -> None:
        """The servers have answered: descriptions tell of it from now on."""
        self._ice.agent.add(self._ice.candidates())
        if self._gatherer is not None:
            self._gatherer.keep_open(now)  # a phone may ring for longer than a router remembers (RFC 8445 §5.1.1.4)

    def moved(self, now: float) -> bool:
        """Relays were lost, and there are others: whether the far side has to be told, since sound went by them."""
        agent = self._ice.agent
        if self._plain is not None:
            self._plain.begin(now, relayed=self._plain.relayed)
            return self._plain.relayed
        if agent.peer is None:  # it knows our name, and nothing can be told before it answers
            agent.add(self._ice.candidates())
            return False
        pair = agent.route(RTP)
        if pair is None or not pair.local.relayed:
            return False
        agent.restart(self._ice.candidates())
        return True

    # -- what descriptions say

    def offering(self, local: LocalAudio) -> LocalAudio:
        """Our side as an offer describes it. After the choice: the chosen pair alone (RFC 8839 §4.4.1.2.2)."""
        agent = self._ice.agent
        agent.take_role(controlling=True)
        described = self.described(local)
        if described.ice is None or not agent.completed or not agent.controlling:
            return described
        pairs = [pair for component in self._bases if (pair := agent.selected(component)) is not None]
        remote = tuple((pair.component, *pair.remote.address) for pair in pairs)
        return replace(described, ice=replace(described.ice, remote_candidates=remote))

    def answering(self, local: LocalAudio, offer: bytes) -> LocalAudio:
        """Our side as an answer to that offer describes it; a restart there is one here (RFC 8839 §4.4.2.1)."""
        agent, told = self._ice.agent, credentials_of(offer)
        agent.take_role(controlling=False)
        if agent.peer is not None and told is not None and Credentials(*told) != agent.peer.credentials:
            agent.restart(self._ice.candidates())
        return self.described(local)

    def described(self, local: LocalAudio) -> LocalAudio:
        """Our side as it is now."""
        agent = self._ice.agent
        chosen = [
            pair.mapped for c in self._bases if (pair := agent.selected(c)) is not None and pair.mapped is not None
        ]
        candidates = chosen if agent.completed else [c for c in agent.candidates if c.kind is not Kind.PEER_REFLEXIVE]
        self._told = tuple(self._default(component, candidates) for component in sorted(self._bases))
        rtp, rtcp = self._told[0], self._told[-1]
        ice = LocalIce(agent.credentials.ufrag, agent.credentials.password, tuple(map(_line, candidates)))
        return replace(local, host=rtp[0], rtp_port=rtp[1], rtcp_port=rtcp[1], ice=ice)

    def _default(self, component: int, candidates: Sequence[Candidate]) -> Addr:
        """The address for a peer that does not know ICE (RFC 8445 §5.1.4 of old, RFC 8839 §4.2.1.2)."""
        own, base = [one for one in candidates if one.component == component], self._bases[component]
        if not self._ice.agent.completed:  # by its SIP a peer is known to reach the address that this goes from
            own = [one for one in own if base in (one.base, one.related)]
        for kind in _INSIDE if self._inside else _OUTSIDE:
            for candidate in own:
                if candidate.kind is kind:
                    return candidate.address
        return own[0].address if own else base

    # -- what came of it

    def agreed(self, session: AudioSession, now: float, *, answered: bool) -> AudioSession:
        """Both descriptions are known; the session as the stream is to see it. `answered`: the far side knows ours too,
        otherwise `begin` follows once it does."""
        remote = self._remote = session.ice
        if remote is None:  # RFC 3264 serves
            self._waiting = None
            self._plain = self._without_ice(session, now)
            self._transport.connect(self._plain)
            self._ice = self._new_ice()  # with fresh credentials, should the far side come to speak ICE yet
            return session
        self._plain = None
        self._transport.connect(self._ice)
        self._waiting = (_peer(remote), 1 if session.rtcp_mux else len(self._bases))
        if answered:
            self.begin(now)
        rtcp = FAR_SIDE[RTP if session.rtcp_mux else RTCP]
        return replace(
            session,
            remote_host=FAR_SIDE[RTP][0],
            remote_rtp_port=FAR_SIDE[RTP][1],
            remote_rtcp_host=rtcp[0],
            remote_rtcp_port=rtcp[1],
        )

    def _without_ice(self, session: AudioSession, now: float) -> WithoutIce | None:
        """What goes on where the far side knows no ICE: the way of the default address that we have told it."""
        if self._gatherer is None:
            return None
        plain = WithoutIce(self._gatherer, gathering=not self._gatherer.done)
        relayed = any(one.kind == "relay" and one.address in self._told for one in self._gatherer.found)
        plain.begin(now, relayed=relayed)
        plain.expect({self._peer_host, session.remote_host, session.remote_rtcp_host or session.remote_host}, now)
        if session.reachable:
            plain.tell((session.remote_host, session.remote_rtp_port), now)
        return plain

    def begin(self, now: float) -> None:
        """Our answer goes out: check."""
        if self._waiting is not None:
            peer, components = self._waiting
            self._waiting = None
            self._ice.begin(peer, now, components=components, early=not self._answered)

    def expect(self, now: float) -> None:
        """The call is answered: check, if our answer was what was missing, and from now on there has to be a way."""
        self._answered = True
        self.begin(now)
        self._ice.agent.expect(now)

    @property
    def wants_update(self) -> bool:
        """Whether the far side has to be told of the choice: it follows RFC 5245, and our last description names
        another default address than the chosen one (RFC 8839 §4.3.4)."""
        agent = self._ice.agent
        if not agent.completed or not agent.controlling or self._remote is None or self._remote.ice2:
            return False
        chosen = agent.selected(RTP)
        return chosen is not None and chosen.mapped is not None and chosen.mapped.address != self._told[0]

    def close(self, now: float) -> None:
        """Give relays back; what goes out last is in the transport's outbox."""
        if self._gatherer is not None:
            self._gatherer.close(now)


def _line(candidate: Candidate) -> IceCandidate:
    host, port = candidate.address
    return IceCandidate(
        candidate.foundation,
        candidate.component,
        candidate.priority,
        host,
        port,
        str(candidate.kind),
        candidate.related,
    )


def _peer(remote: RemoteIce) -> Peer:
    candidates = tuple(
        Candidate(
            Kind(one.kind), one.component, (one.host, one.port), one.priority, one.foundation, (one.host, one.port)
        )
        for one in remote.candidates
    )
    return Peer(Credentials(remote.ufrag, remote.password), candidates, remote.lite, remote.pacing_ms / 1000)
