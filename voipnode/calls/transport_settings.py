"""Settings of SIP over TLS and WebSocket: `[sip.tls]` and `[sip.websocket]` of voipnode.toml."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Port = Annotated[int, Field(ge=1024, le=65535)]
_ORIGIN = re.compile(r"https?://[^/\s]+", re.IGNORECASE)


class TlsSettings(BaseModel):
    """How others reach the node by TLS; how the node reaches others is each account's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Listen for SIP over TLS.")
    port: Port = Field(default=5061, description="SIP port for TLS.")
    version: Literal["auto", "1.2", "1.3"] = Field(default="auto", description='"auto": 1.2 and 1.3; never older ones.')
    certificate: str = Field(
        default="",
        description="PEM file with the certificate, its chain behind it; empty: the node makes one.",
    )
    private_key: str = Field(default="", description="PEM file with its key; empty: in the certificate's file.")
    verify_clients: Literal["no", "optional", "required"] = Field(
        default="no", description="Ask those who connect for a certificate; a wrong one is refused."
    )
    client_ca: str = Field(default="", description="PEM file of the authorities that sign clients' certificates.")
    key_log: str = Field(
        default="",
        description="For captures in a laboratory: write the secrets of all TLS connections, and of the DTLS handshakes"
        " that calls' keys come from, to this file. Whoever has it reads and hears the calls.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.private_key and not self.certificate:
            raise ValueError("private_key needs the certificate that it belongs to: set certificate too")
        if self.verify_clients != "no" and not self.client_ca:
            raise ValueError("verify_clients needs client_ca: the authorities that sign clients' certificates")
        return self


def _origin(text: str) -> str:
    if text != "*" and not _ORIGIN.fullmatch(text.rstrip("/")):
        raise ValueError(f'"{text}": write scheme and host of the page, like "https://pbx.example.com", or "*" for all')
    return text


class WebSocketSettings(BaseModel):
    """SIP over WebSocket (RFC 7118), for telephones in browsers. WSS shows the certificate of [sip.tls]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=False, description="Listen for SIP over WebSocket.")
    port: Port = Field(default=5066, description="Port for ws://.")
    secure_port: Port = Field(default=5067, description="Port for wss://.")
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        default=(),
        max_length=32,
        description="Web pages that may connect beside those that this address itself serves; telephones always may.",
    )


def check_ports(sip_port: int, tls: TlsSettings, websocket: WebSocketSettings) -> None:
    """Raise ValueError where two of the ports that are listened on are the same."""
    ports = {"sip.port": sip_port}
    if tls.enabled:
        ports["sip.tls.port"] = tls.port
    if websocket.enabled:
        ports |= {"sip.websocket.port": websocket.port, "sip.websocket.secure_port": websocket.secure_port}
    taken: dict[int, str] = {}
    for name, port in ports.items():
        if port in taken:
            raise ValueError(f"{name} = {port}: this is {taken[port]} too; each needs a port of its own")
        taken[port] = name
