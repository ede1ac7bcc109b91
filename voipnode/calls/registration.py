"""One registered account: registers, fails over and returns, without I/O (RFC 3261 §10, RFC 5626).

It holds one binding at most. `seeker` walks over the servers until one takes us, `keeper` keeps that binding and finds
out when its server is dead; then the other addresses of DNS, and the other server, are tried at once. Who went to the
secondary returns to the primary after a while, and registers there before it leaves the secondary. What follows what
stands in `registration_table`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from functools import partial

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.binding import Binding, RegisterPace
from voipnode.calls.events import RegistrationState
from voipnode.calls.keeper import Keeper
from voipnode.calls.ports import Find
from voipnode.calls.register_answer import MAX_RETRY_AFTER_S, Failure
from voipnode.calls.register_client import RegisterClient
from voipnode.calls.registration_table import TABLE, Action, Input, State
from voipnode.calls.seeker import Seeker
from voipnode.calls.servers import AccountServer, servers_of
from voipnode.calls.whereabouts import Whereabouts
from voipnode.sipstack.endpoint import Endpoint
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import AddressLearnt, ConnectionClosed, HopFailed, PingFinished, RequestFinished
from voipnode.sipstack.transport import Hop

log = logging.getLogger(__name__)

FlowEvent = RequestFinished | PingFinished | ConnectionClosed | AddressLearnt | HopFailed

# The formula of RFC 5626 §4.5. Its times are configurable; a door that stays away for half an hour after its server is
# back is a fault call, so they are shorter than the defaults there, 30 and 1800 s.
BASE_S, MAX_S = 10.0, 300.0
# Wrong passwords are counted: servers lock whoever repeats them.
REFUSED_BASE_S, REFUSED_MAX_S = 300.0, 1800.0
MAX_HOLD_DOWN_S = 3600.0
LEAVE_S = 1.0


@dataclass(frozen=True, slots=True)
class Status:
    """How the account stands: `status` is the SIP status behind it, 0 for none, `reason` in words."""

    state: RegistrationState
    status: int = 0
    reason: str = ""
    server: str = ""
    expires_s: int = 0


class Registration:
    """Keeps one account registered. `tell` hears each change of its status; `chance` draws from [0, 1): the higher, the
    later is whatever it decides about.

    `find` locates servers. Verbs: `start`, `stop`, `on_event`, `next_deadline`, `on_deadline`; `refresh`, `probe` and
    `fail_back` are for who does not want to wait for the timers.
    """

    def __init__(
        self,
        account: AccountSettings,
        pace: RegisterPace,
        *,
        endpoint: Endpoint,
        find: Find,
        chance: Callable[[], float],
        tell: Callable[[Status, float], None],
        instance: str = "",
    ) -> None:
        self.account = account
        self.servers = servers_of(account)
        self.state = State.STOPPED
        self.status = Status(RegistrationState.UNREGISTERED)
        self._pace = pace
        self._find = find
        self._chance = chance
        self._tell = tell
        self._client = RegisterClient(account, pace, endpoint, instance)
        self._places = Whereabouts(self.servers)
        self._seeker = Seeker(self._client, self._places, find, accepted=self._accepted, exhausted=self._exhausted)
        self._keeper = Keeper(self._client, chance, renewed=self._registered, proven=self._proven, lost=self._lost)
        self._new: Binding | None = None  # accepted, and not yet the one in force
        self._retry_at: float | None = None
        self._failback_at: float | None = None
        self._leave_at: float | None = None
        self._failures = 0  # in a row (RFC 5626 §4.5)
        self._flaps = 0  # how often in a row the primary was lost soon after we had returned
        self._returned_at: float | None = None
        self._actions: dict[Action, Callable[[float], None]] = {
            Action.SEEK: self._seek,
            Action.ADOPT: self._adopt,
            Action.REPLACE: self._replace,
            Action.BACK_OFF: self._back_off,
            Action.SEEK_PRIMARY: lambda now: self._seeker.begin(self.servers[:1], now),
            Action.SEEK_ON: lambda now: self._seeker.widen(self.servers[1:]),
            Action.STAY: self._plan_failback,
            Action.LEAVE: self._leave,
            Action.WITHDRAW: self._withdraw,
            Action.REST: self._rest,
        }

    # ---- verbs

    def start(self, now: float) -> None:
        """Register from now on."""
        if not self.servers:
            words = "does not register: neither registrar nor domain is set"
            self._say(Status(RegistrationState.PROBLEM, 0, words), now)
            return
        self._say(Status(RegistrationState.REGISTERING, server=self.servers[0].name), now)
        self._input(Input.START, now)

    def stop(self, now: float) -> None:
        """Remove the binding; `stopped` is true within `LEAVE_S`."""
        self._input(Input.STOP, now)

    @property
    def stopped(self) -> bool:
        return self.state is State.STOPPED

    def refresh(self, now: float) -> None:
        """Register now: the binding in force once more, or a new walk where the last one was in vain."""
        if self.state is State.WAITING:
            self._retry_at = None
            self._input(Input.RETRY, now)
        else:
            self._keeper.refresh(now)

    def probe(self, now: float) -> None:
        """Ask the server now whether it lives; nothing happens without a binding."""
        self._keeper.doubt(now)

    def fail_back(self, now: float) -> None:
        """Ask the primary now, where the secondary serves."""
        if self._failback_at is not None:
            self._failback_at = None
            self._input(Input.FAILBACK, now)

    def on_event(self, event: FlowEvent, now: float) -> None:
        """Something happened between us and a server, perhaps ours."""
        match event:
            case RequestFinished() | PingFinished():
                self._client.finished(event, now)
            case ConnectionClosed():
                self._connection_closed(event.hop, now)
            case AddressLearnt():
                self._address_learnt(event.hop, now)
            case HopFailed():
                self._hop_failed(event, now)

    def next_deadline(self) -> float | None:
        own = (self._retry_at, self._failback_at, self._leave_at)
        parts = (self._keeper.next_deadline(), self._seeker.locate_at)
        return min((at for at in (*own, *parts) if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Do what is due."""
        self._seeker.on_deadline(now)
        self._keeper.on_deadline(now)
        if self._retry_at is not None and self._retry_at <= now:
            self._retry_at = None
            self._input(Input.RETRY, now)
        if self._failback_at is not None and self._failback_at <= now:
            self._failback_at = None
            self._input(Input.FAILBACK, now)
        if self._leave_at is not None and self._leave_at <= now:
            self._leave_at = None
            self._input(Input.GONE, now)

    # ---- what happens between us and the servers

    def _connection_closed(self, hop: Hop, now: float) -> None:
        """A connection is gone; where our flow went over it, it is to be formed anew (RFC 5626 §4.5)."""
        binding = self._keeper.binding
        if binding is not None and hop.connection is not None and binding.flow.connection == hop.connection:
            self._lost(Failure(503, "the server closed the connection", binding.server.name), False, now)

    def _address_learnt(self, hop: Hop, now: float) -> None:
        """The server sees us elsewhere than the contact says that it has of us."""
        binding = self._keeper.binding
        if binding is not None and binding.hop.same_place(hop):
            self._keeper.watch_contact(now)

    def _hop_failed(self, event: HopFailed, now: float) -> None:
        """A call found this address not to serve. Who wants to be left alone is (RFC 3261 §21.5.4), as long as another
        serves; else we ask at once whether the server lives."""
        ours = next((hop for hop in self.hops() if hop.same_place(event.hop)), None)
        if ours is None:
            return
        binding, wait_s = self._keeper.binding, min(event.retry_after_s or 0, MAX_RETRY_AFTER_S)
        if wait_s:
            self._places.shun(ours, now + wait_s)
        if binding is None or binding.hop != ours:
            return
        if not wait_s:
            self._keeper.doubt(now)
        elif any(not self._places.shunned_s(hop, now) for hop in self.hops()):
            words = f"the server wants no calls for {wait_s} s ({ours.remote}): {event.cause}"
            self._lost(Failure(503, words, binding.server.name, wait_s=wait_s), False, now)
        else:
            self._keeper.rest(now + wait_s)

    # ---- what the ways of calls need

    @property
    def binding(self) -> Binding | None:
        """The binding in force, None where there is none."""
        return self._keeper.binding

    def hops(self, ranks: Container[int] = (0, 1)) -> tuple[Hop, ...]:
        """Where the account's requests go, best first: the binding's server, then the others, doubtful ones last."""
        binding = self._keeper.binding
        first = () if binding is None or binding.server.rank not in ranks else (binding.hop,)
        return tuple(dict.fromkeys((*first, *self._places.all(ranks))))

    def roads(self) -> list[tuple[AccountServer, tuple[Hop, ...]]]:
        """The servers whose addresses are known, with these: the binding's first, those in doubt last."""
        binding = self._keeper.binding
        known = [(server, hops) for server in self.servers if (hops := self.hops({server.rank}))]

        def doubt(road: tuple[AccountServer, tuple[Hop, ...]]) -> tuple[bool, bool]:
            return binding is None or binding.server is not road[0], self._places.in_doubt(road[1][0])

        return sorted(known, key=doubt)

    def is_server(self, host: str) -> bool:
        """Whether requests for this account come from there."""
        return any(hop.remote.host == host for hop in self.hops())

    # ---- the table

    def _input(self, happened: Input, now: float) -> None:
        found = TABLE.get((self.state, happened))
        if found is None:
            return
        log.debug("%s: %s -> %s (%s)", self.account.name, self.state.name, found[0].name, happened.name)
        self.state = found[0]
        self._actions[found[1]](now)

    def _say(self, status: Status, now: float) -> None:
        """Tell how the account stands, unless all that matters is as it was."""
        is_news = replace(status, expires_s=0) != replace(self.status, expires_s=0)
        self.status = status
        if is_news:
            self._tell(status, now)

    # ---- seeking

    def _seek(self, now: float) -> None:
        self._seeker.begin(self.servers, now)

    def _accepted(self, binding: Binding, now: float) -> None:
        self._new = binding
        self._input(Input.ACCEPTED, now)

    def _exhausted(self, now: float) -> None:
        self._input(Input.EXHAUSTED, now)

    def _back_off(self, now: float) -> None:
        """Nobody took us: wait, longer each time (RFC 5626 §4.5), and as long as a server asked for (Retry-After)."""
        failure = self._seeker.failure or Failure(0, "no server can be asked", self.servers[0].name)
        base_s, most_s = (REFUSED_BASE_S, REFUSED_MAX_S) if failure.refused else (BASE_S, MAX_S)
        wait_s = self._wait_s(base_s, most_s) * (0.5 + 0.5 * self._chance())
        self._retry_at = now + max(wait_s, self._seeker.wait_s)
        self._places.suspects = ()
        self._seeker.end()
        self._say(Status(RegistrationState.PROBLEM, failure.status, failure.words, failure.server), now)

    def _wait_s(self, base_s: float, most_s: float) -> float:
        self._failures += 1
        return min(most_s, base_s * 2.0 ** min(self._failures, 16))

    # ---- a binding

    def _adopt(self, now: float) -> None:
        binding, self._new = self._new, None
        assert binding is not None
        self._seeker.end()
        self._places.suspects = ()
        self._keeper.keep(binding, now)
        self._plan_failback(now)
        self._registered(binding, now)
        self._keeper.watch_contact(now)  # the answer may have told that the contact in it leads nowhere
        for server in self.servers:  # to be known before they are needed, and before they call us
            if server.rank != binding.server.rank and not self._places.of(server):
                self._find(server.first, self.account, partial(self._located, server))

    def _located(self, server: AccountServer, hops: Sequence[Hop], now: float) -> None:
        self._places.located(server, hops)

    def _replace(self, now: float) -> None:
        """Back at the primary. Where both servers share one table of contacts, removing the old binding removes ours,
        so ours is confirmed once more when the old one is gone."""
        old, self._returned_at = self._keeper.let_go(), now
        self._adopt(now)
        if old is not None:
            self._remove(old, now, lambda event, at: self._keeper.refresh(at))

    def _registered(self, binding: Binding, now: float) -> None:
        words = f"registered at {binding.server.name}"
        if binding.server.rank:
            words += ", the secondary server"
        expires_s = round(binding.granted.expires_s)
        self._say(Status(RegistrationState.REGISTERED, 200, words, str(binding.hop.remote), expires_s), now)

    def _proven(self) -> None:
        self._failures = 0

    def _plan_failback(self, now: float) -> None:
        """Ask the primary after a while; longer where it was lost again soon after we had returned (hold-down)."""
        self._failback_at = None
        binding = self._keeper.binding
        if binding is not None and binding.server.rank:
            hold_down_s = self._pace.failback_s * 2.0 ** min(self._flaps, 16)
            self._failback_at = now + min(hold_down_s, max(MAX_HOLD_DOWN_S, self._pace.failback_s))

    def _lost(self, failure: Failure, silent: bool, now: float) -> None:
        """The binding's server does not serve any more."""
        binding = self._keeper.let_go()
        if binding is None:
            return
        self._failback_at = None
        self._places.suspects = (binding.hop,) if silent else ()
        if silent:
            self._client.close(binding.flow)
        if not failure.wait_s:  # it lives: the calls that ring through it go on
            self._client.abandon(binding.hop, now)
        if not binding.proven and not silent:  # it takes us and drops us: not again before a while (RFC 5626 §4.5)
            self._places.shun(binding.hop, now + self._wait_s(BASE_S, MAX_S))
        if failure.wait_s:
            self._places.shun(binding.hop, now + failure.wait_s)
        if binding.server.rank == 0 and self._returned_at is not None:
            self._flaps = self._flaps + 1 if now - self._returned_at < MAX_HOLD_DOWN_S else 0
            self._returned_at = None
        self._say(Status(RegistrationState.REGISTERING, failure.status, failure.words, failure.server), now)
        self._input(Input.LOST, now)

    # ---- leaving

    def _leave(self, now: float) -> None:
        self._failback_at = None
        self._leave_at = now + LEAVE_S
        self._seeker.halt()
        binding = self._keeper.let_go()
        if binding is not None:
            self._remove(binding, now, self._removed)
        elif not self._seeker.asking:
            self._input(Input.GONE, now)

    def _withdraw(self, now: float) -> None:
        binding, self._new = self._new, None
        assert binding is not None
        self._remove(binding, now, self._removed)

    def _removed(self, event: RequestFinished, now: float) -> None:
        if not self._seeker.asking:
            self._input(Input.GONE, now)

    def _remove(self, binding: Binding, now: float, then: Callable[[RequestFinished, float], None]) -> None:
        try:
            self._client.remove(binding, then, now)
        except LocalError as error:
            log.debug("%s: no last REGISTER, the binding expires by itself: %s", self.account.name, error)

    def _rest(self, now: float) -> None:
        self._retry_at = self._failback_at = self._leave_at = None
        self._seeker.end()
        self._client.forget()
        self._say(Status(RegistrationState.UNREGISTERED, reason="stopped"), now)
