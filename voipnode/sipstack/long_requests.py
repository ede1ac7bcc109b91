"""Requests too long for a datagram: they go over TCP for once, and back to UDP where nobody takes TCP (§18.1.1)."""

from __future__ import annotations

from dataclasses import replace

from voipnode.sipstack.requests import Kind, OutgoingRequest
from voipnode.sipstack.session import State
from voipnode.sipstack.transport import Address

REMEMBERED_S = 600.0
MAX_REMEMBERED = 256


class LongRequests:
    """Says which requests change their transport. `limit` is in bytes, 0 = none does.

    Where TCP was not taken, it is not tried again for `REMEMBERED_S`: a firewall that drops it in silence would cost
    every call the time that a connection is waited for.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._without_tcp: dict[Address, float] = {}  # until when

    def switch_to_tcp(self, outgoing: OutgoingRequest, now: float) -> bool:
        """Turn a request that has its Via and is too long over to TCP; False where it stays as it is.

        Its Via has to be written anew then. CANCEL never comes here, since it goes where its INVITE went (§9.1), nor
        does ACK, for which no transaction would notice that TCP is refused.
        """
        if not self._limit or outgoing.hop.reliable or outgoing.over_udp is not None:
            return False
        if len(outgoing.request.to_bytes()) <= self._limit:
            return False
        if now < self._without_tcp.get(outgoing.hop.remote, now):
            return False
        outgoing.over_udp, outgoing.hop = outgoing.hop, replace(outgoing.hop, transport="TCP")
        return True

    def back_to_udp(self, outgoing: OutgoingRequest, now: float) -> bool:
        """Turn a request over to UDP again whose connection failed before anybody answered; False where that cannot be.

        Once only. A first INVITE that is being given up is not sent again: that would ring a phone for nobody.
        """
        hop, session = outgoing.over_udp, outgoing.session
        if hop is None or hop == outgoing.hop or outgoing.heard:
            return False
        self._remember(hop.remote, now)
        if outgoing.kind is Kind.INVITE and (session is None or session.state is not State.CALLING):
            return False
        outgoing.hop = hop
        return True

    def _remember(self, remote: Address, now: float) -> None:
        self._without_tcp.pop(remote, None)  # the latest stand last
        if len(self._without_tcp) >= MAX_REMEMBERED:
            del self._without_tcp[next(iter(self._without_tcp))]
        self._without_tcp[remote] = now + REMEMBERED_S
