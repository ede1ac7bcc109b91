"""What a replay does, step by step, and what it is compared with."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from voipnode.calls.account_settings import AccountSettings, MediaEncryption
from voipnode.sipstack.challenge import split_auth
from voipnode.sipstack.message import Message, Request, Response
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri

CREDENTIALS = ("Authorization", "Proxy-Authorization")


@dataclass(frozen=True, slots=True)
class Step:
    """Base of what the player does at `at` seconds."""

    at: float


@dataclass(frozen=True, slots=True)
class FarSip(Step):
    """Bytes of the far side arrive."""

    data: bytes
    source: Hop


@dataclass(frozen=True, slots=True)
class FarMedia(Step):
    """A datagram arrives at one of the node's media ports."""

    data: bytes
    source: tuple[str, int]
    port: int


@dataclass(frozen=True, slots=True)
class Ring(Step):
    """The node placed a call, as `caller`: the address in its From field."""

    call_id: str
    target: SipUri
    hop: Hop
    caller: str


@dataclass(frozen=True, slots=True)
class Answer(Step):
    """The node answered the call of this Call-ID."""

    call_id: str


@dataclass(frozen=True, slots=True)
class HangUp(Step):
    """The node ended the call of this Call-ID."""

    call_id: str


@dataclass(frozen=True, slots=True)
class Digit(Step):
    """The node sent a digit by INFO."""

    call_id: str
    digit: str


@dataclass(frozen=True, slots=True)
class OwnRequest(Step):
    """The node sent REGISTER or OPTIONS for a registered account: by a timer, for an answer, or because it was told to.

    `number` counts those of one Call-ID, `aor` is the account's address-of-record; `removes`: it takes the binding off.
    """

    method: str
    call_id: str
    number: int
    aor: str
    server: Address
    removes: bool


@dataclass(slots=True)
class Script:
    """A capture as steps for the player, with the values that were random then.

    `codecs` are those that the node spoke of, in its order. `sent` is the node's SIP then, in words, without repeats,
    `digests` its answers to challenges; `rtp_ports` the node's RTP ports in order of use, `ice` its ICE names and
    passwords, each pair as one word, and `checks` the transactions of the checks that it sent. `accounts` are the
    registered ones as the REGISTERs show them, without passwords, `places` where their servers were, `local` what the
    node calls its own address, by transport.
    """

    node: Address
    answers_by_itself: bool = False  # it answered a call without ringing first
    media_encryption: MediaEncryption = "none"  # what its descriptions say about keys
    keying: set[str] = field(default_factory=set)  # and how they were agreed on: "sdes", "dtls"
    accounts: tuple[AccountSettings, ...] = ()
    codecs: list[str] = field(default_factory=list)
    places: dict[Address, list[Hop]] = field(default_factory=dict)
    local: dict[str, Address] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    rtp_ports: list[int] = field(default_factory=list)
    ice: deque[str] = field(default_factory=deque)
    checks: deque[bytes] = field(default_factory=deque)
    call_ids: deque[str] = field(default_factory=deque)
    tags: deque[str] = field(default_factory=deque)
    branches: deque[str] = field(default_factory=deque)
    cnonces: deque[str] = field(default_factory=deque)


def describe(message: Message) -> str:
    """A message in two or three words: "INVITE", "200 INVITE"."""
    if isinstance(message, Response):
        return f"{message.status} {message.cseq.method}"
    assert isinstance(message, Request)
    return message.method


def credentials_in(message: Message) -> list[dict[str, str]]:
    """The parameters of every Digest answer in a message (RFC 3261 §20.7, §20.28)."""
    values = [value for name in CREDENTIALS for value in message.headers.get_all(name)]
    return [said for value in values for scheme, said in split_auth(value) if scheme == "digest"]


def digests_of(message: Message) -> list[str]:
    """The same as one word each: what the password and everything that was random made of them."""
    return [f"{said.get('username', '')} {said.get('response', '')}" for said in credentials_in(message)]
