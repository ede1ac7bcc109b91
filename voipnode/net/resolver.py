"""Host names to addresses, by hosts file, DNS and the system's resolver, in bounded time."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from voipnode.net.dns import Dns
from voipnode.net.dns_servers import NoDnsAnswerError
from voipnode.net.hosts_file import HostsFile

log = logging.getLogger(__name__)

MAX_NAME = 255
FAILURE_S = 5.0
KINDS = {socket.AF_INET: "A", socket.AF_INET6: "AAAA"}
LOCALHOST = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def literal_family(host: str) -> int | None:
    """AF_INET or AF_INET6 where `host` is an IP address, None where it is a name."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        return None
    return family


class Resolver:
    """The addresses of names: hosts file, then `dns`, then `getaddrinfo` in the loop's thread pool.

    Without `dns`, getaddrinfo alone, which reads the hosts file itself. With `system` False it is asked only for what
    is no business of a DNS server: names of one label and those ending in .local (RFC 6762 §3).
    Answers of `families` only, getaddrinfo's in the system's order of preference (RFC 6724), which are kept for
    `ttl_s`, at most `max_names` of them. A lookup that takes longer than `timeout_s` counts as failed; getaddrinfo's
    thread cannot be stopped, so no more than `max_pending` of those run at a time and further ones fail at once.
    """

    def __init__(
        self,
        families: Collection[int] = (socket.AF_INET, socket.AF_INET6),
        dns: Dns | None = None,
        hosts: HostsFile | None = None,
        *,
        system: bool = True,
        ttl_s: float = 60.0,
        timeout_s: float = 5.0,
        max_names: int = 256,
        max_pending: int = 8,
    ) -> None:
        self.families = frozenset(families)
        self._dns = dns
        self._hosts = hosts
        self._system = system
        self._ttl_s = ttl_s
        self._timeout_s = timeout_s
        self._max_names = max_names
        self._max_pending = max_pending
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._pending: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    def known(self, host: str) -> tuple[str, ...] | None:
        """The addresses where they are known without asking anybody; None where `addresses` must be awaited."""
        family = literal_family(host)
        if family is not None:
            return (host,) if family in self.families else ()
        name = host.lower().rstrip(".")
        if name == "localhost":  # RFC 6761 §6.3: always the loopback address
            return tuple(LOCALHOST[family] for family in KINDS if family in self.families)
        if self._hosts is not None:
            listed = self._of_our_families(self._hosts.addresses(name))
            if listed:
                return listed
        by_dns = self._known_to_dns(name)
        if by_dns:
            return by_dns
        entry = self._known.get(name)
        if entry is not None and entry[0] > asyncio.get_running_loop().time():
            return entry[1]
        return () if by_dns is not None and not self._asks_system(name) else None

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a name, or the literal itself; empty when there are none. Never raises."""
        known = self.known(host)
        if known is not None:
            return known
        name = host.lower().rstrip(".")
        if not 0 < len(name) <= MAX_NAME:
            return ()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._by_dns(name) or await self._by_system(name)
        except TimeoutError:
            log.warning("%r: no answer from the resolver in %.0f s", name, self._timeout_s)
            return ()

    async def close(self) -> None:
        """Wait for no lookup any more."""
        tasks = list(self._pending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._dns is not None:
            await self._dns.close()

    def _of_our_families(self, addresses: Iterable[str]) -> tuple[str, ...]:
        return tuple(address for address in addresses if literal_family(address) in self.families)

    # DNS

    def _known_to_dns(self, name: str) -> tuple[str, ...] | None:
        """IPv4 before IPv6; None where not all answers are known."""
        if self._dns is None:
            return None
        found: list[str] = []
        for family, kind in KINDS.items():
            if family in self.families:
                records = self._dns.remembered(name, kind)
                if records is None:
                    return None
                found += [record for record in records if isinstance(record, str)]
        return tuple(found)

    async def _by_dns(self, name: str) -> tuple[str, ...]:
        if self._dns is None or not self._asks_dns(name):
            return ()
        kinds = [kind for family, kind in KINDS.items() if family in self.families]
        answers = await asyncio.gather(*(self._dns.look_up(name, kind) for kind in kinds), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, NoDnsAnswerError):
                raise answer
        return tuple(
            record
            for answer in answers
            if not isinstance(answer, BaseException)
            for record in answer
            if isinstance(record, str)
        )

    @staticmethod
    def _asks_dns(name: str) -> bool:
        return "." in name and not name.endswith(".local")

    # The system

    def _asks_system(self, name: str) -> bool:
        return self._system or not self._asks_dns(name)

    async def _by_system(self, name: str) -> tuple[str, ...]:
        if not self._asks_system(name):
            return ()
        task = self._pending.get(name)
        if task is None:
            if len(self._pending) >= self._max_pending:
                # A line for every packet to such a name would be the peer's to write.
                log.debug("%r is not looked up: %d lookups are waiting", name, len(self._pending))
                return ()
            task = asyncio.get_running_loop().create_task(self._look_up(name))
            self._pending[name] = task
        return await asyncio.shield(task)

    async def _look_up(self, name: str) -> tuple[str, ...]:
        ttl_s = self._ttl_s
        try:
            answers = await self._getaddrinfo(name)
        except (OSError, ValueError) as error:  # ValueError: not even a name (IDNA, embedded zero)
            log.debug("%r does not resolve: %s", name, error)
            answers, ttl_s = (), FAILURE_S
        finally:
            self._pending.pop(name, None)
        found = tuple(dict.fromkeys(str(answer[4][0]) for answer in answers if answer[0] in self.families))
        if len(self._known) >= self._max_names:
            self._known.pop(next(iter(self._known)))
        self._known[name] = (asyncio.get_running_loop().time() + ttl_s, found)
        return found

    @staticmethod
    async def _getaddrinfo(name: str) -> Sequence[tuple[Any, ...]]:
        return await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)
