"""Settings of the accounts: `[[accounts]]` of voipnode.toml."""

from __future__ import annotations

from itertools import count
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from voipnode.calls.sound_wishes import SoundWishes, Wish
from voipnode.media.formats import codec_names
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.uri import SipUri, parse_uri

MediaEncryption = Literal["none", "best_effort", "mandatory"]
ENCRYPTIONS: tuple[MediaEncryption, ...] = ("none", "best_effort", "mandatory")  # from lax to strict
Transport = Literal["udp", "tcp", "tls", "ws", "wss", "auto"]
DigitRoad = Literal["rtp", "info", "inband"]
_STREAMS = ("tcp", "tls", "ws", "wss")


def server_uri(text: str) -> SipUri:
    """A server as the settings name it ("pbx.example.com", "192.0.2.5:5070", "[2001:db8::5]") as a URI without user.

    Raises ValueError that says what would be right.
    """
    try:
        uri = parse_uri(f"sip:{text}")
    except ParseError:
        uri = None
    if not isinstance(uri, SipUri) or uri.user is not None or uri.params or uri.headers:
        raise ValueError(
            f'"{text}" is no server; write its name or address, with a port where it is not the usual one, for example'
            " pbx.example.com, 192.168.1.5:5070 or [2001:db8::5]"
        )
    return uri


def _server(text: str) -> str:
    if text:
        server_uri(text)
    return text


def _plain(text: str) -> str:
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise ValueError("must be one line of text, without control characters")
    return text


def plain_secret(secret: SecretStr) -> SecretStr:
    """One line of text. Raises ValueError."""
    _plain(secret.get_secret_value())
    return secret


def each_once(value: tuple[str, ...], what: str) -> tuple[str, ...]:
    """The list itself. Raises ValueError where something is in it twice."""
    if len(set(value)) != len(value):
        raise ValueError(f"each {what} may stand in the list once")
    return value


def known_codecs(value: tuple[str, ...]) -> tuple[str, ...]:
    """The codecs of a list, spelt as they are called. Raises ValueError for what is none, or there twice."""
    known = {name.lower(): name for name in codec_names()}
    for name in value:
        if name.lower() not in known:
            raise ValueError(f'"{name}" is no codec that there is; there are {", ".join(known.values())}')
    each_once(tuple(name.lower() for name in value), "codec")
    return tuple(known[name.lower()] for name in value)


Server = Annotated[str, Field(max_length=255), AfterValidator(_server)]
Line = Annotated[str, Field(max_length=128), AfterValidator(_plain)]
Secret = Annotated[SecretStr, Field(max_length=128), AfterValidator(plain_secret)]


class SecondarySettings(BaseModel):
    """The server that serves while the first one does not; an empty name means the account's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    registrar: Server = Field(default="", description="Server to register at; empty: the secondary domain.")
    domain: Server = Field(
        default="", validate_default=True, description="Public domain there; empty: the account's own domain."
    )

    @field_validator("domain")
    @classmethod
    def _somewhere(cls, value: str, info: ValidationInfo) -> str:
        if not value and not info.data.get("registrar"):
            raise ValueError("a secondary server needs a registrar or a domain, for example pbx2.example.com")
        return value


class ProxySettings(BaseModel):
    """A proxy between the node and its registrar."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Server = Field(min_length=1, description="Name or address, with a port where it is not the usual one.")
    user: Line = Field(default="", description="User name, where the proxy asks for one of its own.")
    password: Secret = Field(default=SecretStr(""), description="Password for the proxy.")
    realm: Line = Field(
        default="", description="Realm that it asks in; empty: whichever refuses the account's password."
    )


