"""The four transaction machines as data: `(STATE, EVENT): (NEXT_STATE, ACTIONS)`.

Each table is one figure of RFC 3261 §17 with RFC 6026 applied. How to read a row:

- A `Timer` among the events has fired; a `Timer` among the actions is started. A timer runs only through states that
  list it as an event: entering a state that does not list it stops it ("Timer G is ignored in this state").
- No actions means: absorbed, as the RFC asks.
- A pair that is not listed has one meaning, in `machine`: the peer's doing is counted and dropped, the user's own
  raises LocalError.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

from voipnode.sipstack.timers import Timer


class State(StrEnum):
    NEW = "new"  # created, nothing done yet
    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ABANDONED = "abandoned"  # given up before anything was heard: a client INVITE that is repeated no longer
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Event(StrEnum):
    # From the peer.
    REQUEST = "request"  # the request that creates a server transaction, or a retransmission of it
    ACK = "ACK"
    RECEIVE_1XX = "1xx received"
    RECEIVE_2XX = "2xx received"
    RECEIVE_3XX_6XX = "300-699 received"
    # From the transport.
    TRANSPORT_ERROR = "transport error"
    REROUTED = "rerouted"  # the connection of a client transaction is gone, and it has another way now
    # From the transaction user.
    START = "start"  # the request that creates a client transaction
    CANCEL = "CANCEL sent"  # of this INVITE; the CANCEL itself is a transaction of its own
    GIVE_UP = "give up"  # nobody wants the answer of this request any more
    RESUME = "resume"  # somebody does again
    SEND_1XX = "send 1xx"
    SEND_2XX = "send 2xx"
    SEND_3XX_6XX = "send 300-699"


class Action(StrEnum):
    SEND = "send the message"
    RESEND = "send the last message again"  # nothing where none was sent yet
    SEND_ACK = "send ACK"  # RFC 3261 §17.1.1.3; built once, then repeated
    RESPONSE_TO_USER = "response to user"
    REQUEST_TO_USER = "request to user"
    BACK_OFF = "restart the timer with its next interval"
    SLOW_DOWN = "restart the timer with T2"
    REPORT_TIMEOUT = "time-out to user"
    REPORT_TRANSPORT_ERROR = "transport error to user"
    REPORT_REROUTED = "lost connection to user"


# What the user does; every other event comes from outside.
LOCAL_EVENTS = frozenset(
    {
        *(Event.START, Event.CANCEL, Event.GIVE_UP, Event.RESUME),
        *(Event.SEND_1XX, Event.SEND_2XX, Event.SEND_3XX_6XX),
    }
)

Trigger: TypeAlias = Event | Timer
Table: TypeAlias = Mapping[tuple[State, Trigger], tuple[State, tuple[Action | Timer, ...]]]

# RFC 6026 Figure 5: INVITE client transaction. Timers A, B, D and M.
INVITE_CLIENT: Table = {
    (State.NEW, Event.START): (State.CALLING, (Action.SEND, Timer.A, Timer.B)),
    (State.CALLING, Timer.A): (State.CALLING, (Action.RESEND, Action.BACK_OFF)),
    (State.CALLING, Timer.B): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.CALLING, Event.TRANSPORT_ERROR): (State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.CALLING, Event.RECEIVE_1XX): (State.PROCEEDING, (Action.RESPONSE_TO_USER,)),
    (State.CALLING, Event.RECEIVE_2XX): (State.ACCEPTED, (Action.RESPONSE_TO_USER, Timer.M)),
    (State.CALLING, Event.RECEIVE_3XX_6XX): (State.COMPLETED, (Action.SEND_ACK, Action.RESPONSE_TO_USER, Timer.D)),
    (State.PROCEEDING, Event.RECEIVE_1XX): (State.PROCEEDING, (Action.RESPONSE_TO_USER,)),
    (State.PROCEEDING, Event.RECEIVE_2XX): (State.ACCEPTED, (Action.RESPONSE_TO_USER, Timer.M)),
    (State.PROCEEDING, Event.RECEIVE_3XX_6XX): (State.COMPLETED, (Action.SEND_ACK, Action.RESPONSE_TO_USER, Timer.D)),
    # RFC 3261 §9.1: an INVITE cancelled without a final response for 64*T1 is considered cancelled and destroyed.
    (State.PROCEEDING, Event.CANCEL): (State.PROCEEDING, (Timer.CANCEL,)),
    (State.PROCEEDING, Timer.CANCEL): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    # Nothing of ours is on its way: the failure is that of an earlier retransmission that got through after all.
    (State.PROCEEDING, Event.TRANSPORT_ERROR): (State.PROCEEDING, ()),
    # Not in the figure, which knows no connections. One that was idle may be closed as we write: the same bytes over a
    # new one are a retransmission at worst. Where something was heard the server may be gone, or may not.
    (State.CALLING, Event.REROUTED): (State.CALLING, (Action.RESEND,)),
    (State.PROCEEDING, Event.REROUTED): (State.PROCEEDING, (Action.REPORT_REROUTED,)),
    (State.COMPLETED, Event.REROUTED): (State.COMPLETED, ()),
    (State.ACCEPTED, Event.REROUTED): (State.ACCEPTED, ()),
    (State.ABANDONED, Event.REROUTED): (State.ABANDONED, ()),
    (State.COMPLETED, Event.RECEIVE_3XX_6XX): (State.COMPLETED, (Action.SEND_ACK,)),
    (State.COMPLETED, Event.TRANSPORT_ERROR): (State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.COMPLETED, Timer.D): (State.TERMINATED, ()),
    (State.ACCEPTED, Event.RECEIVE_2XX): (State.ACCEPTED, (Action.RESPONSE_TO_USER,)),
    (State.ACCEPTED, Event.TRANSPORT_ERROR): (State.ACCEPTED, ()),
    (State.ACCEPTED, Timer.M): (State.TERMINATED, ()),
    # A CANCEL that crosses the final response is "an effective no-op" (§9.1).
    (State.COMPLETED, Event.CANCEL): (State.COMPLETED, ()),
    (State.ACCEPTED, Event.CANCEL): (State.ACCEPTED, ()),
    # Not in the figure: the user has turned to another server. Copies of the INVITE would only ring a phone too late,
    # but whatever it has set going must still be heard of, to be cancelled or acknowledged.
    (State.CALLING, Event.GIVE_UP): (State.ABANDONED, ()),
    (State.ABANDONED, Event.RESUME): (State.CALLING, (Action.RESEND, Timer.A)),
    (State.ABANDONED, Timer.B): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.ABANDONED, Event.TRANSPORT_ERROR): (State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.ABANDONED, Event.RECEIVE_1XX): (State.PROCEEDING, (Action.RESPONSE_TO_USER,)),
    (State.ABANDONED, Event.RECEIVE_2XX): (State.ACCEPTED, (Action.RESPONSE_TO_USER, Timer.M)),
    (State.ABANDONED, Event.RECEIVE_3XX_6XX): (State.COMPLETED, (Action.SEND_ACK, Action.RESPONSE_TO_USER, Timer.D)),
}

# RFC 3261 Figure 6: non-INVITE client transaction. Timers E, F and K.
NON_INVITE_CLIENT: Table = {
    (State.NEW, Event.START): (State.TRYING, (Action.SEND, Timer.E, Timer.F)),
    (State.TRYING, Timer.E): (State.TRYING, (Action.RESEND, Action.BACK_OFF)),
    (State.TRYING, Timer.F): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.TRYING, Event.TRANSPORT_ERROR): (State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.TRYING, Event.RECEIVE_1XX): (State.PROCEEDING, (Action.RESPONSE_TO_USER,)),
    (State.TRYING, Event.RECEIVE_2XX): (State.COMPLETED, (Action.RESPONSE_TO_USER, Timer.K)),
    (State.TRYING, Event.RECEIVE_3XX_6XX): (State.COMPLETED, (Action.RESPONSE_TO_USER, Timer.K)),
    (State.PROCEEDING, Timer.E): (State.PROCEEDING, (Action.RESEND, Action.SLOW_DOWN)),
    (State.PROCEEDING, Timer.F): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.PROCEEDING, Event.TRANSPORT_ERROR): (State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.PROCEEDING, Event.RECEIVE_1XX): (State.PROCEEDING, (Action.RESPONSE_TO_USER,)),
    (State.PROCEEDING, Event.RECEIVE_2XX): (State.COMPLETED, (Action.RESPONSE_TO_USER, Timer.K)),
    (State.PROCEEDING, Event.RECEIVE_3XX_6XX): (State.COMPLETED, (Action.RESPONSE_TO_USER, Timer.K)),
    (State.COMPLETED, Event.RECEIVE_1XX): (State.COMPLETED, ()),
    (State.COMPLETED, Event.RECEIVE_2XX): (State.COMPLETED, ()),
    (State.COMPLETED, Event.RECEIVE_3XX_6XX): (State.COMPLETED, ()),
    (State.COMPLETED, Event.TRANSPORT_ERROR): (State.COMPLETED, ()),
    (State.COMPLETED, Timer.K): (State.TERMINATED, ()),
    # Not in the figure, as above.
    (State.TRYING, Event.REROUTED): (State.TRYING, (Action.RESEND,)),
    (State.PROCEEDING, Event.REROUTED): (State.PROCEEDING, (Action.RESEND,)),
    (State.COMPLETED, Event.REROUTED): (State.COMPLETED, ()),
    # Not in the figure: the user has set itself a time, after which copies of the request only do harm.
    (State.TRYING, Event.GIVE_UP): (State.TERMINATED, ()),
    (State.PROCEEDING, Event.GIVE_UP): (State.TERMINATED, ()),
    (State.COMPLETED, Event.GIVE_UP): (State.COMPLETED, ()),
}

# RFC 6026 Figure 7: INVITE server transaction. Timers G, H, I and L. The 100 is the user's to send, at once.
INVITE_SERVER: Table = {
    (State.NEW, Event.REQUEST): (State.PROCEEDING, (Action.REQUEST_TO_USER,)),
    (State.PROCEEDING, Event.REQUEST): (State.PROCEEDING, (Action.RESEND,)),
    (State.PROCEEDING, Event.SEND_1XX): (State.PROCEEDING, (Action.SEND,)),
    (State.PROCEEDING, Event.SEND_2XX): (State.ACCEPTED, (Action.SEND, Timer.L)),
    (State.PROCEEDING, Event.SEND_3XX_6XX): (State.COMPLETED, (Action.SEND, Timer.G, Timer.H)),
    (State.PROCEEDING, Event.TRANSPORT_ERROR): (State.PROCEEDING, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.COMPLETED, Event.REQUEST): (State.COMPLETED, (Action.RESEND,)),
    (State.COMPLETED, Event.ACK): (State.CONFIRMED, (Timer.I,)),
    (State.COMPLETED, Event.TRANSPORT_ERROR): (State.COMPLETED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.COMPLETED, Timer.G): (State.COMPLETED, (Action.RESEND, Action.BACK_OFF)),
    (State.COMPLETED, Timer.H): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.CONFIRMED, Event.ACK): (State.CONFIRMED, ()),
    # A late copy of the INVITE, overtaken by its ACK.
    (State.CONFIRMED, Event.REQUEST): (State.CONFIRMED, ()),
    (State.CONFIRMED, Event.TRANSPORT_ERROR): (State.CONFIRMED, ()),
    (State.CONFIRMED, Timer.I): (State.TERMINATED, ()),
    (State.ACCEPTED, Event.REQUEST): (State.ACCEPTED, ()),
    (State.ACCEPTED, Event.ACK): (State.ACCEPTED, (Action.REQUEST_TO_USER,)),
    (State.ACCEPTED, Event.SEND_2XX): (State.ACCEPTED, (Action.SEND,)),
    (State.ACCEPTED, Event.TRANSPORT_ERROR): (State.ACCEPTED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.ACCEPTED, Timer.L): (State.TERMINATED, ()),
}

# RFC 3261 Figure 8: non-INVITE server transaction, staying in its state on a transport error (RFC 6026 §8.8). Timer J.
# Timer F is not in the figure: it is the client's, after which nobody listens to an answer any more, so that a request
# that its user never answers does not stay for ever (RFC 4320 §4.2: no final response at all then).
NON_INVITE_SERVER: Table = {
    (State.NEW, Event.REQUEST): (State.TRYING, (Action.REQUEST_TO_USER, Timer.F)),
    (State.TRYING, Event.REQUEST): (State.TRYING, ()),
    (State.TRYING, Event.SEND_1XX): (State.PROCEEDING, (Action.SEND,)),
    (State.TRYING, Event.SEND_2XX): (State.COMPLETED, (Action.SEND, Timer.J)),
    (State.TRYING, Event.SEND_3XX_6XX): (State.COMPLETED, (Action.SEND, Timer.J)),
    (State.TRYING, Timer.F): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.PROCEEDING, Event.REQUEST): (State.PROCEEDING, (Action.RESEND,)),
    (State.PROCEEDING, Event.SEND_1XX): (State.PROCEEDING, (Action.SEND,)),
    (State.PROCEEDING, Event.SEND_2XX): (State.COMPLETED, (Action.SEND, Timer.J)),
    (State.PROCEEDING, Event.SEND_3XX_6XX): (State.COMPLETED, (Action.SEND, Timer.J)),
    (State.PROCEEDING, Event.TRANSPORT_ERROR): (State.PROCEEDING, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.PROCEEDING, Timer.F): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.COMPLETED, Event.REQUEST): (State.COMPLETED, (Action.RESEND,)),
    # "Any other final responses passed by the TU MUST be discarded while in the Completed state" (§17.2.2).
    (State.COMPLETED, Event.SEND_2XX): (State.COMPLETED, ()),
    (State.COMPLETED, Event.SEND_3XX_6XX): (State.COMPLETED, ()),
    (State.COMPLETED, Event.TRANSPORT_ERROR): (State.COMPLETED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.COMPLETED, Timer.J): (State.TERMINATED, ()),
}
