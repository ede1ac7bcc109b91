"""Settings of the network under SIP: `[sip.dns]` of voipnode.toml."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_SERVER = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<four>[^:\[\]]+))(?::(?P<port>\d{1,5}))?")
DNS_PORT = 53


def split_server(text: str) -> tuple[str, int]:
    """An IP address and port from "192.168.1.1", "192.168.1.1:8053", "::1" or "[::1]:8053"; ValueError for others."""
    match = _SERVER.fullmatch(text)
    host = text if match is None else match["six"] or match["four"]
    port = int(match["port"]) if match is not None and match["port"] else DNS_PORT
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f'"{text}": write an IP address, like 192.168.1.1 or [2001:db8::1]:53') from None
    if not 1 <= port <= 65535:
        raise ValueError(f'"{text}": a port is 1 to 65535')
    return host, port


def _server(text: str) -> str:
    split_server(text)
    return text


class DnsSettings(BaseModel):
    """Who is asked where names lead (RFC 3263)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: tuple[Annotated[str, AfterValidator(_server)], ...] = Field(
        default=(),
        max_length=8,
        description='DNS servers, each "address" or "address:port"; empty: those of the system, and its other ways.',
    )
    timeout_s: float = Field(
        default=2.0, ge=0.5, le=4.0, description="Give up a question that no server answers; a call asks two or three."
    )
