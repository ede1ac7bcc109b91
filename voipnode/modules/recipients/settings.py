"""Settings of recipients: `[[recipients]]` of voipnode.toml."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

MAX_RECIPIENTS = 20
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
Host = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S+$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Mailbox = Annotated[str, Field(pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$", max_length=254)]


class _Recipient(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64, description="Its name in rules; no other has it.")
    timeout_s: float = Field(default=10.0, ge=1, le=120, description="For one try.")
    give_up_after_s: float = Field(
        default=86_400.0, ge=0, le=30 * 86_400, description="A message that cannot be delivered for so long is dropped."
    )


class HttpRecipient(_Recipient):
    """A web server: a webhook. Any answer from 200 to 299 is a delivery."""

    kind: Literal["http"]
    url: str = Field(max_length=2048, pattern=r"^https?://\S+$")
    method: Literal["POST", "PUT", "GET"] = "POST"
    body: str = Field(default="", max_length=16_000, description="A template; empty: JSON with all there is to tell.")
    content_type: str = Field(default="", max_length=128, description="Of the body; empty: application/json.")
    headers: dict[str, str] = Field(default={}, max_length=20, description="Further fields.")
    username: str = Field(default="", max_length=255)
    password: SecretStr = SecretStr("")
    login: Literal["basic", "digest"] = "basic"
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="With it, X-Voipnode-Signature holds t=<seconds>,sha256=<HMAC of 't.body'>: so the server knows who"
        " tells it.",
    )
    proxy: str = Field(default="", max_length=255, description="http://host:port")
    verify: bool = Field(default=True, description="Prove the server's certificate.")
    ca: str = Field(default="", max_length=1024, description="Authority's certificates (PEM); empty: the system's.")

    @model_validator(mode="after")
    def _headers(self) -> Self:
        for name, value in self.headers.items():
            if not _HEADER.fullmatch(name) or "\r" in value or "\n" in value:
                raise ValueError(f'headers: "{name}" is no field of HTTP (RFC 9110 §5.1), or its value has line ends')
        return self


class MailRecipient(_Recipient):
    """People, by e-mail over SMTP."""

    kind: Literal["email"]
    to: tuple[Mailbox, ...] = Field(min_length=1, max_length=20)
    sender: Mailbox
    host: Host = Field(description="The SMTP server.")
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="tls is for port 465; none sends all of it, passwords too, in the clear."
    )
    verify: bool = Field(default=True, description="Prove the server's certificate.")
    ca: str = Field(default="", max_length=1024, description="Authority's certificates (PEM); empty: the system's.")
    username: str = Field(default="", max_length=255)
    password: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _secrets(self) -> Self:
        if self.password.get_secret_value() and self.security == "none":
            raise ValueError('security = "none" would send the password in the clear; use "starttls" or "tls"')
        return self


class TcpRecipient(_Recipient):
    """A program that reads lines of text from a TCP connection."""

    kind: Literal["tcp"]
    host: Host
    port: Port


class SyslogRecipient(_Recipient):
    """A collector of logs (RFC 5424, or the form of old, RFC 3164)."""

    kind: Literal["syslog"]
    host: Host
    port: Port | None = Field(default=None, description="514, with tls 6514 unless set.")
    transport: Literal["udp", "tcp", "tls"] = "udp"
    format: Literal["rfc5424", "rfc3164"] = "rfc5424"
    facility: int = Field(default=10, ge=0, le=23, description="10: security (RFC 5424 §6.2.1).")
    verify: bool = Field(default=True, description="Prove the server's certificate.")
    ca: str = Field(default="", max_length=1024, description="Authority's certificates (PEM); empty: the system's.")


Recipient = Annotated[HttpRecipient | MailRecipient | TcpRecipient | SyslogRecipient, Field(discriminator="kind")]


class RecipientsSettings(BaseModel):
    """Who is told of things."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipients: tuple[Recipient, ...] = Field(default=(), max_length=MAX_RECIPIENTS)

    @model_validator(mode="after")
    def _recipients_differ(self) -> Self:
        names = [each.name for each in self.recipients]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f'the recipient name "{twice[0]}" is used twice; names must differ')
        return self
