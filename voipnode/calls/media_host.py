"""Which of our addresses a call's sound goes to and comes from."""

from __future__ import annotations

from voipnode.calls.ports import LocalAddress
from voipnode.sipstack.errors import SipError
from voipnode.sipstack.sdp import parse
from voipnode.sipstack.transport import Address, Hop


def media_host(local_address: LocalAddress, signalling: Hop, offer: bytes | None = None) -> str:
    """Our address towards the peer's media: of the first family in its offer that is ours too.

    IPv4 and IPv6 may differ between SIP and its media (RFC 6157). Without an offer, or with one that says nothing
    of use, it is the address that the signalling has.
    """
    for host in _media_hosts(offer):
        ours = local_address(Hop("UDP", Address(host, signalling.remote.port))).host
        if _is_ipv6(ours) == _is_ipv6(host):
            return ours
    return local_address(signalling).host


def _is_ipv6(literal: str) -> bool:
    return ":" in literal


def _media_hosts(offer: bytes | None) -> list[str]:
    """The addresses at which the offer wants audio, in its order; a hold's 0.0.0.0 is none."""
    if offer is None:
        return []
    try:
        description = parse(offer)
    except SipError:
        return []  # whoever answers the offer says so
    connections = [description.connection_of(media) for media in description.media if media.port]
    return [
        str(connection.ip)
        for connection in connections
        if connection is not None and connection.ip is not None and not connection.ip.is_unspecified
    ]
