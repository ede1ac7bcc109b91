"""Where the STUN and TURN servers of the settings are, known ahead of the calls (RFC 8489 §8, RFC 5928)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from voipnode.media.turn.values import Server, Transport
from voipnode.net.dns import Dns
from voipnode.net.dns_servers import NoDnsAnswerError, Srv
from voipnode.net.resolver import Resolver, literal_family
from voipnode.net.srv import in_order

log = logging.getLogger(__name__)

FRESH_S = 60.0  # a call that comes later has the names looked up again, for the calls after it
MAX_SERVERS = 8  # addresses that are used in all
PORT, TLS_PORT = 3478, 5349  # RFC 8656 §4.1
# RFC 5928 §3, RFC 8489 §8: of what is left to DNS.
_TURN_SERVICES: dict[Transport, str] = {"UDP": "_turn._udp.", "TCP": "_turn._tcp.", "TLS": "_turns._tcp."}
_STUN_SERVICE = "_stun._udp."


@dataclass(frozen=True, slots=True)
class Wanted:
    """A server as the settings have it; `port` 0 leaves it to DNS. `profile` names the TLS settings."""

    host: str
    port: int = 0
    transport: Literal["UDP", "TCP", "TLS", "AUTO"] = "UDP"
    username: str = ""
    password: str = field(default="", repr=False)
    profile: str = ""

    def services(self) -> Iterator[tuple[Transport, str]]:
        """Transports, with the SRV names that tell where they are served."""
        if not self.username:
            yield "UDP", _STUN_SERVICE
            return
        for transport, service in _TURN_SERVICES.items():
            if self.transport in (transport, "AUTO"):
                yield transport, service

    def at(self, address: str, port: int, transport: Transport) -> Server:
        return Server((address, port), transport, self.host, self.username, self.password, self.profile)


class RelayServers:
    """The servers with their addresses. `known` never waits: a call takes what is known when it begins.

    `draw(n)` is a uniform random number from 0 to n, for SRV weights.
    """

    def __init__(
        self, wanted: Sequence[Wanted], resolver: Resolver, dns: Dns | None, draw: Callable[[int], int]
    ) -> None:
        self._wanted = tuple(wanted)
        self._resolver = resolver
        self._dns = dns
        self._draw = draw
        self._found: dict[Wanted, tuple[Server, ...]] = {one: _literal(one) for one in self._wanted}
        self._looked_at: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._told: set[Wanted] = set()

    def known(self) -> tuple[Server, ...]:
        """All servers whose address is known, in the order of the settings; old knowledge is looked up again."""
        if self._looked_at is None or asyncio.get_running_loop().time() - self._looked_at > FRESH_S:
            self._begin()
        return tuple(server for one in self._wanted for server in self._found[one])[:MAX_SERVERS]

    async def look_up(self) -> None:
        """Look all names up now."""
        self._begin()
        if self._task is not None:
            await asyncio.shield(self._task)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _begin(self) -> None:
        if all(_literal(one) for one in self._wanted):
            return
        if self._task is None or self._task.done():
            self._looked_at = asyncio.get_running_loop().time()
            self._task = asyncio.get_running_loop().create_task(self._look_up())

    async def _look_up(self) -> None:
        for one, servers in zip(
            self._wanted, await asyncio.gather(*(self._find(one) for one in self._wanted)), strict=True
        ):
            if servers:  # what was found before serves on while DNS is dead
                self._found[one] = servers
                self._told.discard(one)
            elif one not in self._told:
                self._told.add(one)
                kind = "TURN" if one.username else "STUN"
                log.warning('the %s server "%s" has no address that we can reach', kind, one.host)

    async def _find(self, one: Wanted) -> tuple[Server, ...]:
        if _literal(one):
            return _literal(one)
        found: list[Server] = []
        for transport, service in one.services():
            places = [] if one.port else await self._srv(service + one.host)
            if not places:
                port = one.port or (TLS_PORT if transport == "TLS" else PORT)
                places = [Srv(0, 0, port, one.host)]
            for place in places[:MAX_SERVERS]:
                for address in await self._resolver.addresses(place.target):
                    found.append(one.at(address, place.port, transport))  # noqa: PERF401 -- an await stands between
        return tuple(dict.fromkeys(found))[:MAX_SERVERS]

    async def _srv(self, name: str) -> list[Srv]:
        if self._dns is None or "." not in name:
            return []
        try:
            records = await self._dns.look_up(name, "SRV")
        except NoDnsAnswerError:
            return []
        return in_order([record for record in records if isinstance(record, Srv)], self._draw)


def _literal(one: Wanted) -> tuple[Server, ...]:
    """The servers of an IP address: nobody needs to be asked."""
    if literal_family(one.host) is None:
        return ()
    return tuple(
        one.at(one.host, one.port or (TLS_PORT if transport == "TLS" else PORT), transport)
        for transport, _ in one.services()
    )
