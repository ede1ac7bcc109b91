"""An INVITE session: the life of one call as two tables, one for the side that called and one for the side called.

The tables carry RFC 3261 §9 (CANCEL), §13 (INVITE), §15 (BYE) and the fork rules of §13.2.2.4. They hold the states and
name the actions; `client` and `server` carry the actions out and own the messages. A pair that is not listed means: a
local command is refused (`LocalError`), anything remote has no effect.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from voipnode.sipstack.dialog import Dialog
from voipnode.sipstack.digest import DigestSession
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import EndCause
from voipnode.sipstack.reason_field import Reason
from voipnode.sipstack.transport import Hop

if TYPE_CHECKING:
    from voipnode.sipstack.answering import IncomingInvite
    from voipnode.sipstack.hunting import Hunt
    from voipnode.sipstack.reliable import ReliableSeries
    from voipnode.sipstack.requests import OutgoingRequest

log = logging.getLogger(__name__)

MAX_EARLY_DIALOGS = 16  # forks whose progress is followed; a proxy that rings more than these floods us


class State(Enum):
    """Where a call stands."""

    CALLING = auto()  # UAC: INVITE sent, nothing heard
    PROCEEDING = auto()  # UAC: a provisional response came
    CANCEL_WAITING = auto()  # UAC: given up, but CANCEL must wait for a provisional response (§9.1)
    CANCELLING = auto()  # UAC: CANCEL sent, the INVITE's final response is awaited
    INCOMING = auto()  # UAS: 100 sent
    RINGING = auto()  # UAS: 101-199 sent
    ACCEPTED = auto()  # UAS: 2xx sent and repeated, ACK awaited
    HANGING = auto()  # UAS: given up after the 2xx; BYE must wait for the ACK (§15)
    CONFIRMED = auto()  # both: 2xx and ACK exchanged
    ENDED = auto()


class Input(Enum):
    """What can happen to a call."""

    RING = auto()
    ACCEPT = auto()
    REJECT = auto()
    HANG_UP = auto()
    PROVISIONAL = auto()
    CHALLENGED = auto()  # a 401 or 407 to the first INVITE that our credentials can answer (§22.2)
    SUCCESS = auto()  # a 2xx to the first INVITE
    FAILURE = auto()  # a 300-699 to it
    TIMEOUT = auto()  # no answer to it (timer B), or no final one in 64*T1 after CANCEL (§9.1)
    LOST = auto()  # the network refused an INVITE transaction's bytes
    HOP_FAILED = auto()  # the INVITE is over at this hop, by the hop's fault: others may be tried (RFC 3263 §4.3)
    HOP_LEFT = auto()  # the INVITE is under way at this hop, but another one is to be tried
    CANCEL = auto()
    EXPIRED = auto()  # the INVITE's Expires ran out (§13.3.1)
    ACK = auto()
    NO_ACK = auto()  # 64*T1 of repeating a 2xx
    BYE = auto()
    GONE = auto()  # 481 or 408 to a request of ours in the dialog (§12.2.1.2)
    EARLY_GONE = auto()  # the same to a PRACK or UPDATE in the last early dialog that there was
    SESSION_EXPIRED = auto()  # nobody refreshed the session (RFC 4028 §10)
    NO_PRACK = auto()  # 64*T1 of repeating a reliable provisional response (RFC 3262 §3)


class Action(Enum):
    """What a side does about it, in the order listed."""

    SEND_CANCEL = auto()
    LEAVE_UNHEARD = auto()  # turn away from a hop that said nothing
    LEAVE_HEARD = auto()  # turn away from a hop that said something
    NEXT_HOP = auto()
    ACK_AND_REPORT = auto()
    ACK_AND_BYE = auto()
    SEND_BYE = auto()
    SEND_480 = auto()
    SEND_487 = auto()
    SEND_504 = auto()
    REPORT_CONFIRMED = auto()
    END_LOCAL = auto()
    END_REMOTE = auto()
    END_CANCELLED = auto()
    END_REJECTED = auto()
    END_TIMEOUT = auto()
    END_LOST = auto()
    END_GONE = auto()
    END_EXPIRED = auto()


Table = dict[tuple[State, Input], tuple[State, tuple[Action, ...]]]

LOCAL_INPUTS = frozenset({Input.RING, Input.ACCEPT, Input.REJECT, Input.HANG_UP})

# Both sides once the call stands (§14, §15).
CONFIRMED_TABLE: Table = {
    (State.CONFIRMED, Input.HANG_UP): (State.ENDED, (Action.SEND_BYE, Action.END_LOCAL)),
    (State.CONFIRMED, Input.BYE): (State.ENDED, (Action.END_REMOTE,)),
    (State.CONFIRMED, Input.GONE): (State.ENDED, (Action.SEND_BYE, Action.END_GONE)),
    (State.CONFIRMED, Input.SESSION_EXPIRED): (State.ENDED, (Action.SEND_BYE, Action.END_EXPIRED)),
    (State.CONFIRMED, Input.NO_ACK): (State.ENDED, (Action.SEND_BYE, Action.END_TIMEOUT)),  # of a re-INVITE (§14.2)
}

# The caller: §13.2, §9.1. A callee may not send BYE before its 2xx is acknowledged (§15), so no early state lists it.
UAC_TABLE: Table = CONFIRMED_TABLE | {
    (State.CALLING, Input.PROVISIONAL): (State.PROCEEDING, ()),
    (State.CALLING, Input.CHALLENGED): (State.CALLING, ()),
    (State.CALLING, Input.SUCCESS): (State.CONFIRMED, (Action.ACK_AND_REPORT,)),
    (State.CALLING, Input.FAILURE): (State.ENDED, (Action.END_REJECTED,)),
    (State.CALLING, Input.TIMEOUT): (State.ENDED, (Action.END_TIMEOUT,)),
    (State.CALLING, Input.LOST): (State.ENDED, (Action.END_LOST,)),
    (State.CALLING, Input.HOP_FAILED): (State.CALLING, (Action.NEXT_HOP,)),
    (State.CALLING, Input.HOP_LEFT): (State.CALLING, (Action.LEAVE_UNHEARD, Action.NEXT_HOP)),
    (State.CALLING, Input.HANG_UP): (State.CANCEL_WAITING, ()),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, ()),
    # The repeated INVITE has heard nothing yet, so that a CANCEL must wait again.
    (State.PROCEEDING, Input.CHALLENGED): (State.CALLING, ()),
    (State.PROCEEDING, Input.SUCCESS): (State.CONFIRMED, (Action.ACK_AND_REPORT,)),
    (State.PROCEEDING, Input.FAILURE): (State.ENDED, (Action.END_REJECTED,)),
    (State.PROCEEDING, Input.TIMEOUT): (State.ENDED, (Action.END_TIMEOUT,)),
    (State.PROCEEDING, Input.LOST): (State.ENDED, (Action.END_LOST,)),
    (State.PROCEEDING, Input.HOP_FAILED): (State.CALLING, (Action.NEXT_HOP,)),
    (State.PROCEEDING, Input.HOP_LEFT): (State.CALLING, (Action.LEAVE_HEARD, Action.NEXT_HOP)),
    (State.PROCEEDING, Input.HANG_UP): (State.CANCELLING, (Action.SEND_CANCEL,)),
    (State.PROCEEDING, Input.EARLY_GONE): (State.CANCELLING, (Action.SEND_CANCEL,)),
    (State.CANCEL_WAITING, Input.HANG_UP): (State.CANCEL_WAITING, ()),
    (State.CANCEL_WAITING, Input.PROVISIONAL): (State.CANCELLING, (Action.SEND_CANCEL,)),
    (State.CANCEL_WAITING, Input.SUCCESS): (State.ENDED, (Action.ACK_AND_BYE, Action.END_LOCAL)),
    (State.CANCEL_WAITING, Input.FAILURE): (State.ENDED, (Action.END_LOCAL,)),
    (State.CANCEL_WAITING, Input.TIMEOUT): (State.ENDED, (Action.END_LOCAL,)),
    (State.CANCEL_WAITING, Input.LOST): (State.ENDED, (Action.END_LOCAL,)),
    (State.CANCELLING, Input.HANG_UP): (State.CANCELLING, ()),
    (State.CANCELLING, Input.PROVISIONAL): (State.CANCELLING, ()),
    (State.CANCELLING, Input.SUCCESS): (State.ENDED, (Action.ACK_AND_BYE, Action.END_LOCAL)),
    (State.CANCELLING, Input.FAILURE): (State.ENDED, (Action.END_LOCAL,)),
    (State.CANCELLING, Input.TIMEOUT): (State.ENDED, (Action.END_LOCAL,)),
    (State.CANCELLING, Input.LOST): (State.ENDED, (Action.END_LOCAL,)),
}

# The INVITE at a hop that the call has turned away from (`hunting`): as when it is hung up, but nobody is told.
LEFT_TABLE: Table = {
    (state, happened): (after, tuple(action for action in actions if action is not Action.END_LOCAL))
    for (state, happened), (after, actions) in UAC_TABLE.items()
    if state in (State.CANCEL_WAITING, State.CANCELLING) and happened not in LOCAL_INPUTS
}

# The called: §13.3, §9.2, §15.1.2. RING and ACCEPT and REJECT have no action: the command itself sends its response.
# A 2xx that the network refused (LOST) goes on being repeated: the route may heal, and NO_ACK bounds the wait. So it
# does when a request of ours is answered 481 (GONE is not listed): it overtook the 2xx, and BYE waits for the ACK.
UAS_TABLE: Table = CONFIRMED_TABLE | {
    (State.INCOMING, Input.RING): (State.RINGING, ()),
    (State.INCOMING, Input.ACCEPT): (State.ACCEPTED, ()),
    (State.INCOMING, Input.REJECT): (State.ENDED, (Action.END_LOCAL,)),
    (State.INCOMING, Input.HANG_UP): (State.ENDED, (Action.SEND_480, Action.END_LOCAL)),
    (State.INCOMING, Input.CANCEL): (State.ENDED, (Action.SEND_487, Action.END_CANCELLED)),
    (State.INCOMING, Input.EXPIRED): (State.ENDED, (Action.SEND_487, Action.END_CANCELLED)),
    (State.INCOMING, Input.LOST): (State.ENDED, (Action.SEND_480, Action.END_LOST)),
    (State.RINGING, Input.RING): (State.RINGING, ()),
    (State.RINGING, Input.ACCEPT): (State.ACCEPTED, ()),
    (State.RINGING, Input.REJECT): (State.ENDED, (Action.END_LOCAL,)),
    (State.RINGING, Input.HANG_UP): (State.ENDED, (Action.SEND_480, Action.END_LOCAL)),
    (State.RINGING, Input.CANCEL): (State.ENDED, (Action.SEND_487, Action.END_CANCELLED)),
    (State.RINGING, Input.EXPIRED): (State.ENDED, (Action.SEND_487, Action.END_CANCELLED)),
    (State.RINGING, Input.BYE): (State.ENDED, (Action.SEND_487, Action.END_REMOTE)),
    (State.RINGING, Input.LOST): (State.ENDED, (Action.SEND_480, Action.END_LOST)),
    (State.RINGING, Input.NO_PRACK): (State.ENDED, (Action.SEND_504, Action.END_TIMEOUT)),
    (State.RINGING, Input.EARLY_GONE): (State.ENDED, (Action.SEND_480, Action.END_GONE)),
    (State.ACCEPTED, Input.ACK): (State.CONFIRMED, (Action.REPORT_CONFIRMED,)),
    (State.ACCEPTED, Input.HANG_UP): (State.HANGING, ()),
    (State.ACCEPTED, Input.NO_ACK): (State.ENDED, (Action.SEND_BYE, Action.END_TIMEOUT)),
    (State.ACCEPTED, Input.BYE): (State.ENDED, (Action.END_REMOTE,)),
    (State.HANGING, Input.HANG_UP): (State.HANGING, ()),
    (State.HANGING, Input.ACK): (State.ENDED, (Action.SEND_BYE, Action.END_LOCAL)),
    (State.HANGING, Input.NO_ACK): (State.ENDED, (Action.SEND_BYE, Action.END_LOCAL)),
    (State.HANGING, Input.BYE): (State.ENDED, (Action.END_LOCAL,)),
}


@dataclass(slots=True, eq=False)
class SessionTimer:
    """What is agreed for one session: `interval_s` 0 = no timer. `ours`: we refresh.

    `min_se_s` is the largest Min-SE that was heard (RFC 4028 §7.4); `peer_knows`: the far side has named an interval.
    """

    interval_s: int = 0
    ours: bool = False
    min_se_s: int = 0
    peer_knows: bool = False
    expires_at: float = 0.0
    failures: int = 0  # refreshes that were refused since the last that was not


@dataclass(slots=True, eq=False)
class InviteSession:
    """One call: its state, its dialogs, and the INVITE transactions that are under way.

    `dialog` is the one that the session lives in; a caller has none before the 2xx and keeps the forks in `early`, by
    remote tag. `outgoing` and `incoming` are the INVITE or re-INVITE in progress in that direction, None otherwise:
    what RFC 3261 §14 calls glare is a look at the two. `hop` is where its first INVITE went to or came from: it serves
    where the peer's Contact names a transport that we do not speak.
    """

    id: str
    table: Table
    state: State
    hop: Hop
    dialog: Dialog | None = None
    early: dict[str, Dialog] = field(default_factory=dict)
    outgoing: OutgoingRequest | None = None
    incoming: IncomingInvite | None = None
    digest: DigestSession | None = None
    hunt: Hunt | None = None  # of a call that we place
    parting_headers: tuple[tuple[str, str], ...] = ()
    answer_headers: tuple[tuple[str, str], ...] = ()  # for our 2xx
    reliable: ReliableSeries | None = None  # UAS: provisional responses that are acknowledged
    timer: SessionTimer = field(default_factory=SessionTimer)
    cause: EndCause | None = None  # why it ends, where the way in which it does would not tell
    ended_status: int = 0
    ended_reason: str = ""
    contacts: tuple[str, ...] = ()
    why: tuple[Reason, ...] = ()
    unwanted: int = 0  # forks that answered beside the one that won
    closing: bool = False  # our BYE is under way: a BYE that crosses it is answered 200

    def advance(self, happened: Input) -> tuple[Action, ...]:
        """Move to the next state and say what to do; `LocalError` when a command does not fit the state."""
        row = self.table.get((self.state, happened))
        if row is None:
            if happened in LOCAL_INPUTS:
                raise LocalError(f"session {self.id}: {happened.name} is not possible while {self.state.name}")
            log.debug("session %s: %s has no effect while %s", self.id, happened.name, self.state.name)
            return ()
        self._set_state(row[0])
        return row[1]

    def allows(self, happened: Input) -> bool:
        """Whether the state lists this input."""
        return (self.state, happened) in self.table

    def _set_state(self, state: State) -> None:
        if state is not self.state:
            log.debug("session %s: %s -> %s", self.id, self.state.name, state.name)
            self.state = state
