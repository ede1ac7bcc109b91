"""What STUN and TURN clients are told and tell, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from voipnode.media.values import Addr

RTP, RTCP = 1, 2  # components of a stream (RFC 8445 §4)
Transport: TypeAlias = Literal["UDP", "TCP", "TLS"]
Tokens: TypeAlias = Callable[[int], int]  # so many random bits, as a number


@dataclass(frozen=True, slots=True)
class Server:
    """A STUN or TURN server whose address is known.

    `name` is the host as it was set: a TLS server must prove it. With a `username` it is asked for relays; without,
    only for how it sees us (by UDP). `profile` names the TLS settings of its connections.
    """

    address: Addr
    transport: Transport = "UDP"
    name: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    profile: str = ""

    @property
    def relays(self) -> bool:
        return bool(self.username)

    def __str__(self) -> str:
        host, port = self.address
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        where = shown if self.name in ("", host) else f"{self.name} ({shown})"
        return f"the {'TURN' if self.relays else 'STUN'} server {where} by {self.transport}"


class Way(NamedTuple):
    """How a server is spoken with: from the RTP or RTCP socket, or over a numbered connection."""

    server: Server
    component: int
    stream: int | None = None

    @property
    def reliable(self) -> bool:
        return self.stream is not None


class Gathered(NamedTuple):
    """An address at which a component can be reached: as a router maps it ("srflx"), or at a relay ("relay").

    `base` is the local address that it leads to; of a relay it is what the server sees of us, its related address.
    """

    kind: Literal["srflx", "relay"]
    component: int
    address: Addr
    base: Addr
    server: Server
