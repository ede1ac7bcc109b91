"""Settings of recipients: `[[recipients]]` of voipnode.toml."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

MAX_RECIPIENTS = 20
SHA256_BYTES = 32
_LOGIN = re.compile(r"//[^/]*@")  # of a URL (RFC 3986 §3.2.1)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
Host = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S+$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Proxy = Annotated[str, Field(max_length=255, pattern=r"^(https?://[^\s@]+)?$")]
Mailbox = Annotated[str, Field(pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$", max_length=254)]


def host_key_fingerprint(text: str) -> str:
    """A fingerprint of a host key without its OpenSSH writing: 32 hexadecimal digits (MD5), or 43 of base64 (SHA-256).

    "MD5:" and "SHA256:" before it, colons in the former and "=" behind the latter are allowed.
    """
    kind, _, digest = text.strip().rpartition(":") if "SHA256" in text else ("", "", text.strip())
    plain = digest.removeprefix("MD5:").replace(":", "").lower()
    if not kind and re.fullmatch(r"[0-9a-f]{32}", plain):
        return plain
    stripped = digest.rstrip("=")
    try:
        if len(stripped) == 43 and len(base64.b64decode(stripped + "=", validate=True)) == SHA256_BYTES:
            return stripped
    except binascii.Error:
        pass
    raise ValueError(
        "this is no fingerprint of a host key: 32 hexadecimal digits (MD5) or 43 of base64 (SHA-256), as"
        " `ssh-keyscan HOST | ssh-keygen -lf -` shows them"
    )


def _listed(value: Any) -> Any:
    """Addresses between commas, as one writes them."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


HostKey = Annotated[str, AfterValidator(host_key_fingerprint)]


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
    body: str = Field(
        default="",
        max_length=16_000,
        description="A template, its values escaped for content_type; empty: JSON with all there is.",
    )
    content_type: str = Field(default="", max_length=128, description="Of the body; empty: application/json.")
    headers: dict[str, SecretStr] = Field(default={}, max_length=20, description="Further fields.")
    username: str = Field(default="", max_length=255)
    password: SecretStr = SecretStr("")
    login: Literal["basic", "digest"] = "basic"
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="With it, X-Voipnode-Signature holds t=<seconds>,sha256=<HMAC of 't.body'>: so the server knows who"
        " tells it.",
    )
    proxy: Proxy = Field(default="", description="http://host:port of a proxy to go through.")
    proxy_username: str = Field(default="", max_length=255)
    proxy_password: SecretStr = SecretStr("")
    verify: bool = Field(default=True, description="Prove the server's certificate.")
    ca: str = Field(default="", max_length=1024, description="Authority's certificates (PEM); empty: the system's.")

    @model_validator(mode="after")
    def _headers(self) -> Self:
        for name, value in self.headers.items():
            if not _HEADER.fullmatch(name) or any(sign in value.get_secret_value() for sign in "\r\n"):
                raise ValueError(f'headers: "{name}" is no field of HTTP (RFC 9110 §5.1), or its value has line ends')
        return self


class MailRecipient(_Recipient):
    """People, by e-mail over SMTP."""

    kind: Literal["email"]
    to: Annotated[tuple[Mailbox, ...], BeforeValidator(_listed)] = Field(
        min_length=1, max_length=20, description="Up to 20 addresses; as one text, with commas between them."
    )
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
    pop_host: str = Field(
        default="",
        max_length=255,
        pattern=r"^\S*$",
        description="A POP server that wants a login before the SMTP server takes mail; by TLS (RFC 8314).",
    )
    pop_port: Port = 995

    @model_validator(mode="after")
    def _secrets(self) -> Self:
        if self.password.get_secret_value() and self.security == "none":
            raise ValueError('security = "none" would send the password in the clear; use "starttls" or "tls"')
        if self.pop_host and not self.username:
            raise ValueError(f'pop_host = "{self.pop_host}": a username is needed to log in there')
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


class _FileRecipient(_Recipient):
    """Where files are put: what a message carries, or without that its text."""

    file_name: str = Field(
        default="%Y%m%d_%H%M%S_{number}",
        min_length=1,
        max_length=128,
        description="A template without suffix. %Y %m %d %H %M %S are the date and time; {number} is never given twice:"
        " without it a file takes the place of the one before.",
    )


