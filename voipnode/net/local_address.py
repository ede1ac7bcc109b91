"""Which of our addresses a peer sees: what goes into Via, Contact and SDP."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from voipnode.net.resolver import literal_family

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 -- compared with, not bound to
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
# Addresses that are nobody's (RFC 5737, RFC 3849): the route to them is the default route.
ANYWHERE = {socket.AF_INET: "198.51.100.1", socket.AF_INET6: "2001:db8::1"}
DISCARD_PORT = 9


class LocalAddresses:
    """Asks the routing table, by connecting a UDP socket (no packet is sent), and remembers the answer for `ttl_s`.

    `bound` maps AF_INET, AF_INET6 to the address that we listen on; one that is not a wildcard is the answer for its
    family. `known` gives the addresses of a host name without waiting, or None. At most `max_hosts` are remembered.
    """

    def __init__(
        self,
        bound: Mapping[int, str],
        known: Callable[[str], tuple[str, ...] | None],
        clock: Callable[[], float],
        *,
        ttl_s: float = 60.0,
        max_hosts: int = 256,
    ) -> None:
        self._bound = dict(bound)
        self._known = known
        self._clock = clock
        self._ttl_s = ttl_s
        self._max_hosts = max_hosts
        self._remembered: dict[str, tuple[float, str]] = {}

    def towards(self, host: str) -> str:
        """Our address as `host` (an IP address or a name) sees it; a guess, not an exception, where there is no route.

        For a name that has not been looked up it is the address of the default route.
        """
        entry = self._remembered.get(host)
        if entry is not None and entry[0] > self._clock():
            return entry[1]
        remote, sure = self._literal(host)
        address = self._ask(remote)
        if sure:
            if len(self._remembered) >= self._max_hosts:
                self._remembered.pop(next(iter(self._remembered)))
            self._remembered[host] = (self._clock() + self._ttl_s, address)
        return address

    def _literal(self, host: str) -> tuple[str, bool]:
        if literal_family(host) is not None:
            return host, True
        addresses = self._known(host)
        if addresses:
            return addresses[0], True
        return ANYWHERE[socket.AF_INET if socket.AF_INET in self._bound else socket.AF_INET6], False

    def _ask(self, remote: str) -> str:
        family = literal_family(remote) or socket.AF_INET
        if family not in self._bound:  # we cannot reach it anyway; say something that is ours
            family = next(iter(self._bound))
            remote = ANYWHERE[socket.AddressFamily(family)]
        own = self._bound[family]
        if own not in WILDCARDS:
            return own
        for candidate in (remote, ANYWHERE[socket.AddressFamily(family)]):
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as probe:
                    probe.setblocking(False)
                    probe.connect((candidate, DISCARD_PORT))
                    return str(probe.getsockname()[0])
            except OSError:
                continue
        return LOOPBACK[socket.AddressFamily(family)]
