"""Where requests go (RFC 3261 §8.1.2), and what is noted about where one came from (§18.2.1, RFC 3581 §4)."""

from __future__ import annotations

from ipaddress import ip_address

from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.message import Request
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri

SIP_PORT = 5060
TRANSPORTS = ("UDP", "TCP")


def hop_to(uri: SipUri) -> Hop:
    """The hop that a URI names: its maddr or host, its port or 5060, its transport or UDP.

    Host names stay names; `net` looks them up. Raises LocalError for sips and for transports that are not served.
    """
    if uri.scheme == "sips":
        raise LocalError(f"{uri} asks for TLS, which this endpoint does not speak")
    transport = uri.transport or "UDP"
    if transport not in TRANSPORTS:
        raise LocalError(f"{uri} asks for {transport}, which this endpoint does not speak")
    host = (uri.params.get("maddr") or uri.host).strip("[]")
    return Hop(transport, Address(host, uri.port or SIP_PORT))


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
