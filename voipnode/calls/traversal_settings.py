"""Settings of what helps through routers: `[sip.stun]`, `[[sip.turn]]` and `[sip.upnp]` of voipnode.toml."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MAX_SERVERS = 4
# RFC 7064, RFC 7065: "stun:host:port", "turn:host:port?transport=tcp", "turns:host"; the scheme may be left out.
_SERVER = re.compile(
    r"(?:(?P<scheme>stuns?|turns?):)?(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9._-]+))"
    r"(?::(?P<port>\d{1,5}))?(?:\?transport=(?P<transport>udp|tcp))?",
)


class Place(NamedTuple):
    """What a server's text says: port 0 and transport "" where it says nothing."""

    scheme: str
    host: str
    port: int
    transport: str


def server_place(text: str, schemes: tuple[str, ...]) -> Place:
    """Read "host", "host:port" or a URI of one of the schemes; ValueError for others."""
    example = f'"{schemes[0]}.example.com", "192.0.2.1:3478" or "{schemes[0]}:{schemes[0]}.example.com:3478"'
    match = _SERVER.fullmatch(text)
    if match is None or (match["scheme"] or schemes[0]) not in schemes:
        raise ValueError(f'"{text}": write {example}')
    host, port = match["six"] or match["host"], int(match["port"] or 0)
    if match["six"]:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError(f'"{text}": what stands in the brackets is no IPv6 address') from None
    if match["port"] and not 1 <= port <= 65535:
        raise ValueError(f'"{text}": a port is 1 to 65535')
    if match["transport"] and (match["scheme"] or "").startswith("stun"):
        raise ValueError(f'"{text}": STUN servers are asked by UDP; leave the transport out')
    return Place(match["scheme"] or "", host, port, match["transport"] or "")


def _stun(text: str) -> str:
    server_place(text, ("stun",))
    return text


def _turn(text: str) -> str:
    server_place(text, ("turn", "turns"))
    return text


class StunSettings(BaseModel):
    """Servers that tell how the router shows our ports to the outside (RFC 8489); they see no sound."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: tuple[Annotated[str, AfterValidator(_stun)], ...] = Field(
        default=(),
        max_length=MAX_SERVERS,
        description='"stun.example.com" (its SRV records, or port 3478) or "192.0.2.1:3478"; the first to answer is'
        " believed.",
    )


class TurnSettings(BaseModel):
    """A server that lends an address outside and relays the sound to it (RFC 8656), for routers that let nothing in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: Annotated[str, AfterValidator(_turn)] = Field(
        description='"turn.example.com" (its SRV records, or port 3478, with TLS 5349), "192.0.2.1:3478" or a URI like'
        ' "turns:turn.example.com?transport=tcp".',
    )
    username: str = Field(min_length=1, max_length=508, description="The name to log in with.")
    password: str = Field(min_length=1, max_length=508, repr=False, description="Its password.")
    transport: Literal["udp", "tcp", "tls", "auto"] = Field(
        default="udp",
        description='How the server is reached; "auto" tries UDP, TCP and TLS, each a quarter of a second later.',
    )
    verify_server: bool = Field(default=True, description="TLS: the certificate must be good and for this name.")
    ca: str = Field(default="", description="TLS: PEM file of the authorities to trust; empty: the system's.")

    @model_validator(mode="after")
    def _one_transport(self) -> Self:
        place = self.place
        told = "tls" if place.scheme == "turns" else place.transport
        if place.scheme == "turns" and place.transport == "udp":
            raise ValueError("TURN by DTLS is not spoken here: write turns:... with ?transport=tcp, or without")
        if told and "transport" in self.model_fields_set and self.transport != told:
            raise ValueError(
                f'transport = "{self.transport}", but the server\'s URI says "{told}"; leave one of them out'
            )
        if self.ca and self.wanted not in ("tls", "auto"):
            raise ValueError(f'ca is of use with transport = "tls" or "auto" alone, and it is "{self.wanted}"')
        return self

    @property
    def place(self) -> Place:
        """What `server` says."""
        return server_place(self.server, ("turn", "turns"))

    @property
    def wanted(self) -> str:
        """The transport, wherever it is written: "udp", "tcp", "tls" or "auto"."""
        place = self.place
        return "tls" if place.scheme == "turns" else place.transport or self.transport


class UpnpSettings(BaseModel):
    """Asks the router to forward our ports (UPnP-IGD), where it is one that does so for whoever asks in its network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=False, description="Have the router forward the SIP port and the RTP ports.")
    lease_s: int = Field(
        default=3600,
        ge=120,
        le=86_400,
        description="For how long at a time; renewed at half of it, removed at the end.",
    )
    rtp_pairs: int = Field(default=8, ge=1, le=64, description="How many pairs of RTP and RTCP ports are forwarded.")
    timeout_s: float = Field(default=3.0, ge=0.5, le=30.0, description="Wait this long for a router to show up.")
