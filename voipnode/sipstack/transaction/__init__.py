"""SIP transactions (RFC 3261 §17, RFC 6026): four tables, one runner, one layer that finds the right transaction."""

from voipnode.sipstack.transaction.events import (
    ArrivalKind,
    ResponseReceived,
    ServerArrival,
    StrayResponse,
    TransactionEnded,
    TransactionEvent,
    TransactionRerouted,
    TransactionTimeout,
    TransactionTransportError,
)
from voipnode.sipstack.transaction.layer import TransactionLayer
from voipnode.sipstack.transaction.machine import Counters
from voipnode.sipstack.transaction.matching import response_hop
from voipnode.sipstack.transaction.tables import State

__all__ = [
    "ArrivalKind",
    "Counters",
    "ResponseReceived",
    "ServerArrival",
    "State",
    "StrayResponse",
    "TransactionEnded",
    "TransactionEvent",
    "TransactionLayer",
    "TransactionRerouted",
    "TransactionTimeout",
    "TransactionTransportError",
    "response_hop",
]
