"""Where the servers of an account are, as last located, and which of their addresses are not to be trusted just now."""

from __future__ import annotations

from collections.abc import Container, Sequence

from voipnode.calls.servers import AccountServer
from voipnode.sipstack.transport import Hop

MAX_HOPS = 16  # of one server: a DNS answer may hold any number


class Whereabouts:
    """`suspects` lately fell silent: they are tried last. Who is shunned is not tried at all until its time."""

    def __init__(self, servers: Sequence[AccountServer]) -> None:
        self.servers = tuple(servers)
        self.suspects: tuple[Hop, ...] = ()
        self._hops: dict[int, tuple[Hop, ...]] = {}
        self._shunned: dict[Hop, float] = {}

    def located(self, server: AccountServer, hops: Sequence[Hop]) -> None:
        """DNS says so; where it says nothing, what was known stays: DNS may be away while the server is not."""
        if hops:
            self._hops[server.rank] = tuple(hops[:MAX_HOPS])

    def of(self, server: AccountServer) -> tuple[Hop, ...]:
        """The server's addresses, best first; none where it was never located."""
        return self._hops.get(server.rank, ())

    def shun(self, hop: Hop, until: float) -> None:
        """Leave this address alone until then."""
        self._shunned[hop] = max(until, self._shunned.get(hop, until))

    def shunned_s(self, hop: Hop, now: float) -> float:
        """For how long it is to be left alone, 0 where it is not."""
        return max(0.0, self._shunned.get(hop, now) - now)

    def tidy(self, now: float) -> None:
        """Forget what is over."""
        self._shunned = {hop: until for hop, until in self._shunned.items() if until > now}

    def all(self, ranks: Container[int]) -> tuple[Hop, ...]:
        """Every known address of the servers of these ranks, primary first, the doubtful ones last."""
        known = [hop for server in self.servers if server.rank in ranks for hop in self.of(server)]
        return tuple(dict.fromkeys([*(hop for hop in known if not self.in_doubt(hop)), *known]))

    def in_doubt(self, hop: Hop) -> bool:
        """Whether it did not serve when it was last asked."""
        return hop in self.suspects or hop in self._shunned
