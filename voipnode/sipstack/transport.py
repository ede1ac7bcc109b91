"""Where bytes come from and go to, as plain values: the stack names addresses, `net` owns the sockets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Address(NamedTuple):
    """An IP address or host name without brackets, and a port (0 to 65535; 0 means "to be looked up")."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


@dataclass(frozen=True, slots=True)
class Hop:
    """One end of a path to a peer: the transport, the peer's address, and the connection where there is one.

    `transport` is "UDP", "TCP", "TLS", "WS" or "WSS". `connection` is the number `net` gave to a stream connection;
    None for UDP, and None on an outgoing packet that may use any open connection to `remote` or open a new one.
    `domain`: the name that the peer's certificate must carry, which is the one that was asked for and not what DNS made
    of it (RFC 5922 §4); "" where `remote` itself is all that is known. `profile` names the settings (TLS:
    client certificate, versions, verification; WebSocket: path) of a connection to be opened; "" are the node's own.
    """

    transport: str
    remote: Address
    connection: int | None = None
    domain: str = ""
    profile: str = ""

    @property
    def reliable(self) -> bool:
        """True where the transport repeats lost data by itself, so that no timer has to."""
        return self.transport != "UDP"

    def same_place(self, other: Hop) -> bool:
        """Whether both lead to the same address by the same transport, over whatever connection."""
        return (self.transport, self.remote) == (other.transport, other.remote)

    @property
    def secure(self) -> bool:
        """True where TLS protects the path."""
        return self.transport in ("TLS", "WSS")


@dataclass(frozen=True, slots=True)
class Packet:
    """One SIP message on its way out. `transaction` names who wants to hear when sending fails ("" = nobody)."""

    data: bytes
    hop: Hop
    transaction: str = ""
