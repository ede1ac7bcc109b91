"""A call through the node: two parties, each with a dialog of its own, and what may happen to them.

SEEKING --somebody rings--> RINGING --somebody answers--> ACTIVE --one leaves--> ENDING --all legs gone--> ENDED
   '--- nobody is left to answer, the caller leaves, time is up, ended here -------^
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from voipnode.calls.call import Outcome
from voipnode.calls.events import CallReason, CallState, ExchangeCallChanged
from voipnode.calls.exchange.destination import Destination
from voipnode.calls.exchange.party import Party
from voipnode.sipstack.events import IncomingCall


class State(Enum):
    """Where a call through the node stands."""

    SEEKING = auto()  # the called party's devices are being looked up and called
    RINGING = auto()
    ACTIVE = auto()
    ENDING = auto()  # its dialogs are being ended
    ENDED = auto()


class Input(Enum):
    """What can happen to it."""

    RANG = auto()
    ANSWERED = auto()
    EXHAUSTED = auto()  # nobody is left who could answer
    LEFT = auto()  # the caller before an answer, one of both after it
    ENDED_HERE = auto()  # a time limit, a command, media that failed
    EMPTY = auto()  # its last dialog is over


class Action(Enum):
    """What is to be done about it."""

    NOTHING = auto()
    CONNECT = auto()
    REFUSE = auto()  # answer the caller with what the called party said
    STOP_RINGING = auto()  # the caller knows already
    GIVE_UP = auto()  # stop ringing, and refuse the caller
    PART = auto()  # say goodbye to whoever is still there
    FORGET = auto()


TABLE: dict[tuple[State, Input], tuple[State, Action]] = {
    (State.SEEKING, Input.RANG): (State.RINGING, Action.NOTHING),
    (State.SEEKING, Input.ANSWERED): (State.ACTIVE, Action.CONNECT),
    (State.SEEKING, Input.EXHAUSTED): (State.ENDING, Action.REFUSE),
    (State.SEEKING, Input.LEFT): (State.ENDING, Action.STOP_RINGING),
    (State.SEEKING, Input.ENDED_HERE): (State.ENDING, Action.GIVE_UP),
    (State.RINGING, Input.ANSWERED): (State.ACTIVE, Action.CONNECT),
    (State.RINGING, Input.EXHAUSTED): (State.ENDING, Action.REFUSE),
    (State.RINGING, Input.LEFT): (State.ENDING, Action.STOP_RINGING),
    (State.RINGING, Input.ENDED_HERE): (State.ENDING, Action.GIVE_UP),
    (State.ACTIVE, Input.LEFT): (State.ENDING, Action.PART),
    (State.ACTIVE, Input.ENDED_HERE): (State.ENDING, Action.PART),
    (State.ENDING, Input.EMPTY): (State.ENDED, Action.FORGET),
}
# Everything else happens late, twice or on the way down, and changes nothing.

TOLD_AS = {
    State.SEEKING: CallState.CALLING,
    State.RINGING: CallState.RINGING,
    State.ACTIVE: CallState.ACTIVE,
    State.ENDING: CallState.TERMINATING,
    State.ENDED: CallState.TERMINATED,
}


@dataclass(slots=True, eq=False)
class ThroughCall:
    """One call and its parties. `parties`: by session, all whose dialogs are not over; `callee`: who answered.

    `early`: whose sound the caller hears before the answer. `answer`: what the caller was told in answer to its offer,
    or our offer where it made none; b"" before that. `searching`: how many addresses are being looked up.
    `max_forwards`: of the legs that continue it. `told`: what the house was told of it last.
    """

    id: str
    caller: Party
    to: Destination
    invite: IncomingCall
    max_forwards: int
    state: State = State.SEEKING
    callee: Party | None = None
    early: Party | None = None
    answer: bytes = b""
    told_status: int = 0
    outcome: Outcome = (CallReason.INITIATED, 0, "")
    parties: dict[str, Party] = field(default_factory=dict)
    searching: int = 0
    told: ExchangeCallChanged | None = None

    def happens(self, what: Input) -> Action | None:
        """Enter the next state; None where this changes nothing."""
        row = TABLE.get((self.state, what))
        if row is None:
            return None
        self.state = row[0]
        return row[1]

    @property
    def over(self) -> bool:
        return self.state in (State.ENDING, State.ENDED)

    @property
    def talking(self) -> tuple[Party, ...]:
        """The caller, and whom it hears, as far as they are there."""
        pair = (self.caller, self.callee or self.early)
        return tuple([party for party in pair if party is not None and party.session in self.parties])

    def other(self, party: Party) -> Party | None:
        """Whom this party talks with."""
        return next((each for each in self.talking if each is not party), None) if party in self.talking else None

    def replace(self, party: Party, by: Party) -> None:
        """Another one has this party's place."""
        if party is self.caller:
            self.caller = by
        else:
            self.callee = by
