"""The search for relays: server after server, until one of them lends a relay for each component (RFC 8656 §7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from voipnode.media.turn.allocation import Allocation
from voipnode.media.turn.allocation_table import AllocationFailed, AllocationLost, PeerRefused
from voipnode.media.turn.memory import ServerMemory
from voipnode.media.turn.refusals import SILENT, Refusal
from voipnode.media.turn.values import RTCP, RTP, Server, Tokens, Way

NEXT_AFTER_S = 0.25  # without an answer, the next server is asked beside it (RFC 8305 §5, as RFC 8656 §3.9 wants)
MAX_ALTERNATES = 3  # servers that servers name (RFC 8489 §10)

OpenWay = Callable[[Server, int], Way | None]
Send = Callable[[Way, bytes], None]


@dataclass(slots=True)
class _Attempt:
    """One server: its allocations by component."""

    server: Server
    patience_s: float
    allocations: dict[int, Allocation] = field(default_factory=dict)
    failed: bool = False
    redirects: int = 0

    def __iter__(self) -> Iterator[Allocation]:
        return iter(self.allocations.values())


class RelayHunt:
    """Asks the servers in their order, each a quarter of a second after the one before, or at once where that refused.

    The first to lend relays for all `components` wins, the others get theirs back. `even_port`: an even port for RTP
    and the next one for RTCP, as peers want it that do not read a=rtcp (RFC 8656 §7.1).
    """

    def __init__(
        self,
        servers: Sequence[Server],
        components: Sequence[int],
        *,
        open_way: OpenWay,
        send: Send,
        tokens: Tokens,
        memory: ServerMemory,
        patience_s: float,
        family: int = 4,
        even_port: bool = False,
    ) -> None:
        self.relays: dict[int, Allocation] = {}  # by component, once somebody has won
        self.peers_refused: deque[PeerRefused] = deque(maxlen=16)  # for whoever tells of it
        self._components = tuple(components)
        self._open_way = open_way
        self._send = send
        self._tokens = tokens
        self._memory = memory
        self._patience_s = patience_s
        self._family = family
        self._even_port = even_port and set(components) == {RTP, RTCP}
        self._queue = list(servers)
        self._redirected: dict[Server, int] = {}
        self._tried: set[tuple[object, str]] = set()
        self._attempts: list[_Attempt] = []
        self._next_at: float | None = None

    @property
    def done(self) -> bool:
        """Relays are there, or nobody is left who might lend some."""
        return bool(self.relays) or not (self._queue or any(not attempt.failed for attempt in self._attempts))

    def __iter__(self) -> Iterator[Allocation]:
        """All allocations, those that are being given back among them."""
        for attempt in self._attempts:
            yield from attempt

    def start(self, now: float) -> None:
        self._begin_next(now)

    def _begin_next(self, now: float) -> None:
        self._next_at = None
        while self._queue and not self.relays:
            server = self._queue.pop(0)
            patience_s = self._memory.patience_s(server, self._patience_s, now)
            if not patience_s or (server.address, server.transport) in self._tried:
                continue
            self._tried.add((server.address, server.transport))
            attempt = _Attempt(server, patience_s, redirects=self._redirected.get(server, 0))
            self._attempts.append(attempt)
            for component in self._components:
                if not (self._even_port and component == RTCP):  # which waits for the token of the first
                    self._allocate(attempt, component, now)
            if not attempt.failed:
                self._next_at = now + NEXT_AFTER_S if self._queue else None
                return

    def _allocate(self, attempt: _Attempt, component: int, now: float, reserved: bytes = b"") -> None:
        way = self._open_way(attempt.server, component)
        if way is None:  # over UDP, of an address of the other IP version
            attempt.failed = True
            return
        send = self._send
        allocation = Allocation(
            way,
            lambda data: send(way, data),
            self._tokens,
            patience_s=attempt.patience_s,
            family=self._family,
            even_port=self._even_port and component == RTP,
            reserved=reserved,
        )
        attempt.allocations[component] = allocation
        allocation.start(now)

    def look(self, now: float) -> Refusal | None:
        """Follow what the allocations tell; the reason where relays that were there are lost."""
        lost: Refusal | None = None
        for attempt in list(self._attempts):
            for allocation in list(attempt):
                while (event := allocation.next_event()) is not None:
                    if isinstance(event, AllocationFailed):
                        self._failed(attempt, event, now)
                    elif isinstance(event, PeerRefused):
                        self.peers_refused.append(event)
                    elif isinstance(event, AllocationLost):
                        lost = self._lost(attempt, event.refusal, now) or lost
            self._look_at(attempt, now)
        self._attempts = [a for a in self._attempts if not (a.failed and all(one.is_over for one in a))]
        return lost

    def _look_at(self, attempt: _Attempt, now: float) -> None:
        if attempt.failed or self.relays:
            return
        first = attempt.allocations.get(RTP)
        if self._even_port and first is not None and first.is_open and RTCP not in attempt.allocations:
            self._allocate(attempt, RTCP, now, first.reservation)
        if all(c in attempt.allocations and attempt.allocations[c].is_open for c in self._components):
            self._memory.served(attempt.server)
            self.relays = dict(attempt.allocations)
            self._queue.clear()
            for other in self._attempts:
                if other is not attempt:
                    self._drop(other, now)

    def _failed(self, attempt: _Attempt, event: AllocationFailed, now: float) -> None:
        if attempt.failed:
            return
        if event.alternate is not None and attempt.redirects < MAX_ALTERNATES:
            name = event.alternate_name or attempt.server.name
            other = replace(attempt.server, address=event.alternate, name=name)
            self._redirected[other] = attempt.redirects + 1
            self._queue.insert(0, other)  # before all others (RFC 8656 §7.4)
        else:
            self._memory.failed(attempt.server, event.refusal, now)
        self._drop(attempt, now)
        self._begin_next(now)

    def _lost(self, attempt: _Attempt, refusal: Refusal, now: float) -> Refusal | None:
        if refusal.code != 437:  # which is a server that was started anew, and serves
            self._memory.failed(attempt.server, refusal, now)
        self._drop(attempt, now)
        was_ours = any(allocation in self.relays.values() for allocation in attempt)
        if was_ours:
            self.relays = {}
        return refusal if was_ours else None

    def _drop(self, attempt: _Attempt, now: float) -> None:
        attempt.failed = True
        for allocation in attempt:
            allocation.close(now)

    def give_up(self, now: float) -> None:
        """The time is over: what is lent later is given back, and who was silent is hardly waited for next time."""
        self._queue.clear()
        self._next_at = None
        if self.relays:
            return
        for attempt in self._attempts:
            if not attempt.failed:
                self._memory.failed(attempt.server, SILENT, now)
                self._drop(attempt, now)

    def close(self, now: float) -> None:
        """Give everything back."""
        self._queue.clear()
        self._next_at = None
        for attempt in self._attempts:
            self._drop(attempt, now)

    def next_deadline(self) -> float | None:
        times = [allocation.next_deadline() for allocation in self]
        return min((at for at in (*times, self._next_at) if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        for allocation in self:
            allocation.on_deadline(now)
        if self._next_at is not None and now >= self._next_at:
            self._begin_next(now)
