"""What kind of router is between the node and the outside, by the questions of RFC 5780, and what that means."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from voipnode.doctor.addresses import route_from
from voipnode.doctor.findings import Case, Finding, good, note, problem, warning
from voipnode.doctor.stun_socket import CHANGE_BOTH, CHANGE_PORT, Seen, StunSocket
from voipnode.media.values import Addr
from voipnode.net.entropy import SystemEntropy
from voipnode.net.local_address import WILDCARDS
from voipnode.net.relay_servers import RelayServers
from voipnode.traversal import wanted_servers

LOOK_UP_S = 3.0


class Dependence(StrEnum):
    """On what of the far side a router's behaviour depends (RFC 4787 §4.1, §5)."""

    NOTHING = "nothing"
    ADDRESS = "address"
    PORT = "address and port"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the router maps our ports, and whom it lets in; `mapped` is what the outside sees."""

    local: Addr
    mapped: Addr
    mapping: Dependence
    filtering: Dependence

    @property
    def translates(self) -> bool:
        return self.local != self.mapped


async def check_nat(case: Case) -> AsyncIterator[Finding]:
    """STUN servers answer; the router in between; the address that the far side sees."""
    sip = case.settings.sip
    if not sip.stun.servers:
        if sip.nat.public is None:
            words = "no STUN server is named: it is not known how the router shows the node to the outside"
            yield note(words, 'name one in sip.stun.servers, for example "stun.example.com", if calls go beyond it')
        return
    wanted = [one for one in wanted_servers(sip) if not one.username]
    finder = RelayServers(wanted, case.resolver, case.dns, SystemEntropy().draw)
    try:
        async with asyncio.timeout(LOOK_UP_S):
            await finder.look_up()
    except TimeoutError:
        yield problem("the STUN servers' names could not be looked up in time", "look at what is said of DNS")
    servers = [server.address for server in finder.known()]
    await finder.close()
    if not servers:
        yield problem("none of the STUN servers has an address", "correct sip.stun.servers, or see what is said of DNS")
        return
    host = own_address(sip.hosts, servers[0])
    if host is None:
        yield problem("there is no way to the STUN servers", "see what is said of addresses")
        return
    async for finding in _examined(case, host, servers):
        yield finding


def own_address(hosts: Sequence[str], server: Addr) -> str | None:
    """Our address towards a server, None where there is no way to it; no packet is sent."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    for host in hosts:
        if (":" in host) == (":" in server[0]) and host not in WILDCARDS:
            return host
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(server)
        except OSError:
            return route_from(family)
        return str(sock.getsockname()[0])


async def _examined(case: Case, host: str, servers: Sequence[Addr]) -> AsyncIterator[Finding]:
    probe = await StunSocket.open(host)
    try:
        answers = await asyncio.gather(*(probe.ask(server) for server in servers))
        for server, seen in zip(servers, answers, strict=True):
            shown = f"the STUN server {server[0]}:{server[1]}"
            if seen is None:
                words = f"{shown} does not answer"
                yield problem(words, "see that it runs and that UDP goes out and back; or name another server")
            else:
                yield good(f"{shown} answers: it sees us at {seen.mapped[0]}:{seen.mapped[1]}")
        known = [(server, seen) for server, seen in zip(servers, answers, strict=True) if seen is not None]
        if known:
            behaviour = await examine_router(probe, known, host)
            for finding in _in_words(case, behaviour):
                yield finding
    finally:
        probe.close()


async def examine_router(probe: StunSocket, known: Sequence[tuple[Addr, Seen]], host: str) -> Behaviour:
    """RFC 5780 §4.3 and §4.4; of servers with one address alone, two are asked instead, and filtering stays unknown."""
    server, seen = next(((at, one) for at, one in known if one.other is not None), known[0])
    if probe.local == seen.mapped:
        return Behaviour(probe.local, seen.mapped, Dependence.NOTHING, Dependence.UNKNOWN)
    if seen.other is None:
        others = {one.mapped for at, one in known if at[0] != server[0]}
        mapping = Dependence.UNKNOWN if not others else Dependence.NOTHING
        if others - {seen.mapped}:
            mapping = Dependence.PORT
        return Behaviour(probe.local, seen.mapped, mapping, Dependence.UNKNOWN)
    mapping, filtering = await asyncio.gather(_mapping(probe, server, seen), _filtering(host, server))
    return Behaviour(probe.local, seen.mapped, mapping, filtering)


async def _mapping(probe: StunSocket, server: Addr, seen: Seen) -> Dependence:
    assert seen.other is not None
    elsewhere = await probe.ask((seen.other[0], server[1]))
    if elsewhere is None:
        return Dependence.UNKNOWN
    if elsewhere.mapped == seen.mapped:
        return Dependence.NOTHING
    third = await probe.ask(seen.other)
    if third is None:
        return Dependence.UNKNOWN
    return Dependence.ADDRESS if third.mapped == elsewhere.mapped else Dependence.PORT


async def _filtering(host: str, server: Addr) -> Dependence:
    """From a socket of its own: whom the other one has spoken with is let in."""
    probe = await StunSocket.open(host)
    try:
        if await probe.ask(server) is None:
            return Dependence.UNKNOWN
        from_anywhere, from_there = await asyncio.gather(probe.ask(server, CHANGE_BOTH), probe.ask(server, CHANGE_PORT))
    finally:
        probe.close()
    if from_anywhere is not None:
        return Dependence.NOTHING
    return Dependence.PORT if from_there is None else Dependence.ADDRESS


def _in_words(case: Case, behaviour: Behaviour) -> list[Finding]:
    sip, seen = case.settings.sip, behaviour.mapped[0]
    told = []
    if not behaviour.translates:
        told.append(good(f"no router changes our address: the far side sees {seen}"))
    else:
        told.append(_router(behaviour, relays=bool(sip.turn)))
    public = sip.nat.public
    if public is not None and public[0] != seen:
        words = f"sip.nat.public_address is {public[0]}, but the outside sees {seen}"
        told.append(problem(words, f"set it to {seen}, or leave it out where the router's address changes"))
    elif public is None and behaviour.translates:
        told.append(good(f"the far side sees {seen}; the node learns that from its servers, and by STUN"))
    return told


def _router(behaviour: Behaviour, *, relays: bool) -> Finding:
    """The old names (RFC 3489 §5) beside what they mean: people look for them."""
    between = f"a router is between: {behaviour.local[0]} is {behaviour.mapped[0]} outside"
    if behaviour.mapping in (Dependence.ADDRESS, Dependence.PORT):
        words = f"{between}; it gives every far side another port of ours (a symmetric NAT)"
        if relays:
            return good(f"{words}, so calls beyond it go by the TURN server where the far side's router is so, too")
        return warning(words, "name a TURN server in [[sip.turn]]: without one, calls beyond the router may be silent")
    if behaviour.mapping is Dependence.UNKNOWN:
        words = f"{between}; whether it is a cone or symmetric, one server with one address cannot tell"
        return note(words, "name a second STUN server, or one that speaks RFC 5780, to know")
    kinds = {
        Dependence.NOTHING: "; it keeps our port and lets everybody in (a full cone)",
        Dependence.ADDRESS: "; it keeps our port and lets in whom we have spoken with (a restricted cone)",
        Dependence.PORT: "; it keeps our port and lets in from where we have sent to (a port-restricted cone)",
        Dependence.UNKNOWN: "; it keeps our port for all far sides (a cone)",
    }
    return good(f"{between}{kinds[behaviour.filtering]}: STUN and ICE are enough")