class FtpRecipient(_FileRecipient):
    """A server for files over FTP; what is sent, the password too, goes in the clear."""

    kind: Literal["ftp"]
    host: Host
    port: Port = 21
    folder: str = Field(default="", max_length=255, pattern=r"^[^\r\n\x00]*$", description="It must be there.")
    username: str = Field(default="", max_length=255, pattern=r"^[^\r\n\x00]*$", description="Empty: anonymous.")
    password: SecretStr = SecretStr("")
    use_temporary_name: bool = Field(default=True, description="A file has its name only when it is whole.")


class SftpRecipient(_FileRecipient):
    """A server for files over SSH."""

    kind: Literal["sftp"]
    host: Host
    port: Port = 22
    host_key: HostKey = Field(
        description="Fingerprint of the server's key: 43 digits of base64 (SHA-256), or 32 hexadecimal ones (MD5)."
    )
    folder: str = Field(default="", max_length=255, pattern=r"^[^\x00]*$", description="It must be there.")
    username: str = Field(min_length=1, max_length=255)
    password: SecretStr = SecretStr("")
    key_file: str = Field(default="", max_length=1024, description="Our private key, where no password is used.")
    key_passphrase: SecretStr = SecretStr("")
    use_temporary_name: bool = Field(default=True, description="A file has its name only when it is whole.")


class FolderRecipient(_FileRecipient):
    """A folder of this machine, such as a share of the network that is mounted there."""

    kind: Literal["folder"]
    path: str = Field(max_length=1024, pattern=r"^/[^\x00]*$", description="Absolute.")
    must_be_mounted: bool = Field(
        default=True, description="Without its share mounted, nothing is written to the disk below it."
    )
    max_mb: int = Field(default=1000, ge=1, le=1_000_000, description="The folder's files never take more.")
    keep_free_mb: int = Field(default=100, ge=0, le=1_000_000, description="What stays free of the share or disk.")


class CallRecipient(_Recipient):
    """Somebody who is called. It is delivered when the call is answered."""

    kind: Literal["call"]
    to: str = Field(
        min_length=1,
        max_length=255,
        description='A SIP address, a number, a contact or group; "vms": clients by HTTP.',
    )
    account: str = Field(default="", max_length=64, description="To call from; empty: the default one.")
    answered_clip: str = Field(default="", max_length=64, description="Played to whoever answers; then it is hung up.")
    repeat: int = Field(default=0, ge=0, le=10, description="How often more than once it is played.")
    timeout_s: float = Field(default=45.0, ge=1, le=120, description="It rings for so long.")
    give_up_after_s: float = Field(
        default=600.0, ge=0, le=30 * 86_400, description="Who has not answered after so long is called no more."
    )


Recipient = Annotated[
    HttpRecipient
    | MailRecipient
    | TcpRecipient
    | SyslogRecipient
    | FtpRecipient
    | SftpRecipient
    | FolderRecipient
    | CallRecipient,
    Field(discriminator="kind"),
]


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


def where(recipient: Recipient) -> str:
    """Who or what it is that is told, for lists."""
    match recipient:
        case HttpRecipient():
            return _LOGIN.sub("//", recipient.url.partition("?")[0])  # both may hold a key
        case MailRecipient():
            return ", ".join(recipient.to)
        case FolderRecipient():
            return recipient.path
        case CallRecipient():
            return recipient.to
        case SyslogRecipient():
            return f"{recipient.host} by {recipient.transport.upper()}"
        case _:
            return f"{recipient.host}:{recipient.port}"


def broken_recipients(
    recipients: tuple[Recipient, ...], accounts: Collection[str]
) -> Iterator[tuple[tuple[str | int, ...], Any, str]]:
    """What recipients name and there is not: place, value, what would be right."""
    for index, each in enumerate(recipients):
        if isinstance(each, CallRecipient) and each.account and each.account not in accounts:
            there = ", ".join(f'"{name}"' for name in sorted(accounts))
            yield ("recipients", index, "account"), each.account, f"there is no such account; there is {there}"
