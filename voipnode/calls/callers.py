"""Who may call, and whose digits act: decided by where packets come from, never by what a header claims alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Request
from voipnode.sipstack.uri import SipUri, Uri

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Networks:
    """A set of IP networks; IPv4-mapped IPv6 addresses count as the IPv4 address they carry."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: list[IpNetwork] = [ipaddress.ip_network(text, strict=False) for text in networks]

    def __contains__(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.split("%", 1)[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


class TrustedCallers:
    """The callers that the settings name, as "user@network" or "network".

    The network is compared with the packets' source: the three-way handshake of a call proves that the caller really
    receives there. The From user narrows it down and proves nothing by itself.
    """

    def __init__(self, callers: Iterable[str]) -> None:
        self._callers: list[tuple[str | None, Networks]] = []
        for caller in callers:
            user, at, network = caller.rpartition("@")
            self._callers.append((user if at else None, Networks([network.strip("[]")])))

    def names(self, source_host: str) -> bool:
        """Whether somebody there is trusted, whatever he calls himself."""
        return any(source_host in network for _, network in self._callers)

    def trusts(self, caller: Uri, source_host: str) -> bool:
        """Whether this caller, as `caller_of` names him, is trusted when he calls from there."""
        called = caller.user if isinstance(caller, SipUri) else None
        return any(source_host in network and user in (None, called) for user, network in self._callers)


def caller_of(request: Request, *, from_server: bool) -> Uri:
    """Who calls: what a server of ours asserts (RFC 3325 §9.1), else what From claims."""
    if from_server:
        for value in request.headers.values("P-Asserted-Identity"):
            try:
                return NameAddr.parse(value).uri
            except ParseError:
                continue
    return request.from_.uri
