"""At which addresses of its own the node is reached, and which one signalling will say."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address

from voipnode.doctor.findings import Case, Finding, good, note, problem
from voipnode.net.local_address import ANYWHERE, DISCARD_PORT, WILDCARDS

_FAMILIES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}


def route_from(family: socket.AddressFamily) -> str | None:
    """Our address on the default route, None where there is none; no packet is sent."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((ANYWHERE[family], DISCARD_PORT))
        except OSError:
            return None
        return str(sock.getsockname()[0])


async def check_addresses(case: Case) -> AsyncIterator[Finding]:
    """The addresses that the settings listen on are reached by telephones."""
    sip = case.settings.sip
    if not sip.enabled:
        yield note("SIP is off (sip.enabled): nobody can call the node, and it calls nobody")
        return
    for host in sip.hosts:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        if host not in WILDCARDS:
            yield _fixed(host)
            continue
        found = route_from(family)
        if found is None:
            words = f"this machine has no way out by {_FAMILIES[family]}: only programs on it reach the node"
            yield problem(words, "give it an address and a default route (ip route); see that its cable is plugged in")
        else:
            yield good(f"telephones in this network reach the node at {found}, port {sip.port} (UDP, TCP)")
    public = sip.nat.public
    if public is not None:
        yield good(f"those beyond the router are told {public[0]} (sip.nat.public_address)")


def _fixed(host: str) -> Finding:
    if ip_address(host).is_loopback:
        words = f"the node listens at {host}: only programs on this machine reach it"
        return note(words, 'set sip.hosts = ["0.0.0.0"], unless that is what is wanted')
    return good(f"the node listens at {host}, and nowhere else of that family")
