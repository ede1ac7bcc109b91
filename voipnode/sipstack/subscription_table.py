"""The life of a subscription of ours, as a table (RFC 6665 §4.1.2)."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """Where a subscription of ours stands (RFC 6665 §4.1.2, figure 1, without the notifier's "pending")."""

    ASKING = auto()  # SUBSCRIBE sent; the first NOTIFY is awaited (notify_wait)
    RUNNING = auto()
    LEAVING = auto()  # SUBSCRIBE with Expires 0 sent; the last NOTIFY is awaited
    ENDED = auto()


class Input(Enum):
    """What can happen to it."""

    NOTIFY = auto()
    LAST_NOTIFY = auto()
    REFUSED = auto()  # our SUBSCRIBE, for good
    DUE = auto()  # it is time to refresh
    SILENCE = auto()  # no NOTIFY within 64*T1 of a SUBSCRIBE (Timer N), or its time is up
    STOP = auto()


class Action(Enum):
    """What is done about it."""

    REFRESH = auto()
    LEAVE = auto()
    END = auto()


TABLE: dict[tuple[State, Input], tuple[State, Action | None]] = {
    (State.ASKING, Input.NOTIFY): (State.RUNNING, None),
    (State.ASKING, Input.LAST_NOTIFY): (State.ENDED, Action.END),
    (State.ASKING, Input.REFUSED): (State.ENDED, Action.END),
    (State.ASKING, Input.SILENCE): (State.ENDED, Action.END),
    (State.ASKING, Input.STOP): (State.ENDED, Action.END),  # its NOTIFY will find nobody, and 481 ends it there
    (State.RUNNING, Input.NOTIFY): (State.RUNNING, None),
    (State.RUNNING, Input.LAST_NOTIFY): (State.ENDED, Action.END),
    (State.RUNNING, Input.REFUSED): (State.ENDED, Action.END),
    (State.RUNNING, Input.DUE): (State.RUNNING, Action.REFRESH),
    (State.RUNNING, Input.SILENCE): (State.ENDED, Action.END),
    (State.RUNNING, Input.STOP): (State.LEAVING, Action.LEAVE),
    (State.LEAVING, Input.NOTIFY): (State.LEAVING, None),
    (State.LEAVING, Input.LAST_NOTIFY): (State.ENDED, Action.END),
    (State.LEAVING, Input.REFUSED): (State.ENDED, Action.END),
    (State.LEAVING, Input.SILENCE): (State.ENDED, Action.END),
    (State.LEAVING, Input.STOP): (State.LEAVING, None),
}
