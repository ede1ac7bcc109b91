"""Asks DNS servers for records; one that is dead or slow costs a fraction of a second, and only now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

from voipnode.sipstack.transport import Address

log = logging.getLogger(__name__)

DNS_PORT = 53
RESOLV_CONF = Path("/etc/resolv.conf")
REREAD_S = 30.0  # DHCP may change the system's servers at any time
TRY_S = 1.0  # a lost datagram is repeated after this long
HEDGE_S = 0.4  # a server silent for so long gets company
DEMOTED_S = 60.0  # and is asked last for this long
MAX_RECORDS = 64  # of one answer
EDNS_BYTES = 1232  # what reaches everybody unfragmented; longer answers come over TCP
NEGATIVE_TTL_S = 30.0
ODDITIES = (dns.exception.DNSException, OSError, EOFError, ValueError, UnicodeError)  # what hostile answers lead to


class Srv(NamedTuple):
    """An SRV record (RFC 2782); `target` without its final dot, "" where it was the root: no such service."""

    priority: int
    weight: int
    port: int
    target: str


class Naptr(NamedTuple):
    """A NAPTR record (RFC 2915 §2); flags and service in upper case, `replacement` without its final dot."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str


Record: TypeAlias = str | Srv | Naptr


@dataclass(frozen=True, slots=True)
class Found:
    """What there is under a name: nothing, or at most 64 records; `ttl_s` is the shortest on the way there."""

    records: tuple[Record, ...]
    ttl_s: float


class NoDnsAnswerError(Exception):
    """No server said what there is, or that there is nothing."""


class _Server:
    """One server; `ask` never raises what the network or the server causes."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self.address = address
        self.demoted_until = 0.0
        self._resolver = resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [address.host]
        resolver.port = address.port
        resolver.timeout = TRY_S
        resolver.lifetime = timeout_s
        resolver.use_edns(0, 0, EDNS_BYTES)

    async def ask(self, name: dns.name.Name, kind: str) -> Found | None:
        try:
            answer = await self._resolver.resolve(name, kind, raise_on_no_answer=False, search=False)
            if answer.rrset is None:
                return Found((), NEGATIVE_TTL_S)
            # The most wanted first, so that those beyond the limit are the ones that are missed least.
            wanted = sorted(answer.rrset, key=_preference)
            records = tuple(islice((_record(kind, data) for data in wanted), MAX_RECORDS))
            return Found(records, float(answer.chaining_result.minimum_ttl))
        except dns.resolver.NXDOMAIN:
            return Found((), NEGATIVE_TTL_S)
        except ODDITIES as error:
            log.debug("DNS server %s, %s %s: %s", self.address, kind, name, error)
            return None


class DnsServers:
    """Asks the best server, and after `HEDGE_S` of silence the next one too; the first real answer counts.

    `find` names the servers and is called again every half a minute. A lookup takes `timeout_s` at most.
    """

    def __init__(self, find: Callable[[], Sequence[Address]], *, timeout_s: float = 2.0) -> None:
        self._find = find
        self.timeout_s = timeout_s
        self._servers: dict[Address, _Server] = {}
        self._reread_at = 0.0

    async def ask(self, name: str, kind: str) -> Found:
        """The records of `kind` ("A", "AAAA", "SRV", "NAPTR") under a name; raises NoDnsAnswerError."""
        try:
            asked = dns.name.from_text(name)
        except ODDITIES:
            return Found((), NEGATIVE_TTL_S)  # not a name, so that there is nothing under it
        try:
            async with asyncio.timeout(self.timeout_s):
                found = await self._race(asked, kind)
        except TimeoutError:
            found = None
        if found is None:
            raise NoDnsAnswerError(f"{kind} {name}")
        return found

    async def _race(self, name: dns.name.Name, kind: str) -> Found | None:
        waiting = self._in_order()
        running: dict[asyncio.Task[Found | None], _Server] = {}
        try:
            while waiting or running:
                if waiting:
                    server = waiting.pop(0)
                    running[asyncio.create_task(server.ask(name, kind))] = server
                patience_s = HEDGE_S if waiting else None
                done, _ = await asyncio.wait(running, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    server = running.pop(task)
                    found = task.result()
                    if found is not None:
                        self._rank(server, running.values())
                        return found
        finally:
            for task in running:
                task.cancel()
        return None

    def _rank(self, winner: _Server, slower: Iterable[_Server]) -> None:
        now = asyncio.get_running_loop().time()
        winner.demoted_until = 0.0
        for server in slower:  # asked before the winner, or so new that it makes no difference
            server.demoted_until = now + DEMOTED_S

    def _in_order(self) -> list[_Server]:
        now = asyncio.get_running_loop().time()
        if now >= self._reread_at:
            self._reread_at = now + REREAD_S
            known = self._servers
            self._servers = {at: known.get(at) or _Server(at, self.timeout_s) for at in self._find()}
        return sorted(self._servers.values(), key=lambda server: server.demoted_until > now)


def system_servers(path: Path = RESOLV_CONF) -> tuple[Address, ...]:
    """The servers of resolv.conf(5); none where there is no such file."""
    resolver = dns.resolver.Resolver(configure=False)
    try:
        resolver.read_resolv_conf(str(path))
    except ODDITIES as error:
        log.debug("%s: %s", path, error)
        return ()
    return tuple(Address(str(host), DNS_PORT) for host in resolver.nameservers)


def _preference(data: Any) -> tuple[int, int]:
    """Sorts SRV by priority and NAPTR by order and preference; leaves addresses as the server put them."""
    if hasattr(data, "priority"):
        return data.priority, 0
    return (data.order, data.preference) if hasattr(data, "order") else (0, 0)


def _record(kind: str, data: Any) -> Record:
    if kind == "SRV":
        return Srv(data.priority, data.weight, data.port, _text(data.target))
    if kind == "NAPTR":
        flags, service = (field.decode("latin-1").upper() for field in (data.flags, data.service))
        regexp = data.regexp.decode("latin-1")
        return Naptr(data.order, data.preference, flags, service, regexp, _text(data.replacement))
    return str(data.address)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).rstrip(".").lower()
