"""Whether the router can be asked to forward ports (UPnP-IGD), where the settings want it to."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address

from voipnode.doctor.addresses import route_from
from voipnode.doctor.findings import Case, Finding, good, problem, warning
from voipnode.net.igd import RouterError, find_igd
from voipnode.net.local_address import WILDCARDS

LONGEST_S = 6.0


async def check_forwarding(case: Case) -> AsyncIterator[Finding]:
    """A router answers, and its outer address is one of the internet; nothing is forwarded by asking."""
    sip = case.settings.sip
    if not sip.upnp.enabled:
        return
    named = next((host for host in sip.hosts if ":" not in host and host not in WILDCARDS), None)
    source = named or route_from(socket.AF_INET)
    if source is None:
        yield problem("ports cannot be forwarded: there is no way out by IPv4", "see what is said of addresses")
        return
    try:
        router = await find_igd(source, min(sip.upnp.timeout_s, LONGEST_S))
        outer = await router.outer_address()
    except RouterError as error:
        remedy = "switch UPnP on in the router, forward the ports by hand there, or set sip.upnp.enabled = false"
        yield problem(f"the router does not forward ports for who asks (UPnP): {error}", remedy)
        return
    words = f"the router at {router.host} forwards ports for who asks (UPnP); outside it is {outer}"
    if ip_address(outer).is_private:
        remedy = "there is another router beyond it: forward the ports there too, or use STUN, ICE and TURN"
        yield warning(f"{words}, which is no address of the internet", remedy)
    else:
        yield good(words)
