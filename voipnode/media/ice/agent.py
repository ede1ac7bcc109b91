"""The ICE agent of one leg: a full implementation of RFC 8445 in both roles, as an engine without I/O.

It answers the checks of whoever knows the password that our description told, and nobody else.
Its verbs name, with each packet, the component (1 RTP, 2 RTCP) and the base: the local address, or the relay's.
"""

from __future__ import annotations

from collections.abc import Iterable

from voipnode.media.errors import ParseError
from voipnode.media.events import MediaEvent
from voipnode.media.ice.candidate import Candidate
from voipnode.media.ice.pair import Pair
from voipnode.media.ice.requests import ROLE_CONFLICT, Asked, priority, tie, username
from voipnode.media.ice.session import Session
from voipnode.media.ice.values import Credentials, Pacer, Peer, RandomBits, Role, Sent, Times
from voipnode.media.stun.attributes import KNOWN, Attribute
from voipnode.media.stun.message import Kind, Message, Method, failure, parse, short_term_key, success
from voipnode.media.values import Addr


class IceAgent:
    """Finds the way to the far side and keeps it.

    `controlling`: we made the offer (§6.1.1). `components`: 2, or 1 where RTCP shares the port. `strangers` counts STUN
    messages that proved nothing.
    """

    def __init__(
        self,
        candidates: Iterable[Candidate],
        *,
        controlling: bool,
        random_bits: RandomBits,
        components: int = 2,
        times: Times | None = None,
        pacer: Pacer | None = None,
    ) -> None:
        self._random_bits = random_bits
        self._times = times or Times()
        self._pacer = pacer or Pacer()
        self._role = Role(controlling, random_bits(64))
        self._components = components
        self._previous: Session | None = None  # before a restart: in use until the new one has a way
        self._session = self._new_session(Credentials.draw(random_bits), candidates)
        self._outbox: list[Sent] = []
        self._deadline: float | None = None
        self._is_planned = False  # that is known: it is asked for with every packet of a call, and moves with few
        self.strangers = 0

    def _new_session(self, credentials: Credentials, candidates: Iterable[Candidate]) -> Session:
        return Session(
            credentials,
            candidates,
            components=self._components,
            role=self._role,
            times=self._times,
            random_bits=self._random_bits,
            pacer=self._pacer,
        )

    # -- what descriptions say

    @property
    def credentials(self) -> Credentials:
        """What our description tells."""
        return self._session.credentials

    @property
    def candidates(self) -> list[Candidate]:
        """Those that our description tells: before the choice all of them, best first."""
        return self._session.candidates

    @property
    def controlling(self) -> bool:
        return self._role.controlling

    @property
    def peer(self) -> Peer | None:
        """The far side as it is being checked; None before `begin`."""
        return self._session.peer

    @property
    def completed(self) -> bool:
        """Both sides keep to one pair for each component."""
        return self._session.completed

    def selected(self, component: int) -> Pair | None:
        """The pair that both sides keep to."""
        return self._session.selected.get(component)

    def take_role(self, *, controlling: bool) -> None:
        """Before anything was checked: who made the offer is known now."""
        self._is_planned = False
        if self._session.peer is None and self._previous is None:
            self._role.controlling = controlling
            self._session.role_switched()

    def add(self, candidates: Iterable[Candidate]) -> None:
        """All our candidates, now that more were gathered; before `begin`."""
        if self._session.peer is None:
            fresh = self._new_session(self._session.credentials, candidates)
            fresh.take_over(self._session)
            self._session = fresh

    def begin(self, peer: Peer, now: float, *, components: int = 2, early: bool = False) -> None:
        """The far side's description is here, and ours was sent. Once more, with more candidates, these are tried too;
        other credentials without a restart of ours are another party's, a fork: what was found goes by at once.

        `early`: the call is not answered yet; that there is no way counts from `expect`.
        """
        self._is_planned = False
        session = self._session
        if session.peer is not None:
            if session.peer.credentials == peer.credentials:
                session.more(peer, now)
                return
            self._session = self._new_session(session.credentials, session.candidates)
            self._previous = None
        self._session.begin(peer, components, now, early=early)

    def expect(self, now: float) -> None:
        """The call is answered: from now on there has to be a way."""
        self._is_planned = False
        self._session.expect(now)

    def restart(self, candidates: Iterable[Candidate] = ()) -> None:
        """§9: fresh credentials, and all is checked anew once the far side's are known; meanwhile all stays in use."""
        self._is_planned = False
        if self._session.route(1) is not None:
            self._previous = self._session
        kept = list(candidates) or [one for one in self._session.candidates if one.foundation != "prflx"]
        self._session = self._new_session(Credentials.draw(self._random_bits), kept)

    # -- packets in

    def receive(self, data: bytes, source: Addr, component: int, base: Addr, now: float) -> None:
        """Take a STUN message that came to that base. Never raises; what proves nothing is counted and dropped."""
        self._is_planned = False
        try:
            message = parse(data)
        except ParseError:
            self.strangers += 1
            return
        if message.method is not Method.BINDING:
            self.strangers += 1
        elif message.kind is Kind.REQUEST:
            self._on_request(message, source, component, base, now)
        elif message.kind is not Kind.INDICATION:  # an indication keeps a NAT's binding open, and is all there is to it
            sessions = (self._session, self._previous)
            if not any(one is not None and one.answered(message, source, component, base, now) for one in sessions):
                self.strangers += 1
        self._settle()

    def _on_request(self, message: Message, source: Addr, component: int, base: Addr, now: float) -> None:
        """§7.3: no word to whoever does not know our password."""
        names = username(message)
        session = self._of(names[0]) if names is not None else None
        key = b"" if session is None else short_term_key(session.credentials.password)
        if names is None or session is None or not message.proves(key):
            self.strangers += 1
            return
        if unknown := message.unknown(KNOWN):
            answer = failure(message, 420, "Unknown Attribute", key=key, unknown=unknown)
        elif self._conflicts(message):
            answer = failure(message, ROLE_CONFLICT, "Role Conflict", key=key)
        else:
            answer = success(message, source, key=key)
            nominates = message.value(Attribute.USE_CANDIDATE) is not None
            asked = Asked(source, component, base, names[1], priority(message), nominates)
            session.asked(asked, now)
        self._outbox.append(Sent(answer, source, component, base))

    def _of(self, ufrag: str) -> Session | None:
        sessions = (self._session, self._previous)
        return next((one for one in sessions if one is not None and one.credentials.ufrag == ufrag), None)

    def _conflicts(self, message: Message) -> bool:
        """§7.3.1.1: where both claim one role, the greater tie-breaker keeps to it; True: the far side has to yield."""
        role = self._role
        theirs = tie(message, Attribute.ICE_CONTROLLING if role.controlling else Attribute.ICE_CONTROLLED)
        if theirs is None:
            return False
        stays = role.tie_breaker >= theirs if role.controlling else role.tie_breaker < theirs
        if not stays:
            role.controlling = not role.controlling
            self._session.role_switched()
        return stays

    # -- where media goes

    def route(self, component: int) -> Pair | None:
        """By which pair packets of that component go now; None: they cannot."""
        route = self._session.route(component)
        if route is None and self._previous is not None:
            route = self._previous.route(component)
        return route

    def admits(self, component: int, source: Addr) -> bool:
        """Whether packets from there are the far side's: a check has come from there, or an answer."""
        if (component, source) in self._session.proven:
            return True
        return self._previous is not None and (component, source) in self._previous.proven

    # -- time, packets and events out

    def next_deadline(self) -> float | None:
        if not self._is_planned:
            self._deadline, self._is_planned = self._plan(), True
        return self._deadline

    def _plan(self) -> float | None:
        times = [one.next_deadline() for one in (self._session, self._previous) if one is not None]
        return min((at for at in times if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Do what is due at `now`; early or late calls are harmless."""
        self._is_planned = False
        for session in (self._previous, self._session):
            if session is not None:
                session.on_deadline(now)
        self._settle()

    def _settle(self) -> None:
        """What was before a restart is over once the new session has its pairs, or when it has died itself."""
        if self._previous is not None and (self._session.completed or self._previous.failed):
            self._previous = None

    def outbox(self) -> list[Sent]:
        """The messages to send now, in order; each is handed out once."""
        packets, self._outbox = self._outbox, []
        for session in (self._previous, self._session):
            if session is not None:
                packets += session.outbox()
        return packets

    def next_event(self) -> MediaEvent | None:
        """The oldest event not yet taken; of a session that was restarted nobody needs to hear any more."""
        return self._session.next_event()
