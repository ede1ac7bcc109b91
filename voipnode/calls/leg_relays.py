"""How a leg without ICE is reached from beyond the router: by a relay, else by the router's address."""

from __future__ import annotations

from dataclasses import replace

from voipnode.media.transport import MediaTransport
from voipnode.media.turn.gatherer import Gatherer
from voipnode.media.turn.values import RTCP, RTP
from voipnode.media.turn.without_ice import WithoutIce
from voipnode.media.values import Addr
from voipnode.sipstack.audio import AudioSession, LocalAudio


class LegRelays:
    """One leg's addresses as SDP tells them: the relay's, else as the router maps them, else our own.

    `peer_host`: where its SIP goes; a telephone behind a router sends its sound from there, whatever its SDP says.
    """

    def __init__(
        self,
        transport: MediaTransport,
        bases: dict[int, Addr],
        peer_host: str,
        gatherer: Gatherer,
    ) -> None:
        self._bases = bases
        self._peer_host = peer_host
        self._gatherer = gatherer
        self._way = WithoutIce(gatherer)
        self._addresses = dict(bases)
        self._hosts: tuple[str, ...] = (peer_host,)
        transport.connect(self._way)

    def start(self, now: float) -> None:
        """Ask the STUN and TURN servers."""
        self._way.gather(now)
        if self.ready:
            self.gathered(now)

    @property
    def ready(self) -> bool:
        """Everything that can be known has been gathered, or has taken too long."""
        return self._gatherer.done

    def gathered(self, now: float) -> None:
        """The servers have answered: descriptions tell of it from now on."""
        found = self._gatherer.found
        relays = {one.component: one.address for one in found if one.kind == "relay"}
        mapped = {one.component: one.address for one in reversed(found) if one.kind == "srflx"}
        self._addresses = {**self._bases, **(relays or mapped)}
        self._way.begin(now, relayed=bool(relays))
        self._way.expect(self._hosts, now)

    def moved(self, now: float) -> bool:
        """Relays were lost, and there are others: whether the far side has to be told."""
        self.gathered(now)
        return True

    # -- what descriptions say

    def offering(self, local: LocalAudio) -> LocalAudio:
        """Our side as an offer describes it."""
        return self.described(local)

    def answering(self, local: LocalAudio, offer: bytes) -> LocalAudio:
        """Our side as an answer describes it."""
        return self.described(local)

    def described(self, local: LocalAudio) -> LocalAudio:
        """Our side as it is now."""
        rtp, rtcp = self._addresses[RTP], self._addresses[RTCP]
        return replace(local, host=rtp[0], rtp_port=rtp[1], rtcp_port=rtcp[1])

    # -- what came of it

    def agreed(self, session: AudioSession, now: float, *, answered: bool) -> AudioSession:
        """Where the far side is, is known: the relays let it in."""
        told = {session.remote_host, session.remote_rtcp_host or session.remote_host} if session.reachable else set()
        self._hosts = (self._peer_host, *sorted(told - {self._peer_host}))
        self._way.expect(self._hosts, now)
        if session.reachable:
            self._way.tell((session.remote_host, session.remote_rtp_port), now)
        return session

    def begin(self, now: float) -> None:
        """Our answer goes out: nothing waits for it."""

    def expect(self, now: float) -> None:
        """The call is answered: nothing waits for that either."""

    @property
    def wants_update(self) -> bool:
        """Whether the far side has to be told of a choice: there is none."""
        return False

    def close(self, now: float) -> None:
        """Give relays back; what goes out last is in the transport's outbox."""
        self._gatherer.close(now)
