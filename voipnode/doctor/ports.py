"""Which ports the node wants, and who has them."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import NamedTuple

from voipnode.doctor.findings import Case, Finding, good, note, problem, warning
from voipnode.doctor.port_owner import Owner, owner_of
from voipnode.doctor.threads import in_thread
from voipnode.net.rtp_ports import bind_pair
from voipnode.settings import NodeSettings

RTP_LOOK = 64  # pairs that are tried at most
_KINDS = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}


class Wanted(NamedTuple):
    """One port of the settings: `setting` is its name there."""

    setting: str
    transport: str
    host: str
    port: int


def wanted_ports(settings: NodeSettings) -> Iterator[Wanted]:
    """The ports that a node with these settings listens on, but for RTP."""
    sip = settings.sip
    if sip.enabled:
        for host in sip.hosts:
            yield Wanted("sip.port", "udp", host, sip.port)
            yield Wanted("sip.port", "tcp", host, sip.port)
            if sip.tls.enabled:
                yield Wanted("sip.tls.port", "tcp", host, sip.tls.port)
            if sip.websocket.enabled:
                yield Wanted("sip.websocket.port", "tcp", host, sip.websocket.port)
                yield Wanted("sip.websocket.secure_port", "tcp", host, sip.websocket.secure_port)
    if settings.web.enabled:
        yield Wanted("web.port", "tcp", settings.web.host, settings.web.port)


async def check_ports(case: Case) -> AsyncIterator[Finding]:
    """Every port that the node listens on can be had, or the running node has it."""
    free = []
    for wanted in wanted_ports(case.settings):
        number = _try(wanted)
        if number is None:
            free.append(wanted)
        elif number == errno.EADDRINUSE:
            yield _taken(wanted, await in_thread(partial(owner_of, wanted.transport, wanted.port)))
        elif number == errno.EADDRNOTAVAIL:
            words = f"{wanted.setting}: this machine does not have the address {wanted.host}"
            yield problem(words, 'set sip.hosts (or web.host) to an address of this machine, or "0.0.0.0" for all')
        else:
            words = f"{wanted.setting} = {wanted.port}: cannot be listened on: {errno.errorcode.get(number, number)}"
            yield problem(words, "choose a port from 1024 to 65535, and let the node's user open it")
    if free:
        shown = ", ".join(dict.fromkeys(f"{item.transport.upper()} {item.port}" for item in free))
        yield good(f"free for the node: {shown}")
    if case.settings.sip.enabled:
        yield await in_thread(lambda: _rtp(case.settings))


def _try(wanted: Wanted) -> int | None:
    """The error number of listening there, None where it works."""
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    with socket.socket(family, _KINDS[wanted.transport]) as sock:
        try:
            if wanted.transport == "tcp":  # as our listeners do: connections of before do not count
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((wanted.host, wanted.port))
            if wanted.transport == "tcp":
                sock.listen(1)
        except OSError as error:
            return error.errno
    return None


def _taken(wanted: Wanted, owner: Owner | None) -> Finding:
    where = f"{wanted.setting} = {wanted.port} ({wanted.transport.upper()})"
    if owner is not None and owner.is_node:
        return good(f"{where}: the running node has it, process {owner.pid}")
    who = str(owner) if owner is not None else "another program, which only root may see,"
    return problem(f"{where}: {who} has this port", f"stop it, or set another {wanted.setting} (1024 to 65535)")


def _rtp(settings: NodeSettings) -> Finding:
    sip = settings.sip
    tries = min(max(1, sip.max_calls), RTP_LOOK)
    first = sip.rtp_start_port + sip.rtp_start_port % 2
    taken = 0
    for number in range(tries):
        try:
            pair = bind_pair(sip.hosts[0], first + 2 * number)
        except OSError:
            taken += 1
            continue
        for sock in pair:
            sock.close()
    span = f"{first} to {first + 2 * tries - 1} (UDP)"
    if not taken:
        return good(f"free for the sound of calls: {span}")
    words = f"{taken} of {tries} pairs of ports for the sound of calls are taken: {span}"
    if taken == tries:
        return warning(words, "the node takes higher ports, which a router must then let in too; see what has them")
    return note(words, "the node takes the next ones; a call of the running node has two, too")