class AccountSettings(BaseModel):
    """One identity of the node.

    A peer-to-peer account registers nowhere: it is called by address. A registered one is a user of a telephone system
    (PBX): it is reached through the servers named here, and calls through them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="Peer to peer (default)", min_length=1, max_length=64)
    type: Literal["peer_to_peer", "registered"] = "peer_to_peer"
    active: bool = True
    default: bool = Field(default=False, description="Used for calls that name no account; exactly one account is.")
    user_id: str = Field(default="door", pattern=r"^[A-Za-z0-9._~+*!-]{1,64}$", description="The part before the @.")
    caller_id: Line = Field(default="", max_length=64, description="Display name that phones show.")
    transport: Transport = Field(default="udp", description='"auto": what DNS says of the server (RFC 3263).')
    auto_answer: bool = Field(default=False, description="Answer incoming calls by itself; otherwise they ring.")
    page_auto_answer: bool = Field(
        default=True,
        description="Answer calls that ask for it by itself (paging: Answer-Mode, Call-Info, Alert-Info), where they"
        " come from a server of the account or from a trusted caller; strangers never listen in.",
    )
    incoming: Line = Field(
        default="door",
        max_length=64,
        description="Whom calls from its server reach: \"door\", an extension's number or a group's name.",
    )
    message_waiting: bool = Field(
        default=False, description="Ask the server to tell what waits in the mailbox of the account (RFC 3842)."
    )
    prefer_ipv6: bool = Field(default=False, description="Try IPv6 first where a name has both kinds of addresses.")

    domain: Server = Field(default="", description="Public domain, the part after the @; empty: the registrar.")
    registrar: Server = Field(default="", description="Server to register at; empty: the domain.")
    auth_id: Line = Field(default="", description="User name for the password; empty: the user id.")
    password: Secret = Field(default=SecretStr(""), description="Never shown again, neither by the API nor in logs.")
    secondary: SecondarySettings | None = Field(default=None, description="Used while the first server fails.")
    proxies: tuple[ProxySettings, ...] = Field(
        default=(), max_length=8, description="Passed in this order on the way to the registrar."
    )
    websocket_path: str = Field(
        default="/",
        max_length=255,
        pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*$",
        description='WebSocket only: the path at the server; Asterisk wants "/ws".',
    )
    sips: bool = Field(default=False, description="Be sips:user@domain and demand TLS on every hop.")
    tls_version: Literal["auto", "1.2", "1.3"] = Field(default="auto", description="TLS only.")
    verify_server: bool = Field(default=True, description="TLS only: refuse servers without a valid certificate.")
    certificate: str = Field(default="", description="TLS only: PEM file with a client certificate.")
    private_key: str = Field(default="", description="TLS only: PEM file with its key.")
    ca: str = Field(default="", description="TLS only: PEM file of the authorities to trust; empty: the system's.")

    registration_interval_s: int | None = Field(
        default=None, ge=10, le=86_400, description="Validity to ask for; empty: sip.registration_interval_s."
    )
    keep_alive_interval_s: float = Field(
        default=5.0, ge=1, le=3600, description="Ask this often, between registrations, whether the server lives."
    )
    response_timeout_s: float = Field(
        default=4.0, ge=0.5, le=32, description="A server that has not answered for this long counts as dead."
    )
    no_answer_s: float = Field(
        default=4.0, ge=0.5, le=32, description="A call that a server does not react to goes to the next one."
    )
    failback_s: int | None = Field(
        default=None, ge=1, le=86_400, description="Return to the first server after this; empty: sip.failback_s."
    )
    max_retransmissions: int | None = Field(
        default=None, ge=0, le=10, description="Unanswered repetitions until a server counts as dead; empty: sip's."
    )
    outbound: Literal["auto", "on", "off"] = Field(
        default="auto", description="Keep one flow to the server for both directions (RFC 5626); auto: not over UDP."
    )
    privacy: bool = Field(default=False, description="Call anonymously; only the server learns who calls (RFC 3323).")
    identity_header: Literal["none", "preferred", "asserted"] = Field(
        default="none", description="Name the account in P-Preferred-Identity or P-Asserted-Identity (RFC 3325)."
    )

    media_encryption: MediaEncryption = Field(
        default="none",
        description='SRTP: "none"; "best_effort": where the far side does it too, else in the clear; "mandatory": no'
        " call without. Of all active peer-to-peer accounts the strictest holds for each.",
    )
    media_keying: tuple[Literal["sdes", "dtls"], ...] = Field(
        default=("sdes", "dtls"),
        min_length=1,
        description="How keys are agreed on, preferred first: in the signalling (SDES) or by a handshake (DTLS).",
    )
    sdes_in_clear_signalling: bool = Field(
        default=False,
        description="Give and take SDES keys over UDP and TCP too: whoever reads the signalling can then listen.",
    )

    audio_direction: Literal["both", "send", "receive", "none"] = "both"
    audio_codecs: tuple[str, ...] = Field(
        default=("opus", "G722", "PCMU", "PCMA"),
        min_length=1,
        description="Codecs in order of preference; who is called decides. There are: "
        + ", ".join(codec_names())
        + ".",
    )
    echo_cancellation: Wish = Field(
        default="device",
        description='Of the door\'s microphone, in calls of this account: "device" is as [audio] says. While calls of'
        " several accounts share it, it is on where one of them has it on.",
    )
    noise_cancellation: Wish = Field(default="device", description="As echo_cancellation.")
    automatic_gain_control: Wish = Field(default="device", description="As echo_cancellation.")
    comfort_noise: bool = Field(
        default=False,
        description="Send nothing in pauses but what their noise is like, where the far side takes that (RFC 3389), and"
        " let it do so too: saves half of the bandwidth, and costs the beginnings of soft words.",
    )
    ptime_ms: Literal[10, 20, 30, 40, 50, 60] = 20
    dtmf_rtp: bool = Field(default=True, description="Digits as RTP telephone events (RFC 4733).")
    dtmf_info: bool = Field(default=True, description="Digits by SIP INFO (application/dtmf-relay, application/dtmf).")
    dtmf_inband: bool = Field(
        default=False,
        description="Digits as tones in the sound. Off, since whoever can play a tone near the far side's microphone"
        " presses its keys; for lines that carry nothing else.",
    )
    dtmf_send_order: tuple[DigitRoad, ...] = Field(
        default=("rtp", "info", "inband"),
        min_length=1,
        description="By which road digits are sent: the first that is on here and that the far side takes.",
    )

    _id: str = PrivateAttr("")

    @property
    def id(self) -> str:
        """The name, or "name#2" for the second one of it: names are for people and need not differ."""
        return self._id or self.name

    def numbered(self, account_id: str) -> AccountSettings:
        """A copy with that id."""
        copy = self.model_copy()
        copy._id = account_id
        return copy

    @property
    def sound_wishes(self) -> SoundWishes:
        """What it wants of the door's sound."""
        return SoundWishes(self.echo_cancellation, self.noise_cancellation, self.automatic_gain_control)

    @property
    def registered(self) -> bool:
        """Whether the account is a user of a server, not whether that works now."""
        return self.type == "registered"

    @property
    def wire_transport(self) -> str:
        """The transport to locate servers by; "" leaves it to DNS. `sips` forces TLS (RFC 3261 §26.2)."""
        if self.sips and self.transport not in ("tls", "wss"):
            return "TLS"
        return "" if self.transport == "auto" else self.transport.upper()

    @property
    def keeps_flow(self) -> bool:
        """Whether the registration asks for outbound flows (RFC 5626)."""
        return self.outbound == "on" or (self.outbound == "auto" and (self.sips or self.transport in _STREAMS))

    @field_validator("dtmf_send_order")
    @classmethod
    def _roads(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(value, "road")

    @field_validator("audio_codecs")
    @classmethod
    def _codecs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return known_codecs(value)

    @field_validator("media_keying")
    @classmethod
    def _keying(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(value, "way")

    @field_validator("sdes_in_clear_signalling")
    @classmethod
    def _keys_in_confidence(cls, value: bool, info: ValidationInfo) -> bool:
        """An account whose every call would fail, or would never be encrypted, is a mistake."""
        given = info.data
        if given.get("media_encryption", "none") == "none" or value or "dtls" in given.get("media_keying", ("dtls",)):
            return value
        if (
            given.get("type") == "registered"
            and not given.get("sips")
            and given.get("transport") in ("udp", "tcp", "ws")
        ):
            raise ValueError(
                f'media_keying = ["sdes"] would send the keys over {given["transport"]} for everybody to read; write'
                ' transport = "tls", or add "dtls" to media_keying, or sdes_in_clear_signalling = true for a laboratory'
            )
        return value

    @field_validator("domain", "registrar", "auth_id", "password", "secondary", "proxies")
    @classmethod
    def _of_registered_ones(cls, value: object, info: ValidationInfo) -> object:
        """Whoever writes a registrar and forgets the type would wonder why nothing registers."""
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        if given and info.data.get("type") == "peer_to_peer":
            raise ValueError('a peer-to-peer account registers nowhere; write type = "registered" to use this')
        return value

    @field_validator("private_key")
    @classmethod
    def _key_for_certificate(cls, value: str, info: ValidationInfo) -> str:
        if value and not info.data.get("certificate"):
            raise ValueError("a key without its certificate is of no use; name the certificate's file too")
        return value


def complete_accounts(accounts: tuple[AccountSettings, ...]) -> tuple[AccountSettings, ...]:
    """The accounts, each with an id of its own and exactly one of them the default, which is active; the automatic
    peer-to-peer one is added where none is left.

    Raises ValueError when two accounts are marked as default, or one that is not active.
    """
    defaults = [account for account in accounts if account.default]
    if len(defaults) > 1:
        names = ", ".join(account.name for account in defaults)
        raise ValueError(f"exactly one account can be the default, not {len(defaults)}: {names}")
    if defaults and not defaults[0].active:
        raise ValueError(f'"{defaults[0].name}" is the default and not active; make an active account the default')
    accounts = _strictest(accounts)
    if defaults:
        return _with_ids(accounts)
    first = next((index for index, account in enumerate(accounts) if account.active), None)
    if first is None:
        return _with_ids((*accounts, AccountSettings(default=True)))
    chosen = accounts[first].model_copy(update={"default": True})
    return _with_ids((*accounts[:first], chosen, *accounts[first + 1 :]))


def _strictest(accounts: tuple[AccountSettings, ...]) -> tuple[AccountSettings, ...]:
    """Calls from address to address reach whichever of these accounts there is, so the strictest holds for all."""
    wishes = [each.media_encryption for each in accounts if each.active and not each.registered]
    strictest = max(wishes, key=ENCRYPTIONS.index, default="none")
    return tuple(
        each if each.registered or not each.active else each.model_copy(update={"media_encryption": strictest})
        for each in accounts
    )


def _with_ids(accounts: tuple[AccountSettings, ...]) -> tuple[AccountSettings, ...]:
    """The first of a name has it for its id, the second one is "name#2", by their order in the file."""
    taken = {account.name for account in accounts}
    found: list[AccountSettings] = []
    for account in accounts:
        if account.name not in {each.name for each in found}:
            found.append(account.numbered(account.name))
            continue
        number = next(number for number in count(2) if f"{account.name}#{number}" not in taken)
        taken.add(f"{account.name}#{number}")
        found.append(account.numbered(f"{account.name}#{number}"))
    return tuple(found)
