"""Where requests go (RFC 3261 §8.1.2), and what is noted about where one came from (§18.2.1, RFC 3581 §4)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Request
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri

DEFAULT_PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443}
"""RFC 3261 §19.1.2, RFC 7118 §5.5."""

# What a sips URI makes of its transport parameter: that names what lies below TLS, or TLS itself by the custom that
# RFC 3261 §26.2.2 deprecates. UDP is not among them (§19.1.1).
_SECURED = {"TCP": "TLS", "TLS": "TLS", "WS": "WSS", "WSS": "WSS"}


def transport_to(uri: SipUri) -> str:
    """The transport that a URI asks for, as a `Hop` names it; without a parameter UDP, or TLS for sips.

    Raises LocalError for transports that this endpoint does not speak, and for a sips URI that asks for UDP.
    """
    asked = uri.transport
    if uri.scheme == "sips":
        transport = _SECURED.get(asked or "TCP")
        if transport is None:
            raise LocalError(f"{uri} asks for {asked}, but sips goes over TLS alone")
        return transport
    transport = asked or "UDP"
    if transport not in DEFAULT_PORTS:
        raise LocalError(f"{uri} asks for {asked}, which this endpoint does not speak")
    return transport


def hop_to(uri: SipUri) -> Hop:
    """The hop that a URI names: its maddr or host, its port or the transport's default, its transport.

    Host names stay names; `net` looks them up. The name to be proven by a certificate is the host, wherever maddr leads
    (RFC 5922 §4). Raises LocalError as `transport_to` does.
    """
    transport = transport_to(uri)
    host = (uri.params.get("maddr") or uri.host).strip("[]")
    domain = "" if transport in ("UDP", "TCP") else uri.host
    return Hop(transport, Address(host, uri.port or DEFAULT_PORTS[transport]), domain=domain)


def first_hop(target: SipUri, routes: Sequence[NameAddr], given: Hop | None) -> Hop:
    """Where a request goes first (§8.1.2): to `given`, else to what its first route or, without one, its target names.

    Raises LocalError as `transport_to` does, and where sips would go over a hop without TLS.
    """
    first = routes[0].uri if routes else target
    assert isinstance(first, SipUri)  # parse_routes saw to it
    hop = given or hop_to(first)
    if not hop.secure and demands_tls(target, routes):
        raise LocalError(f"{target} asks for TLS, and {hop.transport} has none")
    return hop


def demands_tls(request: SipUri, routes: Sequence[NameAddr] = ()) -> bool:
    """Whether every hop of a request must be secure: its Request-URI or its top route is a sips URI (§8.1.1.8)."""
    top = routes[0].uri if routes else None
    return request.scheme == "sips" or (isinstance(top, SipUri) and top.scheme == "sips")


def wants_secure_contact(request: Request) -> bool:
    """Whether our Contact in the answer must be a sips URI: Request-URI, top Record-Route or Contact is (§12.1.1)."""
    routes = request.record_routes
    others = routes[:1] or request.contacts[:1]
    uris = (request.uri, *[other.uri for other in others])
    return any(isinstance(uri, SipUri) and uri.scheme == "sips" for uri in uris)


def is_literal(host: str) -> bool:
    """Whether a host is an IP address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def mark_arrival(request: Request, source: Hop) -> None:
    """Write into the top Via where the request really came from: received and rport.

    A `received` or `rport` value that the sender wrote itself is replaced. Raises ParseError for a malformed Via.
    """
    via = request.via
    params = via.params
    host, port = source.remote
    wants_port = "rport" in params
    if not wants_port and via.host == host and "received" not in params:
        return
    headers = request.headers
    value = headers.first("via") or ""
    if "," not in value and value.endswith(";rport") and "received" not in params and headers.count("via") == 1:
        headers.set("Via", f"{value}={port};received={host}")  # what nearly every request looks like
        return
    marked = via.with_param("received", host)
    if wants_port:
        marked = marked.with_param("rport", str(port))
    # Several Via lines become one of several values, which means the same (§7.3.1).
    headers.set("Via", ", ".join([str(marked), *headers.values("Via")[1:]]))
