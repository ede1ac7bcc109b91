"""What an `Endpoint` is told once, and what it is told for each call that it places."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from voipnode.sipstack.digest import Credentials
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.series import Series
from voipnode.sipstack.timers import Timers
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri

RELIABLE = "100rel"  # the option tag of RFC 3262
MAX_TRANSACTIONS = 40_000
MAX_CONNECTIONS = 1000
TIMER = "timer"  # that of RFC 4028
# On this side of any router (RFC 1918, RFC 4193), as long as nobody says otherwise.
PRIVATE_NETWORKS = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
)


class Extension(StrEnum):
    """How an extension that both sides must know is used."""

    OFF = "off"  # as if it were unknown here
    SUPPORTED = "supported"  # offered, and used where the far side knows it
    REQUIRED = "required"  # our calls go to those only who know it


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Settings of an endpoint; every limit is a count or bytes.

    `accept_info`: content types of INFO that are told upwards (RFC 6086 names none; RFC 2976 left them open).
    `supported`: further option tags for Supported, which a Require may name (RFC 3261 §8.2.2.3).
    `reliable`: provisional responses that are acknowledged (RFC 3262).
    `session_timer` (RFC 4028): where REQUIRED, calls with those who know none are refreshed by us alone.
    `session_expires_s` is the interval that is asked for, `min_se_s` the least that is taken (§5: 90 or more).
    `nowhere`: host in Via and Contact where `local_address` gives port 0: we are reached over our connection alone.
    `message_within_s`: how long a message on a stream may take from its first byte to its last.
    `keep_local_via`, `keep_local_contact`: our own address stands there whatever routers make of it; otherwise
    `public_address` towards peers that may be beyond one (its port 0: ours), or else what a peer's answers show
    (RFC 3581 §4). Peers in `local_networks` are on our side of the router.
    `max_transactions`: clients and servers separately; UDP remembers each for 32 s, and a call has two.
    `tcp_above_bytes`: a UDP request longer than this goes over TCP (RFC 3261 §18.1.1 says 1300); 0 = never.
    """

    user_agent: str = "voipnode"
    timers: Timers = field(default_factory=Timers)
    accept_info: tuple[str, ...] = ("application/dtmf-relay", "application/dtmf")
    supported: tuple[str, ...] = ()
    reliable: Extension = Extension.SUPPORTED
    session_timer: Extension = Extension.SUPPORTED
    session_expires_s: int = 1800
    min_se_s: int = 90
    max_sessions: int = 1000
    max_transactions: int = MAX_TRANSACTIONS
    max_connections: int = MAX_CONNECTIONS
    message_within_s: float = 32.0
    max_body_bytes: int = 32_768
    tcp_above_bytes: int = 1300
    nowhere: str = "voipnode.invalid"
    keep_local_via: bool = False
    keep_local_contact: bool = False
    public_address: Address | None = None
    local_networks: tuple[str, ...] = PRIVATE_NETWORKS
    option_tags: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = {RELIABLE: self.reliable, TIMER: self.session_timer}
        tags = tuple(tag for tag, use in known.items() if use is not Extension.OFF)
        object.__setattr__(self, "option_tags", self.supported + tags)


@dataclass(frozen=True, slots=True)
class Detour:
    """Another server that can bring a call: its hops, and how the callee, the caller and the way are called there."""

    hops: tuple[Hop, ...]
    target: SipUri
    from_: NameAddr
    routes: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class OutgoingInvite:
    """One call to place.

    `from_` carries no tag; `to` None means the target. `contact_user` is the user part of our Contact ("" = none).
    `offer` is SDP, or None to let the far side offer (then `Endpoint.acknowledge` gives the answer).
    `hops` are tried in their order, 16 at most, until one serves the call (RFC 3263 §4.3); `hop` is short for one.
    Neither: the address is taken from the first route or the target (its port or 5060, its transport or UDP).
    `detours` are taken one after the other where none of `hops` serves the call. It is the same call all along, so that
    a phone that it reaches twice knows it.
    `no_answer_s`: the next hop is tried after so long without any response. `no_progress_s`: the same without a 101-199
    or final one, since a 100 stops timer B for good and the server may die behind it; it must leave a telephone network
    time to ring. None of both: timer B alone, 32 s. `failover_statuses`: answers after which the next hop is tried.
    `outbound`: the hops hold flows of a registration by RFC 5626, along which the dialog's requests shall come (§4.3).
    `only_hop`: the telephone is reached there and nowhere else, whatever its Contact says (it is behind a NAT).
    `routes`: Route field values, each a name-addr ("<sip:proxy.example.com;lr>"). `headers`: extra fields.
    `session_expires_s`: the session interval to ask for (RFC 4028); None = as configured, 0 = none.
    `max_forwards`: lower than 70 where the call continues one that came in (RFC 7332 against loops of such calls).
    """

    target: SipUri
    from_: NameAddr
    contact_user: str
    offer: bytes | None
    to: NameAddr | None = None
    hop: Hop | None = None
    hops: tuple[Hop, ...] = ()
    detours: tuple[Detour, ...] = ()
    routes: tuple[str, ...] = ()
    credentials: tuple[Credentials, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    max_forwards: int = 70
    no_answer_s: float | None = None
    no_progress_s: float | None = None
    failover_statuses: tuple[int, ...] = (503,)
    outbound: bool = False
    only_hop: bool = False
    session_expires_s: int | None = None


@dataclass(frozen=True, slots=True)
class OutsideRequest:
    """One request outside a dialog: REGISTER, OPTIONS, MESSAGE, a first SUBSCRIBE, PUBLISH.

    `target` is the Request-URI, `to` None means the same; `from_` carries no tag. `hop` and `routes` are as in
    `OutgoingInvite`. `credentials` answer challenges, and are ignored where `series` is given: it has its own.
    `headers`: extra fields; User-Agent goes by itself, and so does Accept with OPTIONS.
    `timeout_s`: after so long without a final response the request is given up (status 408), challenges and their
    repetitions included; None leaves it at timer F, 32 s for each.
    """

    method: str
    target: SipUri
    from_: NameAddr
    to: NameAddr | None = None
    hop: Hop | None = None
    routes: tuple[str, ...] = ()
    credentials: tuple[Credentials, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    content_type: str = ""
    series: Series | None = None
    timeout_s: float | None = None
