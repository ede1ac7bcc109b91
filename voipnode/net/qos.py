"""Which packets go first: the DSCP that routers and switches read (RFC 2474)."""

from __future__ import annotations

import contextlib
import socket


def mark(sock: socket.socket, dscp: int) -> None:
    """Have everything that a socket sends carry this DSCP, 0 to 63. Where the system refuses, it goes unmarked."""
    tos = dscp << 2  # the two bits below are ECN's (RFC 3168 §5)
    with contextlib.suppress(OSError):
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
