"""Ports that nobody uses at this moment, so that tests can run beside a node and beside each other.

They lie below those that the kernel gives to outgoing connections (ip_local_port_range, 32768 and up). A port of that
range, which is what bind() to port 0 gives, is anybody's again the moment the question is closed; and each connection
that a test closes blocks its own port for a minute (TIME_WAIT), even against SO_REUSEADDR. baresip ends at once when
its port is taken, or the next one, where it listens for TLS.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FIRST, LAST = 7000, 11998
RTP_FIRST, RTP_LAST, RTP_SIZE = 12000, 30000, 200
# Runs of tests at the same time each have a lane of their own, so that none is given what another one is about to use.
LANES = 4


@cache
def _lane() -> int:
    """The lane of this run, locked until its process ends; any one where all are locked."""
    path = Path(tempfile.gettempdir()) / f"voipnode-test-ports-{os.getuid()}"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for lane in range(LANES):
        with contextlib.suppress(OSError):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, lane)
            return lane
    return random.randrange(LANES)


def _share(first: int, last: int, step: int) -> tuple[int, int]:
    """Where the part of our lane begins, and how many steps it has."""
    size = (last - first) // (LANES * step)
    return first + _lane() * size * step, size


def our_packets() -> str:
    """A filter for captures: what is sent by UDP from or to the ports of this run, whatever runs beside it."""
    ranges = []
    for first, last, step in ((FIRST, LAST, 2), (RTP_FIRST, RTP_LAST, RTP_SIZE)):
        begin, size = _share(first, last, step)
        ranges.append(f"udp portrange {begin}-{begin + size * step - 1}")
    return " or ".join(ranges)


def _drawn(first: int, last: int, step: int) -> Iterator[int]:
    """The numbers of our lane, none of them twice before all others were drawn."""
    begin, size = _share(first, last, step)
    for turn in itertools.count(random.randrange(size)):
        yield begin + turn % size * step


@cache
def _ports() -> Iterator[int]:
    return _drawn(FIRST, LAST, 2)


@cache
def _ranges() -> Iterator[int]:
    return _drawn(RTP_FIRST, RTP_LAST, RTP_SIZE)


def free_port() -> int:
    """An even port, free on loopback for UDP and TCP as is the odd one after it (a SIP server's TLS, or RTCP)."""
    for port in _ports():
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
    for start in _ranges():
        if all(_is_free_for_udp(port) for port in range(start, start + RTP_SIZE)):
            return start
    raise AssertionError("a count does not end")


def _is_free_for_udp(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))
        return True
    return False
