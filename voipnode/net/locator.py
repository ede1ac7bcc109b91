"""Where a SIP URI leads: transport, port and addresses, best first (RFC 3263 §4)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from voipnode.net.dns import Dns
from voipnode.net.dns_servers import Naptr, NoDnsAnswerError, Srv
from voipnode.net.resolver import Resolver, literal_family
from voipnode.net.srv import in_order, is_withdrawn
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri

log = logging.getLogger(__name__)

MAX_HOPS = 16
MAX_SERVICES = 8  # NAPTR records that are followed
# RFC 3261 §18.1.1, RFC 7118 §5.5.
DEFAULT_PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443}
SERVICES = {"SIP+D2U": "UDP", "SIP+D2T": "TCP", "SIPS+D2T": "TLS", "SIP+D2W": "WS", "SIPS+D2W": "WSS"}
SRV_PREFIXES = {
    "UDP": "_sip._udp.",
    "TCP": "_sip._tcp.",
    "TLS": "_sips._tcp.",
    "WS": "_sip._ws.",
    "WSS": "_sips._ws.",
}
# Asked for where no NAPTR record says what a domain speaks; a WebSocket is for those who have nothing else.
WITHOUT_NAPTR = ("UDP", "TCP", "TLS")
SECURED = {"": "TLS", "TCP": "TLS", "TLS": "TLS", "WS": "WSS", "WSS": "WSS"}  # what sips makes of a transport


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one transport is served: a host, name or literal, and a port."""

    transport: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class _Service:
    """One transport, and the SRV records that say who serves it."""

    transport: str
    records: list[Srv]


class Locator:
    """Finds hops with NAPTR, SRV and address records; `resolver` knows the addresses, `dns` the other records.

    `transports` are those that are spoken here, listened to or not. `draw(n)` is a uniform random number from 0 to
    n, for SRV weights.
    """

    def __init__(
        self,
        resolver: Resolver,
        dns: Dns,
        draw: Callable[[int], int],
        transports: Collection[str] = tuple(DEFAULT_PORTS),
        *,
        timeout_s: float = 5.0,
    ) -> None:
        self._resolver = resolver
        self._dns = dns
        self._draw = draw
        self._transports = transports
        self._timeout_s = timeout_s

    async def locate(
        self, uri: SipUri, *, transport: str = "", prefer_ipv6: bool = False, profile: str = ""
    ) -> list[Hop]:
        """At most 16 hops, in the order in which they are to be tried; [] when nothing is found in time.

        `transport` is used where the URI names none; "" leaves it to the domain's records. Each server's IPv4 addresses
        come first, or its IPv6 addresses with `prefer_ipv6`. Weights are drawn anew at each call.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                places = await self._places(uri, (uri.transport or transport).upper())
                return await self._hops(uri, places, prefer_ipv6, profile)
        except TimeoutError:
            log.warning("%s could not be located in %.0f s", uri.host, self._timeout_s)
            return []

    # Transport, port and name (§4.1, §4.2)

    async def _places(self, uri: SipUri, wanted: str) -> list[_Place]:
        secure = uri.scheme == "sips"
        if secure:
            if wanted not in SECURED:
                return []  # there is no sips over UDP (RFC 3261 §26.2.2)
            wanted = SECURED[wanted] if wanted else ""
        default = wanted or ("TLS" if secure else "UDP")
        # maddr is the target (§4), though not in what TLS must prove: that stays the domain which was asked for.
        target = (uri.params.get("maddr") or uri.host).strip("[]").lower().rstrip(".")
        if literal_family(target) is not None or uri.port is not None:
            return self._fallback(default, target, uri.port)
        if wanted:
            services = [_Service(wanted, await self._srv(SRV_PREFIXES.get(wanted, "") + target))]
        else:
            services = await self._services(target, secure)
        for service in services:
            ordered = in_order(service.records, self._draw)[:MAX_HOPS]
            if ordered:
                return [_Place(service.transport, record.target, record.port) for record in ordered]
        if any(service.transport == default and is_withdrawn(service.records) for service in services):
            return []
        return self._fallback(default, target, None)

    def _fallback(self, transport: str, host: str, port: int | None) -> list[_Place]:
        """No record says more than the URI does."""
        if transport not in self._transports:
            return []
        return [_Place(transport, host, port or DEFAULT_PORTS[transport])]

    async def _services(self, target: str, secure: bool) -> list[_Service]:
        """What the domain serves, in its order by NAPTR records, or in ours where it has none for us (§4.1).

        Both are asked for at once: a router that swallows questions for NAPTR, as cheap ones do, costs no more time.
        """
        candidates = [name for name in WITHOUT_NAPTR if name in self._transports and (name == "TLS" or not secure)]
        naptr, answers = await asyncio.gather(
            self._naptr(target, secure),
            asyncio.gather(*(self._srv(SRV_PREFIXES[name] + target) for name in candidates)),
        )
        if not naptr:
            return [_Service(name, records) for name, records in zip(candidates, answers, strict=True)]
        found = await asyncio.gather(*(self._srv(name) for _, name in naptr))
        return [_Service(transport, records) for (transport, _), records in zip(naptr, found, strict=True)]

    async def _naptr(self, target: str, secure: bool) -> list[tuple[str, str]]:
        """Transports with the names of their SRV records, those only that are spoken here, the most preferred first."""
        try:
            records = await self._dns.look_up(target, "NAPTR")
        except NoDnsAnswerError:
            return []
        found = [record for record in records if isinstance(record, Naptr)]
        found.sort(key=lambda record: (record.order, record.preference))
        services = []
        for record in found:
            transport = SERVICES.get(record.service, "")
            if transport not in self._transports or (secure and not record.service.startswith("SIPS")):
                continue
            if record.flags == "S" and not record.regexp and record.replacement:
                services.append((transport, record.replacement))
        return services[:MAX_SERVICES]

    async def _srv(self, name: str) -> list[Srv]:
        try:
            records = await self._dns.look_up(name, "SRV")
        except NoDnsAnswerError:
            return []  # as good as none: the address records may still be known
        return [record for record in records if isinstance(record, Srv)]

    # Addresses (§4.2)

    async def _hops(self, uri: SipUri, places: list[_Place], prefer_ipv6: bool, profile: str) -> list[Hop]:
        found = await asyncio.gather(*(self._resolver.addresses(_unmapped(place.host)) for place in places))
        first = socket.AF_INET6 if prefer_ipv6 else socket.AF_INET
        hops: dict[Hop, None] = {}
        for place, addresses in zip(places, found, strict=True):
            for address in sorted(filter(_is_somebodys, addresses), key=lambda host: literal_family(host) != first):
                domain = "" if address == uri.host else uri.host
                hops[Hop(place.transport, Address(address, place.port), None, domain, profile)] = None
        return list(hops)[:MAX_HOPS]


def _unmapped(host: str) -> str:
    """An IPv4 address that is written as an IPv6 one (RFC 4291 §2.5.5.2) as itself: our IPv6 sockets take no IPv4."""
    if literal_family(host) == socket.AF_INET6:
        mapped = IPv6Address(host).ipv4_mapped
        if mapped is not None:
            return str(mapped)
    return host


def _is_somebodys(host: str) -> bool:
    """Whether an address is one machine's: what a URI or a record says must not make us send to everybody."""
    address = ip_address(host)
    return not (address.is_unspecified or address.is_multicast or host == "255.255.255.255")
