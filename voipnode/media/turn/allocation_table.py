"""The states of an allocation as a table, what is asked for in them, and what is told (RFC 8656 §7, §8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from voipnode.media.stun.message import Attributes, Method
from voipnode.media.turn.refusals import Refusal
from voipnode.media.values import Addr

PATIENCE_S = 39.5  # for an answer, where nothing is in a hurry (RFC 8489 §6.2.2)


class State(Enum):
    IDLE = auto()
    ASKING = auto()
    OPEN = auto()
    CLOSING = auto()
    OVER = auto()


class Input(Enum):
    START = auto()
    GRANTED = auto()  # the server gave, or renewed, the relay
    REFUSED = auto()  # it refused either, or no longer knows the relay
    SILENT = auto()  # it did not answer, or the connection is gone
    CLOSE = auto()  # we want it no more
    DELETED = auto()  # the server has taken it back


# Allocate (§7), Refresh (§8). What is not listed changes nothing.
TABLE: dict[tuple[State, Input], tuple[State, str]] = {
    (State.IDLE, Input.START): (State.ASKING, "allocate"),
    (State.IDLE, Input.CLOSE): (State.OVER, ""),
    (State.ASKING, Input.GRANTED): (State.OPEN, "opened"),
    (State.ASKING, Input.REFUSED): (State.OVER, "failed"),
    (State.ASKING, Input.SILENT): (State.OVER, "failed"),
    (State.ASKING, Input.CLOSE): (State.CLOSING, ""),  # what is still granted is given back at once
    (State.OPEN, Input.GRANTED): (State.OPEN, "renewed"),
    (State.OPEN, Input.REFUSED): (State.OVER, "lost"),
    (State.OPEN, Input.SILENT): (State.OVER, "lost"),
    (State.OPEN, Input.CLOSE): (State.CLOSING, "delete"),
    (State.CLOSING, Input.GRANTED): (State.CLOSING, "delete"),
    (State.CLOSING, Input.REFUSED): (State.OVER, ""),  # 437: it is gone, as wished (§8.3)
    (State.CLOSING, Input.SILENT): (State.OVER, ""),
    (State.CLOSING, Input.DELETED): (State.OVER, ""),
}


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request is for. `essential`: without an answer, or by a refusal, the relay is over."""

    method: Method
    attributes: Attributes = ()
    essential: bool = True
    peers: tuple[Addr, ...] = ()
    channel: int = 0
    deletes: bool = False
    clears: bool = False  # what was there before
    patience_s: float = PATIENCE_S
    tries: int = 1
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Allocated:
    """The relay is there."""


@dataclass(frozen=True, slots=True)
class AllocationFailed:
    """There will be no relay; `alternate` is the server that this one names instead (RFC 8489 §10)."""

    refusal: Refusal
    alternate: Addr | None = None
    alternate_name: str = ""


@dataclass(frozen=True, slots=True)
class AllocationLost:
    """The relay was there and is no more."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class PeerRefused:
    """The server does not relay to that address."""

    host: str
    refusal: Refusal


AllocationEvent: TypeAlias = Allocated | AllocationFailed | AllocationLost | PeerRefused
