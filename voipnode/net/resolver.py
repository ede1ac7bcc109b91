"""Host names to addresses, through the system's resolver, in bounded time."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Collection, Sequence
from typing import Any

from voipnode.sipstack.transport import Address, Hop

log = logging.getLogger(__name__)

SIP_PORT = 5060  # RFC 3263 §4.2: the default where neither port nor SRV record says otherwise
MAX_NAME = 255
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
    """Looks names up with `getaddrinfo` (files, then DNS, as the system is set up), in the loop's thread pool.

    Answers of `families` only, in the system's order of preference (RFC 6724). They are kept for `ttl_s`, at most
    `max_names` of them. A lookup that takes longer than `timeout_s` counts as failed; its thread cannot be stopped, so
    no more than `max_pending` lookups run at a time and further ones fail at once. Failures are not kept.
    """

    def __init__(
        self,
        families: Collection[int] = (socket.AF_INET, socket.AF_INET6),
        *,
        ttl_s: float = 60.0,
        timeout_s: float = 5.0,
        max_names: int = 256,
        max_pending: int = 8,
    ) -> None:
        self.families = frozenset(families)
        self._ttl_s = ttl_s
        self._timeout_s = timeout_s
        self._max_names = max_names
        self._max_pending = max_pending
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._pending: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    async def __call__(self, transport: str, address: Address) -> list[Hop]:
        """The hops, best first, to a host and port (0: 5060); empty when the name does not resolve.

        SRV and NAPTR records (RFC 3263 §4.1, §4.2) are not asked for.
        """
        port = address.port or SIP_PORT
        return [Hop(transport, Address(host, port)) for host in await self.addresses(address.host)]

    def known(self, host: str) -> tuple[str, ...] | None:
        """The addresses where they are known without asking anybody; None where `addresses` must be awaited."""
        family = literal_family(host)
        if family is not None:
            return (host,) if family in self.families else ()
        name = host.lower().rstrip(".")
        if name == "localhost":  # RFC 6761 §6.3: always the loopback address
            return tuple(LOCALHOST[family] for family in (socket.AF_INET, socket.AF_INET6) if family in self.families)
        entry = self._known.get(name)
        if entry is None or entry[0] <= asyncio.get_running_loop().time():
            return None
        return entry[1]

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a name, or the literal itself; empty when there are none. Never raises."""
        known = self.known(host)
        if known is not None:
            return known
        name = host.lower().rstrip(".")
        task = self._pending.get(name)
        if task is None:
            if len(self._pending) >= self._max_pending or not 0 < len(name) <= MAX_NAME:
                log.debug(  # a line for every packet to such a name would be the peer's to write
                    "%r is not looked up: no name, or %d lookups are waiting", name[:MAX_NAME], len(self._pending)
                )
                return ()
            task = asyncio.get_running_loop().create_task(self._look_up(name))
            self._pending[name] = task
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(task)
        except TimeoutError:
            log.warning("%r: no answer from the resolver in %.0f s", name, self._timeout_s)
            return ()

    async def _look_up(self, name: str) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        try:
            answers = await self._getaddrinfo(name)
        except (OSError, ValueError) as error:  # ValueError: not even a name (IDNA, embedded zero)
            log.debug("%r does not resolve: %s", name, error)
            return ()
        finally:
            self._pending.pop(name, None)
        found = tuple(dict.fromkeys(str(answer[4][0]) for answer in answers if answer[0] in self.families))
        if len(self._known) >= self._max_names:
            self._known.pop(next(iter(self._known)))
        self._known[name] = (loop.time() + self._ttl_s, found)
        return found

    @staticmethod
    async def _getaddrinfo(name: str) -> Sequence[tuple[Any, ...]]:
        return await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)

    async def close(self) -> None:
        """Wait for no lookup any more."""
        tasks = list(self._pending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
