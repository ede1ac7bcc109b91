"""Requests too long for a datagram: they go over TCP for once, and back to UDP where nobody takes TCP (§18.1.1)."""

from __future__ import annotations

from dataclasses import replace

from voipnode.sipstack.requests import Kind, OutgoingRequest
from voipnode.sipstack.session import State


def switch_to_tcp(outgoing: OutgoingRequest, limit: int) -> bool:
    """Turn a request that has its Via and is longer than `limit` bytes over to TCP; False where it stays as it is.

    Its Via has to be written anew then. CANCEL never comes here, since it goes where its INVITE went (§9.1), nor does
    ACK, for which no transaction would notice that TCP is refused.
    """
    if not limit or outgoing.hop.reliable or outgoing.over_udp is not None:
        return False
    if len(outgoing.request.to_bytes()) <= limit:
        return False
    outgoing.over_udp, outgoing.hop = outgoing.hop, replace(outgoing.hop, transport="TCP")
    return True


def back_to_udp(outgoing: OutgoingRequest) -> bool:
    """Turn a request over to UDP again whose connection failed before anybody answered; False where that cannot be.

    Once only. A first INVITE that is being given up is not sent again: that would ring a phone for nobody.
    """
    hop, session = outgoing.over_udp, outgoing.session
    if hop is None or hop == outgoing.hop or outgoing.heard:
        return False
    if outgoing.kind is Kind.INVITE and (session is None or session.state is not State.CALLING):
        return False
    outgoing.hop = hop
    return True
