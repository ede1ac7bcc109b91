"""What the transaction layer tells its user: plain immutable values. `transaction_id` is the layer's name for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from voipnode.sipstack.message import Request, Response
from voipnode.sipstack.transport import Hop


@dataclass(frozen=True, slots=True)
class TransactionEvent:
    """Base of all transaction events."""


@dataclass(frozen=True, slots=True)
class ResponseReceived(TransactionEvent):
    """A response to our request: every provisional one, one final one, and for INVITE every 2xx (RFC 6026 §7.2)."""

    transaction_id: str
    response: Response
    source: Hop


@dataclass(frozen=True, slots=True)
class TransactionTimeout(TransactionEvent):
    """Client: no final response in time (timers B and F, or 64*T1 after a CANCEL). Server: no ACK for a 300-699
    response (timer H), or nobody answered a request before its client gave up."""

    transaction_id: str


@dataclass(frozen=True, slots=True)
class TransactionTransportError(TransactionEvent):
    """The network refused what this transaction sent (RFC 3261 §17.1.4, §17.2.4); `why` in words, where it told."""

    transaction_id: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class TransactionRerouted(TransactionEvent):
    """The connection that a provisional response to our INVITE came over is gone; what else comes, comes over another.

    The server may have died, or just closed it.
    """

    transaction_id: str


@dataclass(frozen=True, slots=True)
class TransactionEnded(TransactionEvent):
    """The last event of every transaction; its name means nothing from now on."""

    transaction_id: str


@dataclass(frozen=True, slots=True)
class StrayResponse(TransactionEvent):
    """A response that belongs to no transaction; a UA discards it (RFC 6026 §8.9)."""

    response: Response


class ArrivalKind(StrEnum):
    """What the user has to do with a request."""

    NEW = "new"  # answer it through the transaction
    ACK_2XX = "ack_2xx"  # an ACK for a 2xx: match it to a dialog; never answered
    CANCEL = "cancel"  # answer it 200 when `target` is given, else 481 (RFC 3261 §9.2)
    OVERLOAD = "overload"  # too many transactions: there is none for it; answer 503 without one


@dataclass(frozen=True, slots=True)
class ServerArrival:
    """A request that is not a retransmission.

    `transaction_id` is the server transaction made for it, and "" for OVERLOAD. For ACK_2XX it is the accepted INVITE
    where the ACK matched one (a branch reused, or none: RFC 6026 §6), usually "". `target` is the transaction that a
    CANCEL is about. `merged` tells that the same request came by another path and is being served: answer it 482
    (RFC 3261 §8.2.2.2).
    """

    transaction_id: str
    request: Request
    kind: ArrivalKind
    source: Hop
    target: str | None = None
    merged: bool = False
