"""A call as people see it: one conversation with the door, whatever number of legs rings for it.

States (features of the field's door stations; a call leaves its state only by `Call.enter`):

    Idle -> Calling -> Ringing -> Active -> Terminating -> Terminated      outgoing
    Idle ------------> Ringing -> Active -> Terminating -> Terminated      incoming
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from voipnode.calls.events import CallReason, CallState
from voipnode.calls.settings import AccountSettings
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack.grammar import printable

log = logging.getLogger(__name__)

Outcome = tuple[CallReason, int, str]  # why a call ended: reason, SIP status (0 = none), in words

_NEXT: dict[CallState, frozenset[CallState]] = {
    CallState.IDLE: frozenset({CallState.CALLING, CallState.RINGING, CallState.TERMINATED}),
    CallState.CALLING: frozenset({CallState.RINGING, CallState.ACTIVE, CallState.TERMINATING, CallState.TERMINATED}),
    CallState.RINGING: frozenset({CallState.ACTIVE, CallState.TERMINATING, CallState.TERMINATED}),
    CallState.ACTIVE: frozenset({CallState.TERMINATING, CallState.TERMINATED}),
    CallState.TERMINATING: frozenset({CallState.TERMINATED}),
    CallState.TERMINATED: frozenset(),
}


@dataclass(slots=True, kw_only=True)
class Call:
    """One call and its legs. `authorised`: digits of the far side may act. `legs` are keyed by SIP session."""

    id: str
    direction: str  # "incoming" | "outgoing"
    account: AccountSettings
    remote: str
    authorised: bool
    button: str = ""
    state: CallState = CallState.IDLE
    reason: CallReason = CallReason.INITIATED
    legs: dict[str, SipLeg] = field(default_factory=dict)
    winner: SipLeg | None = None
    # What the call will have ended for, once its last leg is gone: the first cause that was seen decides.
    outcome: Outcome | None = None
    sip_call_id: str = ""  # incoming: the Call-ID of its dialog
    answer_body: bytes = b""  # incoming: the SDP that our 2xx will carry

    def enter(self, state: CallState, reason: CallReason) -> bool:
        """Enter a state; False when the call is in it, or past it, already."""
        if state not in _NEXT[self.state]:
            return False
        log.debug("call %s: %s -> %s (%s)", self.id, self.state, state, reason)
        self.state = state
        self.reason = reason
        return True

    @property
    def over(self) -> bool:
        """True when the call is ending or has ended."""
        return self.state in (CallState.TERMINATING, CallState.TERMINATED)


def outcome_of_rejection(status: int, reason: str) -> Outcome:
    """What a final non-2xx response to our INVITE means for people (RFC 3261 §21.4-21.6)."""
    reason = printable(reason)
    if status in (486, 600):
        return CallReason.BUSY, status, f"busy ({status} {reason})"
    if status in (403, 603, 607, 608):
        return CallReason.DENIED, status, f"refused ({status} {reason})"
    if status in (408, 480):
        return CallReason.NO_ANSWER, status, f"no answer ({status} {reason})"
    return CallReason.FAILED, status, f"failed ({status} {reason})"


# Of several legs that failed, the one that says most about the people is told: somebody refused, or is busy.
_RANK = {CallReason.DENIED: 0, CallReason.BUSY: 1, CallReason.NO_ANSWER: 2, CallReason.FAILED: 3}


def better_outcome(one: Outcome | None, other: Outcome) -> Outcome:
    """The outcome to tell when several legs failed, each in its way."""
    if one is None or _RANK.get(other[0], 9) < _RANK.get(one[0], 9):
        return other
    return one
