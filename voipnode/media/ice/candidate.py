"""Candidates: addresses at which one side can be reached, their foundations and priorities (RFC 8445 §5.1, §5.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from voipnode.media.values import Addr

RTP, RTCP = 1, 2  # components of a stream (§4)
BEST_LOCAL_PREFERENCE = 65_535
MAX_REMOTE = 32  # of the far side's candidates; the rest is not looked at
_PER_HOST = 16  # local preferences kept for the servers of one address


class Kind(StrEnum):
    """How a candidate came about (§4), as SDP spells it (RFC 8839 §5.1)."""

    HOST = "host"
    SERVER_REFLEXIVE = "srflx"
    PEER_REFLEXIVE = "prflx"
    RELAYED = "relay"


# §5.1.2.2
TYPE_PREFERENCES = {Kind.HOST: 126, Kind.PEER_REFLEXIVE: 110, Kind.SERVER_REFLEXIVE: 100, Kind.RELAYED: 0}


class Candidate(NamedTuple):
    """One candidate of either side.

    `base` is where packets leave from: of ours, the host's or the relay's own address; of the far side's, `address`.
    `related` tells people where it stems from (RFC 8839 §5.1).
    """

    kind: Kind
    component: int
    address: Addr
    priority: int
    foundation: str
    base: Addr
    related: Addr | None = None

    @property
    def relayed(self) -> bool:
        return self.kind is Kind.RELAYED


class Found(NamedTuple):
    """An address beyond this host: as a router maps it, or at a relay. `server`: whose IP address told or lent it."""

    kind: Kind
    component: int
    address: Addr
    base: Addr
    server: str


def priority_of(kind: Kind, component: int, local_preference: int) -> int:
    """§5.1.2.1: what both sides order by; 1 to 2**31 - 1."""
    return (TYPE_PREFERENCES[kind] << 24) + (local_preference << 8) + 256 - component


def reflexive_priority(candidate: Candidate) -> int:
    """What a peer-reflexive candidate with the same base would have: the PRIORITY of our checks (§7.1.1)."""
    return priority_of(Kind.PEER_REFLEXIVE, candidate.component, candidate.priority >> 8 & 0xFFFF)


def local_candidates(hosts: Sequence[tuple[Addr, ...]], found: Iterable[Found]) -> list[Candidate]:
    """Our candidates, best first: those of this host (per address, one for each component), then what was `found`.

    Of two that lead to the same address and base the lower one is left out (§5.1.3). Addresses of both families
    alternate, IPv6 first, so that a broken one does not hold the other up (RFC 8421 §4).
    """
    ordered = _alternating(hosts)
    drafts: list[_Draft] = [
        (Kind.HOST, number + 1, address, address, "", place, None)
        for place, addresses in enumerate(ordered)
        for number, address in enumerate(addresses)
    ]
    places = {address: place for place, addresses in enumerate(ordered) for address in addresses}
    for kind, component, address, base, server in found:
        relayed = kind is Kind.RELAYED
        drafts.append((kind, component, address, address if relayed else base, server, places.get(base, 0), base))
    return _distinct(_numbered(drafts))


def _alternating(hosts: Sequence[tuple[Addr, ...]]) -> list[tuple[Addr, ...]]:
    six = [addresses for addresses in hosts if ":" in addresses[0][0]]
    four = [addresses for addresses in hosts if ":" not in addresses[0][0]]
    mixed: list[tuple[Addr, ...]] = []
    for place in range(max(len(six), len(four))):
        mixed += six[place : place + 1] + four[place : place + 1]
    return mixed


_Draft = tuple[Kind, int, Addr, Addr, str, int, Addr | None]


def _numbered(drafts: Iterable[_Draft]) -> list[Candidate]:
    foundations: dict[tuple[Kind, str, str], str] = {}
    servers: list[str] = []
    candidates = []
    for kind, component, address, base, server, place, related in drafts:
        # §5.1.1.3: one foundation for one type, address of the base and server.
        where = related if kind is Kind.RELAYED and related is not None else base
        foundation = foundations.setdefault((kind, where[0], server), str(len(foundations) + 1))
        if server not in servers:
            servers.append(server)
        preference = BEST_LOCAL_PREFERENCE - place * _PER_HOST - min(servers.index(server), _PER_HOST - 1)
        priority = priority_of(kind, component, max(0, preference))
        candidates.append(Candidate(kind, component, address, priority, foundation, base, related))
    return candidates


def _distinct(candidates: list[Candidate]) -> list[Candidate]:
    kept: dict[tuple[int, Addr, Addr], Candidate] = {}
    for candidate in sorted(candidates, key=lambda one: -one.priority):
        kept.setdefault((candidate.component, candidate.address, candidate.base), candidate)
    return list(kept.values())


def usable(remote: Iterable[Candidate], components: int) -> list[Candidate]:
    """Of the far side's candidates, those that can be tried: few, and no address of nobody or of everybody."""
    kept: dict[tuple[int, Addr], Candidate] = {}
    for candidate in remote:
        if len(kept) >= MAX_REMOTE:
            break
        if 1 <= candidate.component <= components and is_somebody(candidate.address):
            kept.setdefault((candidate.component, candidate.address), candidate)
    return list(kept.values())


def is_somebody(address: Addr) -> bool:
    """True for an IP address of one host, and a port."""
    try:
        ip = ip_address(address[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    nobody = ip.is_unspecified or ip.is_multicast or str(ip) == "255.255.255.255" or mapped is not None
    return not nobody and 0 < address[1] <= 65_535


def can_pair(local: Candidate, remote: Candidate) -> bool:
    """§6.1.2.2: same component and family; link-local addresses among themselves. Loopback reaches loopback alone,
    so that no far side can point us at the services of this host."""
    ours, theirs = ip_address(local.base[0]), ip_address(remote.address[0])
    if local.component != remote.component or ours.version != theirs.version:
        return False
    if ours.version == 6 and ours.is_link_local != theirs.is_link_local:
        return False
    return ours.is_loopback or not theirs.is_loopback
