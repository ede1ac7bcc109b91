"""Ports that nobody uses at this moment, so that tests can run beside a node and beside each other."""

from __future__ import annotations

import random
import socket


def free_pair() -> int:
    """A port from 1024 up that is free for UDP and TCP on loopback, as is the next one."""
    while True:
        port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            try:
                tcp.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def free_port() -> int:
    """A port from 1024 up that is free for UDP and TCP on loopback."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def rtp_range(size: int = 200) -> int:
    """The even start of a range of `size` ports that is unlikely to be used by anybody else."""
    return random.randrange(12000, 30000 - size, 2)
