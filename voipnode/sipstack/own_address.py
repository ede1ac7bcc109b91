"""Under which address peers reach us: what stands in our Via and Contact (RFC 3261 §8.1.1.7, §8.1.1.8, RFC 3581).

Behind a router our own address says nothing to a server outside. Its answers tell where our request came from, in
`received` and `rport` of our Via. That is kept by hop, so that what one server says is told to nobody else, and it is
believed only in an answer to a request of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from voipnode.sipstack.config import EndpointConfig
from voipnode.sipstack.headers import Via
from voipnode.sipstack.routing import DEFAULT_PORTS
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import normal_host

MAX_LEARNT = 256  # hops, the one used longest ago is forgotten first
MIN_BETWEEN_S = 60.0  # a router that gives us a new port each time must not have us register for ever


@dataclass(slots=True)
class _Learnt:
    at: Address
    told_at: float | None = None


class OwnAddresses:
    """Chooses between the local address, the one that was set by hand and the one that a peer's answers showed.

    `local` gives the address and listening port of ours towards a hop; port 0 where only a connection leads to us.
    """

    def __init__(self, config: EndpointConfig, local: Callable[[Hop], Address]) -> None:
        self._config = config
        self._local = local
        # Our own address serves there; a public one may lead round by the outside, or nowhere.
        self._inside = Inside(config.local_networks)
        self.forwarded = ""  # a router's address, by which all our ports are reached from outside, as it says itself
        self._learnt: dict[tuple[str, Address], _Learnt] = {}
        self._local_sent_by: set[tuple[str, int]] = set()  # as many as there are interfaces
        self._foreign_sent_by: dict[tuple[str, int], None] = {}  # what peers showed us, so bounded

    def __len__(self) -> int:
        """Of how many hops it is known how they see us."""
        return len(self._learnt)

    def via(self, hop: Hop) -> Address:
        """Our sent-by for a peer behind `hop`, remembered for `is_ours`."""
        local = self._local(hop)
        at = self._nowhere(self._chosen(hop, local, self._config.keep_local_via))
        key = (normal_host(at.host), at.port or DEFAULT_PORTS[hop.transport])
        if at == local or not local.port:
            self._local_sent_by.add(key)
        else:
            self._foreign_sent_by.pop(key, None)
            if len(self._foreign_sent_by) >= MAX_LEARNT:
                self._foreign_sent_by.pop(next(iter(self._foreign_sent_by)))
            self._foreign_sent_by[key] = None
        return at

    def contact(self, hop: Hop) -> Address:
        """The address of our Contact for a peer behind `hop`."""
        return self._nowhere(self._chosen(hop, self._local(hop), self._config.keep_local_contact))

    def is_ours(self, via: Via) -> bool:
        """Whether a Via names an address that we send from (§18.1.2)."""
        key = (via.host, via.port or DEFAULT_PORTS.get(via.transport, 5060))
        return key in self._local_sent_by or key in self._foreign_sent_by

    def learnt(self, hop: Hop) -> Address | None:
        """How the peer behind `hop` saw our last request that it answered."""
        learnt = self._learnt.get((hop.transport, hop.remote))
        return learnt.at if learnt is not None else None

    def learn(self, hop: Hop, via: Via, now: float) -> Address | None:
        """Take our Via out of the answer to a request that went to `hop`.

        Gives our address where that changes our Contact there and is to be told, at most once a minute and hop.
        """
        key = (hop.transport, hop.remote)
        known = self._learnt.get(key)
        if known is not None and known.at == (via.received, via.rport):
            return None  # as nearly always
        seen = _seen_at(via)
        if seen is None:
            return None
        before = self.contact(hop)
        learnt = self._learnt.pop(key, None) or _Learnt(seen)
        learnt.at = seen
        if len(self._learnt) >= MAX_LEARNT:
            self._learnt.pop(next(iter(self._learnt)))
        self._learnt[key] = learnt
        after = self.contact(hop)
        if after == before or (learnt.told_at is not None and now < learnt.told_at + MIN_BETWEEN_S):
            return None
        learnt.told_at = now
        return after

    def _chosen(self, hop: Hop, local: Address, keep_local: bool) -> Address:
        if keep_local or not local.port:
            return local
        public = self._config.public_address or Address(self.forwarded, 0)
        remote = hop.remote.host
        if public.host and not self._inside.holds(remote) and _same_family(remote, public.host):
            return Address(public.host, public.port or local.port)
        learnt = self.learnt(hop)
        if learnt is None or (hop.reliable and learnt.host == normal_host(local.host)):
            # The port at our end of a connection is not the one that we listen on; only a router's leads to us.
            return local
        return learnt

    def _nowhere(self, at: Address) -> Address:
        """A name that leads nowhere, where only the connection leads to us (RFC 7118 §B.1)."""
        return at if at.port else Address(self._config.nowhere, 0)


def _seen_at(via: Via) -> Address | None:
    """Where the peer saw the request come from; None where it does not say, or nothing that can be."""
    if via.received is None and via.rport is None:
        return None
    host = normal_host(via.received or via.host)
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.is_unspecified or address.is_multicast or host == "255.255.255.255":
        return None
    return Address(host, via.rport or via.port or DEFAULT_PORTS.get(via.transport, 5060))


def _same_family(remote: str, public: str) -> bool:
    """Whether an address outside may be of use to a peer: it is of its family, or one of the two is a name."""
    try:
        return ip_address(remote).version == ip_address(public).version
    except ValueError:
        return True


class Inside:
    """The networks on our side of the router. Raises ValueError for a text that is no network."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ip_network(text, strict=False) for text in networks)

    def holds(self, host: str) -> bool:
        """Whether an address is in one of them; a name may be anywhere, so it is not."""
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
