"""Notices that this host has other addresses than before: the kernel says so (rtnetlink(7)), nothing is polled."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from voipnode.net.interfaces import told_addresses

log = logging.getLogger(__name__)

SETTLE_S = 0.5  # an interface that comes up says so a dozen times
# linux/rtnetlink.h: RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
GROUPS = 0x1 | 0x10 | 0x100
_DRAIN_BYTES = 65_536


class NetworkWatch:
    """Calls `changed(addresses, detail)` at its start, and whenever they have changed; `addresses` lists them.

    What the kernel says is only taken as a sign to look. Where there is no rtnetlink, only the start is told.
    """

    def __init__(
        self,
        changed: Callable[[tuple[str, ...], str], None],
        addresses: Callable[[], tuple[str, ...]] = told_addresses,
    ) -> None:
        self._changed = changed
        self._addresses = addresses
        self._known: tuple[str, ...] = ()
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Tell the addresses, and what becomes of them from now on."""
        self._known = self._addresses()
        self._changed(self._known, "")
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            self._socket.bind((0, GROUPS))
        except (AttributeError, OSError) as error:  # another system, or a container that may not
            self._close()
            log.info("changes of the network are not noticed: %s", error)
            return
        asyncio.get_running_loop().add_reader(self._socket, self._said)

    async def stop(self) -> None:
        """Tell nothing any more; may be called twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._close()

    def _close(self) -> None:
        if self._socket is not None:
            if self._socket.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _said(self) -> None:
        """The kernel has said something; it is looked at once it has said all, and SETTLE_S later at the latest."""
        assert self._socket is not None
        try:
            while self._socket.recv(_DRAIN_BYTES):
                pass
        except BlockingIOError:
            pass
        except OSError as error:  # ENOBUFS: it said more than we took; that we look is all that matters
            log.debug("rtnetlink: %s", error)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SETTLE_S, self._look)

    def _look(self) -> None:
        self._timer = None
        before, self._known = self._known, self._addresses()
        if self._known != before:
            self._changed(self._known, _difference(before, self._known))


def _difference(before: tuple[str, ...], now: tuple[str, ...]) -> str:
    """What is new and what is gone, in words."""
    new = [each for each in now if each not in before]
    gone = [each for each in before if each not in now]
    return ", ".join(f"{what}: {' '.join(found)}" for what, found in (("new", new), ("gone", gone)) if found)
