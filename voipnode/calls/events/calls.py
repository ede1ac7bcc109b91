"""Events of calls: at the door, and through the node."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from voipnode.calls.events.base import Event


class CallState(StrEnum):
    """States of a call as integrators see them."""

    IDLE = "Idle"
    CALLING = "Calling"  # outgoing: INVITE sent; incoming: not used
    RINGING = "Ringing"  # far phone (outgoing) or this device (incoming) rings
    ACTIVE = "Active"
    TERMINATING = "Terminating"
    TERMINATED = "Terminated"


class CallReason(StrEnum):
    """Why a call entered its state."""

    INITIATED = "Initiated"
    DENIED = "Denied"
    NO_ANSWER = "NoAnswer"
    BUSY = "Busy"
    FAILED = "Failed"
    ACCEPTED_BY_REMOTE = "AcceptedByRemote"
    ACCEPTED_BY_DEVICE = "AcceptedByDevice"
    TERMINATED = "Terminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallChanged(Event):
    """A call entered a state. `call` is its id; `remote` the other party's URI; `status` the SIP status, 0 = none.

    `encryption`: "sdes" or "dtls" with the suite in `cipher`, "none" = in the clear, "" = no media agreed on yet;
    `codec` is what the node sends.
    `rejected_packets`: forged, replayed or malformed ones so far, which SRTP kept out.
    """

    name: ClassVar[str] = "call.changed"
    call: str
    state: CallState
    reason: CallReason
    direction: str  # "incoming" | "outgoing"
    remote: str
    account: str
    status: int = 0
    detail: str = ""  # in words, for people
    encryption: str = ""
    cipher: str = ""
    rejected_packets: int = 0
    codec: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientRang(Event):
    """A party that rang for a call, or should have, does so no longer. `plan` and `stage` say what it belonged to.

    `outcome`: "answered", "elsewhere" (somebody else answered), "refused", "busy", "silent", "unreachable",
    "unavailable" (by its schedule), "let go" (by the rules, for what became of another, as `detail` says), "given up"
    (by who called). `status` is the SIP status behind it, 0 = none.
    """

    name: ClassVar[str] = "recipient.rang"
    call: str
    recipient: str
    address: str
    plan: str
    stage: int
    outcome: str
    status: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeCallChanged(Event):
    """A call through the node, between two telephones, entered a state or is otherwise than before.

    `call` is its id ("x1"). `caller`, `callee`: extension, number or URI; `account`: the line that it goes or came by,
    "" between extensions; `direction`: "outgoing", "incoming" or "internal" by that. `encryption` and
    `codec` are the caller's and the callee's, "" where not agreed on.
    """

    name: ClassVar[str] = "exchange_call.changed"
    call: str
    state: CallState
    reason: CallReason
    caller: str
    callee: str
    direction: str = "internal"
    account: str = ""
    status: int = 0
    detail: str = ""
    encryption: tuple[str, str] = ("", "")
    codec: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoNotDisturbChanged(Event):
    """The door ("" as `extension`), or an extension of the node, is not to be rung from now on, or is again."""

    name: ClassVar[str] = "do_not_disturb.changed"
    extension: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHeld(Event):
    """A call is on hold (`held`), or is not, by us ("here"); `detail` says why a change was not to be ("" = it was)."""

    name: ClassVar[str] = "call.held"
    call: str
    held: bool
    by: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPath(Event):
    """By which way a call's sound goes (ICE): `pair` in words, our candidate first; "" where there is none any more.

    `after_ms` since both descriptions were known; `chosen`: both sides keep to it. `detail` says why a way was lost.
    """

    name: ClassVar[str] = "call.path"
    call: str
    pair: str
    after_ms: int = 0
    chosen: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTransfer(Event):
    """How a transfer goes. `to` is the new party, `by` who asked for it: "here" or "far"; `status` is the SIP status.

    `final` with a 2xx: it has happened. With another status nothing came of it, and the call goes on as it was.
    """

    name: ClassVar[str] = "call.transfer"
    call: str
    to: str
    by: str
    status: int
    final: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReceived(Event):
    """A text message (SIP MESSAGE). `call` is "" outside a call; `source` the address that it came from.

    `sender` is what the sender claims to be, which proves nothing.
    """

    name: ClassVar[str] = "text.received"
    call: str
    sender: str
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfReceived(Event):
    """One digit pressed by the far side, whatever road or roads carried it.

    `authorised`: the call is one whose digits may act (placed by the node to its own recipients, or from a caller that
    the settings name). `road` is the first that brought it: "rtp", "info" or "inband".
    """

    name: ClassVar[str] = "dtmf.received"
    call: str
    digit: str  # one of 0-9 A-D # *
    road: str
    account: str
    remote: str
    authorised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfMatched(Event):
    """A configured sequence was dialled; `label` is its name in the settings."""

    name: ClassVar[str] = "dtmf.matched"
    call: str
    sequence: str
    label: str
    account: str
    remote: str
    authorised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuality(Event):
    """How a leg of a call sounded, told at its end. `remote` is its party; `answered`: it had the call, not just rang.

    `loss_percent` and `jitter_ms` are of what came from there; `mos` is that by the E-model (ITU-T G.107), with delay:
    1.0 bad to 4.5 best. `remote_mos` is what the far side says of us (RFC 3611). None: not known.
    """

    name: ClassVar[str] = "call.quality"
    call: str
    remote: str
    answered: bool
    codec: str
    packets_sent: int
    packets_received: int
    loss_percent: float
    jitter_ms: float
    round_trip_ms: float | None = None
    mos: float | None = None
    remote_mos: float | None = None
