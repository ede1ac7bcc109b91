"""The life of a registration as a table: `registration` carries the actions out.

    STOPPED -> SEEKING -> REGISTERED <-> RETURNING        SEEKING <-> WAITING        any -> LEAVING -> STOPPED

SEEKING walks over the servers until one takes the REGISTER. RETURNING does so over the primary's addresses alone while
the secondary's binding stays in force: make before break. A pair that is not listed has no effect: an answer or a
deadline that belongs to what is over.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """Where a registration stands."""

    STOPPED = auto()
    SEEKING = auto()  # no binding: asking one server after the other
    WAITING = auto()  # no binding: nobody took it, and nobody is asked for a while
    REGISTERED = auto()  # a binding is in force, refreshed and kept alive
    RETURNING = auto()  # as before, and the primary is being asked
    LEAVING = auto()  # the binding is being removed


class Input(Enum):
    """What can happen to it."""

    START = auto()
    ACCEPTED = auto()  # a server took the REGISTER of the walk
    EXHAUSTED = auto()  # no server did
    RETRY = auto()  # the wait is over
    LOST = auto()  # the server of the binding is dead, gone, or does not want us any more
    FAILBACK = auto()  # time to ask the primary
    STOP = auto()
    GONE = auto()  # the binding is removed, or the time for that is over


class Action(Enum):
    """What is done about it."""

    SEEK = auto()
    ADOPT = auto()  # the accepted binding is the one in force
    REPLACE = auto()  # the same, and the one before is removed
    BACK_OFF = auto()
    SEEK_PRIMARY = auto()
    SEEK_ON = auto()  # the walk over the primary becomes one over all
    STAY = auto()  # the primary did not take us: ask again later
    LEAVE = auto()
    WITHDRAW = auto()  # a REGISTER was under way when we stopped, and was accepted
    REST = auto()


TABLE: dict[tuple[State, Input], tuple[State, Action]] = {
    (State.STOPPED, Input.START): (State.SEEKING, Action.SEEK),
    (State.SEEKING, Input.ACCEPTED): (State.REGISTERED, Action.ADOPT),
    (State.SEEKING, Input.EXHAUSTED): (State.WAITING, Action.BACK_OFF),
    (State.SEEKING, Input.STOP): (State.LEAVING, Action.LEAVE),
    (State.WAITING, Input.RETRY): (State.SEEKING, Action.SEEK),
    (State.WAITING, Input.STOP): (State.STOPPED, Action.REST),
    (State.REGISTERED, Input.LOST): (State.SEEKING, Action.SEEK),
    (State.REGISTERED, Input.FAILBACK): (State.RETURNING, Action.SEEK_PRIMARY),
    (State.REGISTERED, Input.STOP): (State.LEAVING, Action.LEAVE),
    (State.RETURNING, Input.ACCEPTED): (State.REGISTERED, Action.REPLACE),
    (State.RETURNING, Input.EXHAUSTED): (State.REGISTERED, Action.STAY),
    (State.RETURNING, Input.LOST): (State.SEEKING, Action.SEEK_ON),
    (State.RETURNING, Input.STOP): (State.LEAVING, Action.LEAVE),
    (State.LEAVING, Input.ACCEPTED): (State.LEAVING, Action.WITHDRAW),
    (State.LEAVING, Input.EXHAUSTED): (State.STOPPED, Action.REST),
    (State.LEAVING, Input.GONE): (State.STOPPED, Action.REST),
}
