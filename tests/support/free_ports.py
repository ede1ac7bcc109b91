"""Ports that nobody uses at this moment, so that tests can run beside a node and beside each other.

They lie below those that the kernel gives to outgoing connections (ip_local_port_range, 32768 and up). A port of that
range, which is what bind() to port 0 gives, is anybody's again the moment the question is closed; and each connection
that a test closes blocks its own port for a minute (TIME_WAIT), even against SO_REUSEADDR. baresip ends at once when
its port is taken, or the next one, where it listens for TLS.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket

FIRST, LAST = 7000, 11998
RTP_FIRST, RTP_LAST, RTP_SIZE = 12000, 30000, 200
# No port and no range twice in one run of the tests.
_DRAWN = itertools.count(random.randrange(FIRST, LAST, 2), 2)
_RANGES = itertools.count(random.randrange(0, RTP_LAST - RTP_FIRST, RTP_SIZE), RTP_SIZE)


def free_port() -> int:
    """An even port, free on loopback for UDP and TCP as is the odd one after it (a SIP server's TLS, or RTCP)."""
    for drawn in _DRAWN:
        port = FIRST + (drawn - FIRST) % (LAST - FIRST)
        # Chromium refuses to open pages at 10080.
        if port != 10080 and _is_free(port) and _is_free(port + 1):
            return port
    raise AssertionError("a count does not end")


def _is_free(port: int) -> bool:
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("127.0.0.1", port))
        udp.bind(("127.0.0.1", port))
        return True
    return False


def rtp_range() -> int:
    """The even start of a range of 200 ports, all of them free for UDP, that no other program of this run is given."""
    for drawn in _RANGES:
        start = RTP_FIRST + drawn % (RTP_LAST - RTP_FIRST)
        if all(_is_free_for_udp(port) for port in range(start, start + RTP_SIZE)):
            return start
    raise AssertionError("a count does not end")


def _is_free_for_udp(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))
        return True
    return False
