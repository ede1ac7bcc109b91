"""Sockets that listen to multicast groups, for RTP that is sent to whoever wants to hear it.

A group is joined at an interface; one that is not there yet (the node starts before the network does) is tried again,
ever less often. Where the network says nothing about a membership being lost, joining again every two minutes keeps
switches that snoop and have no querier from forgetting us.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import ifaddr

from voipnode.media.values import Addr
from voipnode.net.datagram import SockAddr
from voipnode.net.media_sockets import MediaSockets
from voipnode.net.mishaps import Mishaps

FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 60.0
RENEW_S = 120.0
IP_ADD_SOURCE_MEMBERSHIP = 39  # ip(7), Linux: the socket module of Python 3.11 has no name for it
SOURCE_SPECIFIC = ipaddress.ip_network("232.0.0.0/8")  # RFC 4607 §1

Take = Callable[[bytes, Addr, float], None]
Later = Callable[[float, Callable[["Group"], None], "Group"], asyncio.TimerHandle]
"""The loop's `call_later`."""


@dataclass(slots=True, eq=False)
class Group:
    """One group at one port; `take(data, source, at)` is given what comes. `sender`: who alone may send, or ""."""

    address: str
    port: int
    take: Take
    sender: str = ""
    sock: socket.socket | None = field(default=None, init=False)
    retry_s: float = field(default=FIRST_RETRY_S, init=False)
    timer: asyncio.TimerHandle | None = field(default=None, init=False)
    told: bool = field(default=False, init=False)


class MulticastSockets:
    """Listens to groups at `interface` ("" as the routes have it), read by `readers`.

    `on_problem(group, words)` is called once for each time that a group cannot be listened to. What `take` raises is
    counted and logged.
    """

    def __init__(
        self,
        groups: list[Group],
        readers: MediaSockets,
        *,
        interface: str = "",
        on_problem: Callable[[Group, str], None],
        later: Later | None = None,
    ) -> None:
        self._later = later or asyncio.get_running_loop().call_later
        self._groups = groups
        self._readers = readers
        self._interface = interface
        self._on_problem = on_problem
        self._closed = False
        self.mishaps = Mishaps("a multicast source")

    def open(self) -> None:
        """Begin to listen to every group, as far as that goes now."""
        for group in self._groups:
            self._open(group)

    def close(self) -> None:
        """Listen to nothing any more; may be called twice."""
        self._closed = True
        for group in self._groups:
            if group.timer is not None:
                group.timer.cancel()
                group.timer = None
            self._drop(group)

    def _open(self, group: Group) -> None:
        group.timer = None
        self._drop(group)
        try:
            group.sock = listen(group.address, group.port, self._interface, group.sender)
        except OSError as error:
            if not group.told:
                group.told = True
                self._on_problem(group, f"{error.strerror or error}; it is tried again")
            group.timer = self._later(group.retry_s, self._open, group)
            group.retry_s = min(2 * group.retry_s, LONGEST_RETRY_S)
            return
        group.retry_s, group.told = FIRST_RETRY_S, False
        self._readers.add(group.sock, lambda data, source, at: self._on_datagram(group, data, source, at))
        group.timer = self._later(RENEW_S, self._renew, group)

    def _renew(self, group: Group) -> None:
        assert group.sock is not None
        try:
            leave(group.sock, group.address, self._interface, group.sender)
            join(group.sock, group.address, self._interface, group.sender)
        except OSError:  # the interface has gone, or come back as another one
            self._open(group)
            return
        group.timer = self._later(RENEW_S, self._renew, group)

    def _drop(self, group: Group) -> None:
        if group.sock is not None:
            self._readers.remove(group.sock)
            group.sock.close()
            group.sock = None

    def _on_datagram(self, group: Group, data: bytes, source: SockAddr, at: float) -> None:
        try:
            group.take(data, source[:2], at)
        except Exception:  # noqa: BLE001 -- the edge: no sender's bytes may stop the node
            self.mishaps.note(source, data)


def listen(address: str, port: int, interface: str = "", sender: str = "") -> socket.socket:
    """A socket, not blocking, that hears the group `address` alone. Others may listen too. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Bound to the group itself: other datagrams for the port are not ours.
        scope = _index(interface) if family == socket.AF_INET6 else 0
        sock.bind((address, port, 0, scope) if family == socket.AF_INET6 else (address, port))
        join(sock, address, interface, sender)
    except OSError:
        sock.close()
        raise
    return sock


def join(sock: socket.socket, address: str, interface: str, sender: str) -> None:
    """Become a member of the group (RFC 3376 §2, RFC 3493 §5.2). Raises OSError."""
    _member(sock, address, interface, sender, add=True)


def leave(sock: socket.socket, address: str, interface: str, sender: str) -> None:
    """Be a member no more. Raises OSError."""
    _member(sock, address, interface, sender, add=False)


def _member(sock: socket.socket, address: str, interface: str, sender: str, *, add: bool) -> None:
    index = _index(interface)
    group = ipaddress.ip_address(address)
    if group.version == 6:
        option = socket.IPV6_JOIN_GROUP if add else socket.IPV6_LEAVE_GROUP
        sock.setsockopt(socket.IPPROTO_IPV6, option, group.packed + struct.pack("@I", index))
    elif sender and group in SOURCE_SPECIFIC:  # struct ip_mreq_source: group, interface, source
        ours = _address_of(interface)
        option = IP_ADD_SOURCE_MEMBERSHIP if add else IP_ADD_SOURCE_MEMBERSHIP + 1
        sock.setsockopt(socket.IPPROTO_IP, option, group.packed + ours + ipaddress.ip_address(sender).packed)
    else:  # struct ip_mreqn
        option = socket.IP_ADD_MEMBERSHIP if add else socket.IP_DROP_MEMBERSHIP
        sock.setsockopt(socket.IPPROTO_IP, option, struct.pack("@4s4si", group.packed, bytes(4), index))


def _index(interface: str) -> int:
    """The interface's number, 0 for "". Raises OSError where there is none of that name."""
    return socket.if_nametoindex(interface) if interface else 0


def _address_of(interface: str) -> bytes:
    """The interface's first IPv4 address, all zeros for ""."""
    if not interface:
        return bytes(4)
    for adapter in ifaddr.get_adapters():
        if adapter.name == interface or adapter.nice_name == interface:
            for ip in adapter.ips:
                if isinstance(ip.ip, str):
                    return ipaddress.ip_address(ip.ip).packed
    raise OSError(errno.EADDRNOTAVAIL, f"{interface} has no IPv4 address")
