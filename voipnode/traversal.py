"""What the settings say about routers, as `net` takes it: STUN and TURN servers, and ports that are forwarded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from voipnode.calls.events import Problem
from voipnode.calls.hooks import Bus
from voipnode.calls.ports import LocalAddress
from voipnode.calls.settings import SipSettings
from voipnode.calls.traversal_settings import server_place
from voipnode.media.turn.memory import ServerMemory
from voipnode.media.turn.values import Server
from voipnode.net.igd import Forwarding, find_igd
from voipnode.net.port_mapping import PortMapping
from voipnode.net.relay_servers import Wanted
from voipnode.net.rtp_ports import DEFAULT_COUNT
from voipnode.sipstack.transport import Address, Hop
from voipnode.tls_profiles import relay_profile

SSDP_PORT = 1900
_TRANSPORTS: dict[str, Literal["UDP", "TCP", "TLS", "AUTO"]] = {
    "udp": "UDP",
    "tcp": "TCP",
    "tls": "TLS",
    "auto": "AUTO",
}


def wanted_servers(settings: SipSettings) -> list[Wanted]:
    """The STUN and TURN servers, in the order of the settings."""
    places = [server_place(text, ("stun",)) for text in settings.stun.servers]
    found = [Wanted(place.host, place.port) for place in places]
    for index, turn in enumerate(settings.turn):
        place, transport = turn.place, _TRANSPORTS[turn.wanted]
        found.append(Wanted(place.host, place.port, transport, turn.username, turn.password, relay_profile(index)))
    return found


def server_memory(bus: Bus) -> ServerMemory:
    """What calls learn about the servers, and people of them."""

    def tell(server: Server, words: str) -> None:
        bus.publish(Problem(where="sip.turn" if server.relays else "sip.stun", detail=words))

    return ServerMemory(tell)


def rtp_pairs(settings: SipSettings) -> int:
    """How many pairs of RTP ports calls may have: those that the router forwards, where it does."""
    return settings.upnp.rtp_pairs if settings.upnp.enabled else max(DEFAULT_COUNT, settings.max_calls)


def forwardings(settings: SipSettings, sip_port: int) -> list[Forwarding]:
    """The ports that the router is to forward."""
    wanted = [Forwarding("UDP", sip_port), Forwarding("TCP", sip_port)]
    if settings.tls.enabled:
        wanted.append(Forwarding("TCP", settings.tls.port))
    first = settings.rtp_start_port + settings.rtp_start_port % 2  # RTP ports are even (RFC 3550 §11)
    last = min(first + 2 * settings.upnp.rtp_pairs, 65_536)
    return wanted + [Forwarding("UDP", port) for port in range(first, last)]


def port_mapping(
    settings: SipSettings, sip_port: int, local_address: LocalAddress, bus: Bus, on_outer: Callable[[str], None]
) -> PortMapping | None:
    """Keeps the ports forwarded; None where the settings do not want it, or listen on no IPv4 address."""
    source = next((host for host in settings.hosts if ":" not in host), None)
    if not settings.upnp.enabled or source is None:
        return None
    return PortMapping(
        forwardings(settings, sip_port),
        find=lambda: find_igd(source, settings.upnp.timeout_s),
        own_address=lambda host: local_address(Hop("UDP", Address(host, SSDP_PORT))).host,
        lease_s=settings.upnp.lease_s,
        tell=lambda words: bus.publish(Problem(where="sip.upnp", detail=words)),
        on_outer=on_outer,
    )
