"""Settings of the network under SIP: `[sip.dns]`, `[sip.nat]` and `[sip.qos]` of voipnode.toml."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from voipnode.sipstack.config import PRIVATE_NETWORKS

DNS_PORT = 53


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("an address or network is needed, for example 192.168.1.0/24 or 192.168.1.20") from None
    return text


Network = Annotated[str, AfterValidator(_network)]

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<four>[^:\[\]]+))(?::(?P<port>\d{1,5}))?")


def split_address(text: str, default_port: int) -> tuple[str, int]:
    """An IP address and a port from "192.0.2.1", "192.0.2.1:8053", "::1" or "[::1]:8053"; ValueError for others."""
    match = _ADDRESS.fullmatch(text)
    host = text if match is None else match["six"] or match["four"]
    port = int(match["port"]) if match is not None and match["port"] else None
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f'"{text}": write an IP address, like 192.168.1.1 or [2001:db8::1]:53') from None
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f'"{text}": a port is 1 to 65535')
    return host, default_port if port is None else port


def _address(text: str) -> str:
    split_address(text, 0)
    return text


AddressText = Annotated[str, AfterValidator(_address)]


class DnsSettings(BaseModel):
    """Who is asked where names lead (RFC 3263)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: tuple[AddressText, ...] = Field(
        default=(),
        max_length=8,
        description='DNS servers, each "address" or "address:port"; empty: those of the system, and its other ways.',
    )
    timeout_s: float = Field(
        default=2.0, ge=0.5, le=4.0, description="Give up a question that no server answers; a call asks two or three."
    )

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """The servers, each with its port."""
        return tuple(split_address(server, DNS_PORT) for server in self.servers)


class NatSettings(BaseModel):
    """What the node says about its own address to peers beyond a router.

    The names say what is done: on, the local address is kept; off, the address that others see takes its place, which
    is the one set here, or else the one that a server reports (RFC 3581).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_local_via: bool = Field(default=False, description="Write the local address into Via, whatever others see.")
    keep_local_contact: bool = Field(default=False, description="The same for Contact, so for where calls come to.")
    public_address: AddressText | None = Field(
        default=None,
        description='The router\'s address, "address" or "address:port", for peers that are not in local_networks; it'
        " stands in SDP too, so the router has to forward the RTP ports with the SIP port.",
    )
    local_networks: tuple[Network, ...] = Field(
        default=PRIVATE_NETWORKS,
        description="Who is on this side of the router: told our own address, and called without STUN or TURN where"
        " there is no ICE.",
    )
    gather_timeout_s: float = Field(
        default=1.0, ge=0.1, le=10.0, description="A call waits at most this long for STUN and TURN servers."
    )

    @property
    def public(self) -> tuple[str, int] | None:
        """The address set by hand; port 0 where it is the node's own."""
        return None if self.public_address is None else split_address(self.public_address, 0)


class QosSettings(BaseModel):
    """What goes first: how packets are marked for routers and switches (DSCP, RFC 2474; 0: not at all), and whether the
    node runs before other programs; and whether the quality of calls is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signalling_dscp: int = Field(default=24, ge=0, le=63, description="SIP: 24 is CS3, 26 AF31, 40 CS5.")
    media_dscp: int = Field(default=46, ge=0, le=63, description="RTP and RTCP: 46 is EF, expedited forwarding.")
    real_time: bool = Field(
        default=False,
        description="Run before all ordinary programs of this machine, where it is shared with others that are busy;"
        " needs root, CAP_SYS_NICE or LimitRTPRIO.",
    )
    voip_metrics: bool = Field(
        default=True, description="Tell phones and servers that ask for it how the call is heard here (RTCP XR)."
    )
