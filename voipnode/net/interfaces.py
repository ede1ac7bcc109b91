"""The addresses of this host, as candidates for ICE may have them (RFC 8445 §5.1.1.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path

import ifaddr

MAX_ADDRESSES = 4
MANY = 64  # far more than a door has
TTL_S = 10.0  # an interface that came up meanwhile is seen by the next call but one
IF_INET6 = Path("/proc/net/if_inet6")  # Linux: address, index, prefix length, scope, flags, name
_TEMPORARY, _DEPRECATED, _TENTATIVE = 0x01, 0x20, 0x40  # linux/if_addr.h


class Interfaces:
    """Asks the system, and remembers its answer for ten seconds. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = float("-inf")
        self._known: tuple[str, ...] = ()

    def addresses(self) -> tuple[str, ...]:
        """Up to four addresses of both families, in the system's order; loopback alone where there is nothing else."""
        now = self._clock()
        if now >= self._until:
            self._until = now + TTL_S
            self._known = chosen(_all(), _flags(IF_INET6))
        return self._known


def told_addresses() -> tuple[str, ...]:
    """All addresses of this host that a far side may be told, sorted; none where there is loopback alone."""
    found = chosen(_all(), _flags(IF_INET6), most=MANY)
    return tuple(sorted(each for each in found if not ipaddress.ip_address(each).is_loopback))


def chosen(addresses: Sequence[tuple[str, int]], flags: dict[str, int], most: int = MAX_ADDRESSES) -> tuple[str, ...]:
    """Of these addresses, each with its prefix length, those that a far side may be told; `flags` are Linux's.

    No link-local ones: the far side could not name the interface. Where there is a temporary IPv6 address, made so that
    nobody can follow a host, the others of its network stay out, and so do those that are to be used no more.
    """
    found: list[str] = []
    loopback: list[str] = []
    temporary = {_network(host, bits) for host, bits in addresses if flags.get(host, 0) & _TEMPORARY}
    for host, bits in addresses:
        ip = ipaddress.ip_address(host)
        flag = flags.get(host, 0)
        if ip.is_loopback:
            loopback.append(host)
        elif _is_usable(ip, flag) and (flag & _TEMPORARY or _network(host, bits) not in temporary):
            found.append(host)
    return tuple((found or loopback)[:most])


def _is_usable(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, flag: int) -> bool:
    if isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped is not None or ip.is_site_local):
        return False
    return not (ip.is_link_local or ip.is_unspecified or ip.is_multicast or flag & (_DEPRECATED | _TENTATIVE))


def _network(host: str, bits: int) -> str:
    return str(ipaddress.ip_network(f"{host}/{bits}", strict=False))


def _all() -> list[tuple[str, int]]:
    found = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            host = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            found.append((str(ipaddress.ip_address(host)), ip.network_prefix))
    return found


def _flags(file: Path) -> dict[str, int]:
    """What Linux says of its IPv6 addresses; nothing elsewhere."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    fields = [line.split() for line in lines]
    return {str(ipaddress.IPv6Address(bytes.fromhex(each[0]))): int(each[4], 16) for each in fields if len(each) == 6}
