"""One ICE session: from the exchange of candidates to the chosen pair, and as long as that serves (RFC 8445 §6 to §8).

    begin -> checks, paced by Ta -> valid pairs -> nomination -> consent
               ^                      |
    far side's checks: triggered      '-> packets go and come by the best of them at once (§12.1)

A restart (§9) is another session beside this one; `agent` keeps both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from voipnode.media.errors import ParseError
from voipnode.media.events import MediaEvent, PathFailed, PathFound
from voipnode.media.ice.candidate import MAX_REMOTE, Candidate, Kind, is_somebody, reflexive_priority, usable
from voipnode.media.ice.checklist import Checklist
from voipnode.media.ice.checks import Check, Checks
from voipnode.media.ice.consent import Consent
from voipnode.media.ice.in_use import PairsInUse
from voipnode.media.ice.nomination import Nomination
from voipnode.media.ice.pair import Pair, PairEvent, PairState
from voipnode.media.ice.requests import FORBIDDEN, ROLE_CONFLICT, Asked, request
from voipnode.media.ice.values import CHECK_BITS, Credentials, Pacer, Peer, RandomBits, Role, Sent, Times
from voipnode.media.stun.message import Kind as Class
from voipnode.media.stun.message import Message, short_term_key
from voipnode.media.values import Addr

_MAX_EARLY = 16  # checks of the far side that came before its description
_MAX_REFLEXIVE = 16  # candidates of the far side that only its checks show
_MAX_PROVEN = 64


class Session:
    """Candidates and credentials of both sides, the checks between them, and what came of these.

    `components`: 2, or 1 where RTCP shares the port (RFC 5761). `role` and `pacer` are shared with other sessions.
    """

    def __init__(
        self,
        credentials: Credentials,
        candidates: Iterable[Candidate],
        *,
        components: int,
        role: Role,
        times: Times,
        random_bits: RandomBits,
        pacer: Pacer,
    ) -> None:
        self.credentials = credentials
        self.peer: Peer | None = None
        self.components = components
        self.candidates = list(candidates)
        self.proven: dict[tuple[int, Addr], None] = {}  # whence a check of the far side, or an answer, came
        self.failed = False
        self._role = role
        self._times = times
        self._random_bits = random_bits
        self._pacer = pacer
        self._bases = {
            (one.component, one.base): one for one in self.candidates if one.kind in (Kind.HOST, Kind.RELAYED)
        }
        self._remote: dict[tuple[int, Addr], Candidate] = {}
        self._checklist = Checklist(controlling=role.controlling, max_pairs=times.max_pairs)
        self._checks = Checks(times.sends)
        self._early: deque[Asked] = deque(maxlen=_MAX_EARLY)
        self._in_use = PairsInUse(self._checklist, times, self._draw)
        self._nomination = Nomination(self._checklist, times)
        self._check_at: float | None = None
        self._last_check_at = float("-inf")
        self._began_at = 0.0
        self._patient_from: float | None = None
        self._outbox: list[Sent] = []
        self._events: deque[MediaEvent] = deque(maxlen=32)

    # -- what is asked of it

    @property
    def completed(self) -> bool:
        """Every component has its pair."""
        return self.peer is not None and all(c in self.selected for c in range(1, self.components + 1))

    @property
    def selected(self) -> dict[int, Pair]:
        """By component, the pair that both sides keep to."""
        return self._in_use.selected

    def route(self, component: int) -> Pair | None:
        """By which pair packets go now: the chosen one, else the best that works; None: there is no way yet."""
        return self._in_use.route(component)

    # -- beginning

    def begin(self, peer: Peer, components: int, now: float, *, early: bool) -> None:
        """The far side's description is here, and ours has been sent: check (§6.1).

        `early`: the far side has not answered the call yet, and perhaps no check either: nothing fails before `expect`.
        """
        self.peer = peer
        self.components = min(components, self.components)
        self._know(peer)
        told = max((candidate.component for candidate in self._remote.values()), default=self.components)
        self.components = min(self.components, told)  # §6.1.2.2
        self._began_at = now
        self._patient_from = None if early else now
        if peer.lite:
            self._role.controlling = True  # §6.1.1
        self.role_switched()
        self._form()
        waiting, self._early = list(self._early), deque(maxlen=_MAX_EARLY)
        for asked in waiting:  # §7.3: what could not be done before the description was here
            self._follow(peer, asked, now)
        self._check_at = now
        self._check(now)

    def expect(self, now: float) -> None:
        """The call is answered: from now on there has to be a way. What was tried in vain is tried again."""
        if self.peer is None or self._patient_from is not None:
            return
        self._patient_from = now
        for pair in self._checklist:
            if pair.state is PairState.FAILED and self.route(pair.component) is None:
                self._checklist.trigger(pair)
        self._wake(now)

    def more(self, peer: Peer, now: float) -> None:
        """The far side has described itself again, perhaps with more candidates (RFC 8839 §4.4.3.1)."""
        if not self.completed and not self.failed:
            self._know(peer)
            self._form()
            self._wake(now)

    def _know(self, peer: Peer) -> None:
        for candidate in usable(peer.candidates, self.components):
            if len(self._remote) < MAX_REMOTE + _MAX_REFLEXIVE:
                self._remote.setdefault((candidate.component, candidate.address), candidate)

    def _form(self) -> None:
        ours = [candidate for candidate in self.candidates if candidate.component <= self.components]
        self._checklist.form(ours, self._remote.values())

    def take_over(self, before: Session) -> None:
        """This session replaces one of the same credentials, whose candidates were fewer."""
        self._early, self.proven = before._early, before.proven

    def role_switched(self) -> None:
        """The role is another one, or is known only now."""
        self._checklist.switch_role(controlling=self._role.controlling)

    # -- the far side's checks

    def asked(self, asked: Asked, now: float) -> None:
        """A check of the far side was proven, and answered (§7.3.1.3 to §7.3.1.5)."""
        if self.peer is None:
            self._early.append(asked)
        else:
            self._follow(self.peer, asked, now)

    def _follow(self, peer: Peer, asked: Asked, now: float) -> None:
        if asked.theirs != peer.credentials.ufrag:
            return  # another fork of our call
        self._prove(asked.component, asked.source)
        if asked.component > self.components or peer.lite:
            return
        wanted = asked.nominates and not self._role.controlling
        # Its router has given it another address, and what we send to the one before is lost.
        wanted = wanted or (asked.component in self.selected and not self._in_use.is_alive(asked.component, now))
        pair = self._checklist.find(asked.component, asked.base, asked.source)
        if pair is None:
            if self.completed and not wanted:
                return
            pair = self._unseen(asked)
        if pair is None:
            return
        if pair.valid and pair.state is not PairState.FAILED:
            if wanted:
                self._select(pair, now)
            return
        pair.wanted = pair.wanted or wanted
        if self.completed and not wanted:
            return
        self._checks.cancel(pair)
        self._checklist.trigger(pair)
        self._wake(now)

    def _unseen(self, asked: Asked) -> Pair | None:
        """A pair that only this check has shown; its source is perhaps a candidate that nobody knew (§7.3.1.3)."""
        local = self._bases.get((asked.component, asked.base))
        remote = self._remote.get((asked.component, asked.source))
        if remote is None:
            reflexive = sum(candidate.kind is Kind.PEER_REFLEXIVE for candidate in self._remote.values())
            if reflexive >= _MAX_REFLEXIVE or not is_somebody(asked.source):
                return None
            foundation = f"prflx{reflexive}"  # unlike all that it sends us
            remote = Candidate(
                Kind.PEER_REFLEXIVE, asked.component, asked.source, asked.priority, foundation, asked.source
            )
            self._remote[asked.component, asked.source] = remote
        return None if local is None else self._checklist.add(local, remote)

    def _prove(self, component: int, source: Addr) -> None:
        if len(self.proven) < _MAX_PROVEN:
            self.proven[component, source] = None

    # -- our checks

    def _wake(self, now: float) -> None:
        """There is something to check: as soon as the pace allows."""
        if self._check_at is None and not self.failed:
            self._check_at = max(now, self._last_check_at + self._pace_s)

    @property
    def _pace_s(self) -> float:
        return max(self._times.pace_s, self.peer.pace_s if self.peer is not None else 0.0)

    def _check(self, now: float) -> None:
        """§6.1.4.2: when Ta fires, one check."""
        if self._check_at is None or self._check_at > now:
            return
        if (free_at := self._pacer.take(now)) > now:
            self._check_at = free_at
            return
        pair = self._checklist.next()
        if pair is None:
            self._check_at = None
            return
        wait_s = max(self._times.first_repeat_s, self._pace_s * self._checklist.under_way)  # §14.3
        pair.on(PairEvent.SEND)
        nominates = pair in self._nomination.under_way
        transaction_id, data = self._request(pair, nominates=nominates)
        self._checks.start(
            pair, transaction_id, data, wait_s, now, controlling=self._role.controlling, nominates=nominates
        )
        self._send(pair, data)
        self._last_check_at = now
        self._check_at = now + self._pace_s

    def _request(self, pair: Pair, *, nominates: bool = False) -> tuple[bytes, bytes]:
        assert self.peer is not None
        transaction_id = self._random_bits(CHECK_BITS).to_bytes(CHECK_BITS // 8, "big")
        ours, theirs = self.credentials, self.peer.credentials
        return transaction_id, request(transaction_id, pair.local, ours, theirs, self._role, nominates=nominates)

    def _send(self, pair: Pair, data: bytes) -> None:
        self._outbox.append(Sent(data, pair.remote.address, pair.component, pair.local.base))

    # -- their answers

    def answered(self, message: Message, source: Addr, component: int, base: Addr, now: float) -> bool:
        """Take an answer; False where it is to no request of this session. One without proof never came (§7.2.2)."""
        if self.peer is None or not message.proves(short_term_key(self.peer.credentials.password)):
            return False
        for consent in self._in_use.consents():
            if consent.knows(message.transaction_id):
                self._consented(consent, message, (component, base, source), now)
                return True
        check = self._checks.take(message.transaction_id)
        if check is None:
            return False
        pair = check.pair
        if (component, base, source) != (pair.component, pair.local.base, pair.remote.address):
            self._fail(check, now)  # §7.2.5.2.1
        elif message.kind is Class.SUCCESS:
            self._succeed(check, message, now)
        elif _code(message) == ROLE_CONFLICT:
            self._repair(check, now)
        else:
            self._fail(check, now)  # §7.2.5.2.4
        return True

    def _repair(self, check: Check, now: float) -> None:
        """§7.2.5.1: both sides had the same role."""
        if check.controlling == self._role.controlling:
            self._role.controlling = not self._role.controlling
            self._role.tie_breaker = self._random_bits(64)
            self.role_switched()
        self._nomination.under_way.discard(check.pair)
        self._checklist.trigger(check.pair)
        self._wake(now)

    def _succeed(self, check: Check, message: Message, now: float) -> None:
        """§7.2.5.3."""
        pair = check.pair
        try:
            mapped = message.address()
        except ParseError:
            mapped = None
        if mapped is None:
            self._fail(check, now)
            return
        pair.on(PairEvent.SUCCESS)
        pair.answered_at = now
        pair.round_trip_s = max(0.0, now - check.sent_at) if check.sends == 1 else pair.round_trip_s
        self._checklist.validate(pair, self._mapped(pair, mapped))
        self._checklist.unfreeze(pair.foundation)
        self._wake(now)
        self._prove(pair.component, pair.remote.address)
        self._nomination.valid(pair.component, now)
        if check.nominates or pair.wanted:  # §7.2.5.3.4
            self._select(pair, now)
        else:
            self._choose_route(pair.component, now)
        self._nominate(now)

    def _mapped(self, pair: Pair, address: Addr) -> Candidate:
        """Our candidate of that address; a new, peer-reflexive one where we have none (§7.2.5.3.1)."""
        for candidate in self.candidates:
            if candidate.component == pair.component and candidate.address == address:
                return candidate
        local = pair.local
        priority = reflexive_priority(local)
        found = Candidate(Kind.PEER_REFLEXIVE, pair.component, address, priority, "prflx", local.base, local.base)
        if len(self.candidates) < 2 * _MAX_REFLEXIVE:
            self.candidates.append(found)
        return found

    def _fail(self, check: Check, now: float) -> None:
        """§7.2.5.2; of a pair that was valid, only the check that nominates it counts (§7.2.5.3.4)."""
        pair = check.pair
        pair.on(PairEvent.FAILURE)
        if check.nominates and pair.valid and not pair.nominated:
            pair.mapped = None
            self._nomination.under_way.discard(pair)
            self._choose_route(pair.component, now)
        self._nominate(now)
        self._wake(now)  # those of its foundation have waited for it

    # -- the choice

    def _nominate(self, now: float) -> None:
        """§8.1.1: the controlling side picks one valid pair for each component, and says so by checking it again."""
        if self._role.controlling and self.peer is not None:
            for pair in self._nomination.due(now, self.selected):
                self._checklist.trigger(pair)
                self._wake(now)

    def _select(self, pair: Pair, now: float) -> None:
        """The pair is nominated."""
        was_complete, component = self.completed, pair.component
        if not self._in_use.select(pair, now):
            return
        dropped = [p for p in self._checklist if p.component == component and p is not pair and not p.wanted]
        for other in dropped:  # §8.1.2
            self._checks.cancel(other)
        self._checklist.drop(dropped)
        self._choose_route(component, now)
        if self.completed and (component == 1 or not was_complete):
            self._tell(now, chosen=True)

    def _choose_route(self, component: int, now: float) -> None:
        """Which pair packets go by now."""
        if self._in_use.choose(component, now) and component == 1:
            self._tell(now, chosen=False)

    def _tell(self, now: float, *, chosen: bool) -> None:
        self._events.append(PathFound(now, str(self.route(1)), now - self._began_at, chosen))

    def _draw(self) -> float:
        return self._random_bits(16) / 2**16

    # -- consent

    def _ask(self, consent: Consent, now: float) -> None:
        transaction_id, data = self._request(consent.pair)
        consent.asked(transaction_id)
        consent.plan(now, self._draw())
        self._send(consent.pair, data)

    def _consented(self, consent: Consent, message: Message, way: tuple[int, Addr, Addr], now: float) -> None:
        pair = consent.pair
        if way != (pair.component, pair.local.base, pair.remote.address):
            return
        if message.kind is Class.SUCCESS:
            consent.confirm(now)
        elif _code(message) == FORBIDDEN:
            self._give_up(now, f"the far side wants nothing more by {pair}")

    def _give_up(self, now: float, words: str) -> None:
        """The path is gone: nothing is sent any more (RFC 7675 §5.1)."""
        self.failed = True
        self._in_use.clear()
        self._checks.clear()
        self._check_at = None
        self._events.append(PathFailed(now, words))

    # -- time

    def next_deadline(self) -> float | None:
        times = [self._check_at, self._checks.next_deadline(), self._failure_at(), self._in_use.next_deadline()]
        if self._role.controlling:
            times.append(self._nomination.next_deadline(self.selected))
        return min((at for at in times if at is not None), default=None)

    def _failure_at(self) -> float | None:
        """When patience ends: with a component that nothing works for."""
        if self._patient_from is None or self.failed or len(self._in_use) >= self.components:
            return None
        return self._patient_from + self._times.patience_s

    def on_deadline(self, now: float) -> None:
        """Do what is due."""
        for check in self._checks.due(now):
            self._send(check.pair, check.data)
        for check in self._checks.expired(now):
            if not check.cancelled:
                self._fail(check, now)
        self._nominate(now)
        self._check(now)
        for consent in self._in_use.consents():
            if now >= consent.ends_at:
                self._give_up(now, f"for {self._times.consent_ends_s:g} s nobody has answered by {consent.pair}")
                return
            if now >= consent.ask_at:
                self._ask(consent, now)
        failure_at = self._failure_at()
        if failure_at is not None and now >= failure_at:
            if self.route(1) is None:
                self._give_up(now, self._why_nothing_worked())
                return
            self.components = 1  # sound needs no RTCP
            if self.completed:
                self._tell(now, chosen=True)

    def _why_nothing_worked(self) -> str:
        if not len(self._checklist):
            return "no address of the far side can be tried from here"
        kinds = sorted({f"{pair.local.kind} to {pair.remote.kind}" for pair in self._checklist})
        return f"no check was answered ({len(self._checklist)} pairs: {', '.join(kinds)})"

    def outbox(self) -> list[Sent]:
        """The messages to send now, in order."""
        packets, self._outbox = self._outbox, []
        return packets

    def next_event(self) -> MediaEvent | None:
        return self._events.popleft() if self._events else None


def _code(message: Message) -> int:
    try:
        return message.error[0] if message.error is not None else 0
    except ParseError:
        return 0
