"""The walk over an account's servers and their addresses, in search of one that takes our REGISTER."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from voipnode.calls.binding import Binding
from voipnode.calls.ports import Find
from voipnode.calls.register_answer import Failure, Verdict, granted, moved_to, verdict_on
from voipnode.calls.register_client import RegisterClient
from voipnode.calls.servers import AccountServer
from voipnode.calls.whereabouts import Whereabouts
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import RequestFinished
from voipnode.sipstack.message import Response
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri

LOCATE_S = 10.0  # DNS bounds itself; this is for when it does not
MAX_REDIRECTS = 3


class Seeker:
    """Tries the servers in their order, each at all its addresses; whoever fell silent lately comes last.

    Ends with `accepted` or `exhausted`, each told once a walk; `failure` then is what to tell of a walk in vain: the
    weightiest, of equal ones the first, which is the primary's. `wait_s` is how long the servers want to be left alone.
    """

    def __init__(
        self,
        client: RegisterClient,
        places: Whereabouts,
        find: Find,
        *,
        accepted: Callable[[Binding, float], None],
        exhausted: Callable[[float], None],
    ) -> None:
        self._client = client
        self._places = places
        self._find = find
        self._tell_accepted = accepted
        self._tell_exhausted = exhausted
        self._servers: deque[AccountServer] = deque()
        self._now: deque[tuple[AccountServer, Hop]] = deque()
        self._later: deque[tuple[AccountServer, Hop]] = deque()
        self._locating: AccountServer | None = None
        self._walk = 0  # which walk, and which question to DNS: late answers are for nobody
        self._redirects = 0
        self._redirected = False  # the question to DNS is where a 3xx sent us
        self._token = ""
        self.locate_at: float | None = None
        self.failure: Failure | None = None
        self.wait_s = 0.0

    @property
    def asking(self) -> bool:
        """True while a REGISTER is under way, which may yet bring a binding."""
        return self._token != ""

    def begin(self, servers: Iterable[AccountServer], now: float) -> None:
        """Begin a walk; one that goes on ends here."""
        self.end()
        self._servers = deque(servers)
        self._places.tidy(now)
        self._next(now)

    def widen(self, servers: Iterable[AccountServer]) -> None:
        """Go on to these servers too."""
        self._servers.extend(servers)

    def halt(self) -> None:
        """Try nothing more; a REGISTER under way is still heard."""
        self._servers.clear()
        self._now.clear()
        self._later.clear()
        self._forget_question()

    def end(self) -> None:
        """The walk is over, whatever still comes."""
        self.halt()
        self._redirects, self._token = 0, ""
        self.failure, self.wait_s = None, 0.0

    def on_deadline(self, now: float) -> None:
        """DNS has taken too long."""
        if self.locate_at is not None and self.locate_at <= now:
            self._located(self._walk, (), now)

    # ---- the walk

    def _next(self, now: float) -> None:
        while self._now or self._servers or self._later:
            if not self._now and self._servers:
                self._locate(self._servers.popleft(), now)
                return
            server, hop = self._now.popleft() if self._now else self._later.popleft()
            if wait_s := self._places.shunned_s(hop, now):
                words = f"the server is left alone for {wait_s:.0f} s more ({hop.remote})"
                self._failed(Failure(503, words, server.name, wait_s=wait_s))
            elif self._register(server, hop, now):
                return
        self._tell_exhausted(now)

    def _locate(self, server: AccountServer, now: float) -> None:
        """Find out where the server is; in a failover its addresses of before will do."""
        if self._places.suspects and self._places.of(server):
            self._offer(server, self._places.of(server))
            self._next(now)
        else:
            self._redirected = False
            self._ask(server, server.first, now)

    def _ask(self, server: AccountServer, uri: SipUri, now: float) -> None:
        self._walk += 1
        self._locating, self.locate_at = server, now + LOCATE_S
        self._find(uri, self._client.account, partial(self._located, self._walk))

    def _located(self, walk: int, hops: Sequence[Hop], now: float) -> None:
        server = self._locating
        if walk != self._walk or server is None:
            return
        self._forget_question()
        if self._redirected:
            self._now.extendleft((server, hop) for hop in reversed(hops))
        else:
            self._places.located(server, hops)
            self._offer(server, self._places.of(server))
        if not hops and not self._places.of(server):
            words = f'the name "{server.first.host}" cannot be found: look at it, and at the DNS server'
            self._failed(Failure(0, words, server.name))
        self._next(now)

    def _forget_question(self) -> None:
        self._walk += 1
        self._locating = self.locate_at = None

    def _offer(self, server: AccountServer, hops: Sequence[Hop]) -> None:
        for hop in hops:
            (self._later if hop in self._places.suspects else self._now).append((server, hop))

    def _register(self, server: AccountServer, hop: Hop, now: float) -> bool:
        """Ask at one address; False where not even that could be done."""
        contact = self._client.contact(hop)
        try:
            self._token = self._client.register(
                server, hop, contact, partial(self._answered, server, hop, contact), now
            )
        except LocalError as error:
            self._failed(Failure(0, str(error), server.name))
            return False
        return True

    def _answered(self, server: AccountServer, hop: Hop, contact: str, event: RequestFinished, now: float) -> None:
        if event.token != self._token:
            return
        self._token = ""
        response, verdict = event.response, verdict_on(event.status)
        if response is not None and verdict is Verdict.ACCEPTED:
            grant = granted(response, contact, self._client.interval_s(server))
            if grant.expires_s > 0:
                self._tell_accepted(Binding(server, hop, event.hop or hop, contact, grant, now + grant.expires_s), now)
                return
        if verdict is Verdict.TOO_BRIEF and self._client.take_longer(server, response):
            self._now.appendleft((server, hop))
        elif response is not None and verdict is Verdict.MOVED and self._follow(server, response, now):
            return
        else:
            self._take_failure(server, hop, event, now)
        self._next(now)

    def _follow(self, server: AccountServer, response: Response, now: float) -> bool:
        """Go where a 3xx says, a few times at most (RFC 3261 §8.1.3.4, §10.3)."""
        targets = moved_to(response)
        if not targets or self._redirects >= MAX_REDIRECTS:
            return False
        self._redirects += 1
        self._redirected = True
        self._ask(server, targets[0], now)
        return True

    def _take_failure(self, server: AccountServer, hop: Hop, event: RequestFinished, now: float) -> None:
        failure = self._client.failure(server, hop, event)
        self._failed(failure)
        if failure.wait_s:
            self._places.shun(hop, now + failure.wait_s)
        if failure.refused:  # the server's other addresses would say the same
            self._now = deque(item for item in self._now if item[0].rank != server.rank)
            self._later = deque(item for item in self._later if item[0].rank != server.rank)

    def _failed(self, failure: Failure) -> None:
        self.wait_s = max(self.wait_s, failure.wait_s)
        if self.failure is None or failure.weight > self.failure.weight:
            self.failure = failure
