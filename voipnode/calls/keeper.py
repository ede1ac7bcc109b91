"""Keeps the binding in force: refreshes it in time and finds out by itself when its server is dead."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from voipnode.calls.binding import Binding
from voipnode.calls.register_answer import Failure, granted
from voipnode.calls.register_client import RegisterClient
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import PingFinished, RequestFinished
from voipnode.sipstack.transport import Hop

FIRST_KEEP_ALIVE_S = 0.5
MAX_STALE = 4  # contacts of before that are taken back with the next REGISTER
RECONTACT_S = 60.0  # how often a changed address of ours may lead to a REGISTER out of turn
MUTE_KEEP_ALIVE_S = 30.0  # where OPTIONS is not answered and REGISTER is, that one is asked instead
_DEAD_BEHIND_PROXY = (408, 502, 503, 504)


class Keeper:
    """Holds one binding at a time. `lost(failure, silent, now)` is told once for each that does not serve any more;
    `renewed(binding, now)` after each refresh. `chance` draws from [0, 1): the higher, the later."""

    def __init__(
        self,
        client: RegisterClient,
        chance: Callable[[], float],
        *,
        renewed: Callable[[Binding, float], None],
        proven: Callable[[], None],
        lost: Callable[[Failure, bool, float], None],
    ) -> None:
        self._client = client
        self._chance = chance
        self._tell_renewed = renewed
        self._tell_proven = proven
        self._tell_lost = lost
        self.binding: Binding | None = None
        self._since = 0.0
        self._refresh_at: float | None = None
        self._keep_alive_at: float | None = None
        self._refreshing = False
        self._probing = False
        self._doubting: set[Hop] | None = None  # a REGISTER tells whether the server lives; then it joins these
        self._recontact_at = 0.0
        self._talkative: set[Hop] = set()  # answered OPTIONS
        self._mute: set[Hop] = set()  # did not, and lived
        self._ponging: set[Hop] = set()  # the same for pings
        self._pongless: set[Hop] = set()

    def keep(self, binding: Binding, now: float) -> None:
        """This one from now on."""
        self.binding = binding
        self._refreshing = self._probing = False
        self._doubting = None
        self._since = now
        self._schedule(binding, now)
        known = self._talkative | self._mute | self._ponging
        if binding.hop not in known:  # its silence means nothing before that
            self._keep_alive_at = now + FIRST_KEEP_ALIVE_S

    def let_go(self) -> Binding | None:
        """Keep nothing; returns what was kept."""
        binding, self.binding = self.binding, None
        self._refresh_at = self._keep_alive_at = None
        return binding

    def next_deadline(self) -> float | None:
        return min((at for at in (self._refresh_at, self._keep_alive_at) if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Refresh, or ask whether the server lives."""
        if self._refresh_at is not None and self._refresh_at <= now:
            self._refresh_at = None
            self.refresh(now)
        if self._keep_alive_at is not None and self._keep_alive_at <= now:
            self._keep_alive_at = None
            self._keep_alive(now)

    def doubt(self, now: float) -> None:
        """Somebody found the server silent: ask it before its turn."""
        if self.binding is not None and not self._probing:
            self._keep_alive_at = now

    def rest(self, until: float) -> None:
        """The server wants to be left alone: ask nothing before then, but what keeps the binding."""
        binding = self.binding
        if binding is not None and self._keep_alive_at is not None and self._refresh_at is not None:
            self._keep_alive_at = max(self._keep_alive_at, until)
            self._refresh_at = max(self._refresh_at, min(until, binding.expires_at - 2 * self._client.pace.answer_s))

    # ---- refreshing

    def refresh(self, now: float) -> None:
        """REGISTER again at the same address (RFC 3261 §10.2.4), with our present contact."""
        binding = self.binding
        if binding is None or self._refreshing:
            return
        contact = self._client.contact(binding.hop)
        if contact != binding.contact:
            # A registrar that keeps flows replaces the contact of ours by itself (RFC 5626 §6).
            binding.stale = () if binding.granted.outbound else (*binding.stale, binding.contact)[-MAX_STALE:]
            binding.contact = contact
        hear = partial(self._refreshed, binding)
        try:
            self._client.register(binding.server, binding.hop, contact, hear, now, binding.stale)
        except LocalError as error:
            self._tell_lost(Failure(0, str(error), binding.server.name), False, now)
            return
        self._refreshing = True

    def _refreshed(self, binding: Binding, event: RequestFinished, now: float) -> None:
        if binding is not self.binding:
            return
        self._refreshing = False
        response = event.response
        if response is not None and event.status < 300:
            grant = granted(response, binding.contact, self._client.interval_s(binding.server))
            if grant.expires_s > 0:
                self._renew(binding, now, grant.expires_s)
                binding.granted, binding.flow = grant, event.hop or binding.flow
                self._tell_renewed(binding, now)
                self.watch_contact(now)
                return
        if event.status == 423 and self._client.take_longer(binding.server, response):
            self.refresh(now)
            return
        self._tell_lost(self._client.failure(binding.server, binding.hop, event), response is None, now)

    def _renew(self, binding: Binding, now: float, expires_s: float) -> None:
        binding.stale = ()
        binding.expires_at = now + expires_s
        if self._doubting is not None:
            self._doubting.add(binding.hop)
            self._doubting = None
            self._live(binding, now)
        self._schedule(binding, now)

    def _schedule(self, binding: Binding, now: float) -> None:
        """Refresh in good time: 10 to 20 % before the end, and early enough for a server that stays silent."""
        validity_s = binding.expires_at - now
        early_s = max(validity_s * (0.2 - 0.1 * self._chance()), min(validity_s / 2, 2 * self._client.pace.answer_s))
        self._refresh_at = binding.expires_at - early_s
        if not self._probing:
            self._keep_alive_at = now + self._keep_alive_s(binding)

    # ---- keeping alive

    def _keep_alive_s(self, binding: Binding) -> float:
        """80 to 100 % of the interval, so that doors do not ask in step (RFC 5626 §4.4)."""
        interval_s = self._client.pace.keep_alive_s
        if binding.granted.flow_timer_s:
            interval_s = min(interval_s, binding.granted.flow_timer_s)
        if binding.hop in self._mute:
            interval_s = max(interval_s, MUTE_KEEP_ALIVE_S)
        return interval_s * (0.8 + 0.2 * self._chance())

    def _keep_alive(self, now: float) -> None:
        binding = self.binding
        if binding is None or self._probing:
            return
        pings = self._pings(binding)
        if not pings and binding.hop in self._mute:
            self._doubt_by_register(self._mute, now)
            return
        try:
            if pings:
                self._client.ping(binding, partial(self._ponged, binding), now)
            else:
                self._client.keep_alive(binding, partial(self._kept_alive, binding), now)
        except LocalError as error:
            self._tell_lost(Failure(0, str(error), binding.server.name), False, now)
            return
        self._probing = True

    def _kept_alive(self, binding: Binding, event: RequestFinished, now: float) -> None:
        """Whatever a server says to OPTIONS, it lives; only a proxy may say that the one behind it does not."""
        if binding is not self.binding:
            return
        self._probing = False
        silent = event.response is None
        if silent and event.status == 408 and binding.hop not in self._talkative:
            self._doubt_by_register(self._mute, now)  # some servers leave OPTIONS unanswered all their lives
            return
        if silent or (binding.server.routes and event.status in _DEAD_BEHIND_PROXY):
            self._tell_lost(self._client.failure(binding.server, binding.hop, event), True, now)
            return
        self._talkative.add(binding.hop)
        self._lives(binding, now)

    def _pings(self, binding: Binding) -> bool:
        """Whether the server said that it answers pings (RFC 5626 §4.4): whoever asks over UDP must be sure of it."""
        said = binding.granted.outbound or (binding.flow.reliable and binding.granted.flow_timer_s > 0)
        return said and binding.hop not in self._pongless

    def _ponged(self, binding: Binding, event: PingFinished, now: float) -> None:
        """The flow lives, or has failed: then it is to be formed anew (RFC 5626 §4.5)."""
        if binding is not self.binding:
            return
        self._probing = False
        if event.ok:
            self._ponging.add(binding.hop)
            self._lives(binding, now)
        elif binding.hop in self._ponging:
            self._tell_lost(self._client.silence(binding.server, binding.hop), True, now)
        else:  # it may only have said so
            self._doubt_by_register(self._pongless, now)

    def _doubt_by_register(self, silent: set[Hop], now: float) -> None:
        """The server is dead, or one of those that never answer this: a REGISTER tells."""
        self._doubting = silent
        self.refresh(now)

    def _lives(self, binding: Binding, now: float) -> None:
        self._live(binding, now)
        self._keep_alive_at = now + self._keep_alive_s(binding)
        self.watch_contact(now)

    def _live(self, binding: Binding, now: float) -> None:
        """The flow counts as a success once it has lasted for a while: its first moment says nothing."""
        if not binding.proven and now - self._since >= self._client.pace.keep_alive_s / 2:
            binding.proven = True
            self._tell_proven()

    def watch_contact(self, now: float) -> None:
        """Our address has changed, or a NAT's (RFC 3581): whoever calls us would call the old one."""
        binding = self.binding
        if binding is None or now < self._recontact_at:
            return
        if self._client.contact(binding.hop) != binding.contact:
            self._recontact_at = now + RECONTACT_S
            self.refresh(now)
