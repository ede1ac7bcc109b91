"""A call as people see it: one conversation with the door, whatever number of legs rings for it.

States (features of the field's door stations; a call leaves its state only by `Call.enter`):

    Idle -> Calling -> Ringing -> Active -> Terminating -> Terminated      outgoing
    Idle ------------> Ringing -> Active -> Terminating -> Terminated      incoming
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from voipnode.calls.clips.settings import GroupSounds
from voipnode.calls.events import CallReason, CallState
from voipnode.calls.leg_security import UNKNOWN, Encryption
from voipnode.calls.ringing.plan import RingPlan
from voipnode.calls.settings import AccountSettings
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack.uri import SipUri

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
    """One call and its legs. `authorised`: digits of the far side may act. `legs` are keyed by SIP session.

    `account`: whose call it is; once somebody has answered, that of the answering leg.
    """

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
    own: tuple[SipUri, ...] = ()  # the recipients of the node that it rang, whose digits act
    tried: list[SipUri] = field(default_factory=list)  # every address that was called
    transferred: bool = False  # the far side is somebody whom neither the node nor its settings chose
    told_encryption: Encryption = UNKNOWN  # what the last event said of it
    sounds: GroupSounds = field(default_factory=GroupSounds)  # what the visitor hears of it, where not as of all calls
    plan: RingPlan | None = None  # outgoing: who rings, or rang when somebody answered
    hindrance: str = ""  # why a party could not even be called
    searching: int = 0  # how many addresses are being looked up for it

    def enter(self, state: CallState, reason: CallReason) -> bool:
        """Enter a state; False when the call is in it, or past it, already."""
        if state not in _NEXT[self.state]:
            return False
        log.debug("call %s: %s -> %s (%s)", self.id, self.state, state, reason)
        self.state = state
        self.reason = reason
        return True

    @property
    def encryption(self) -> Encryption:
        """How the media of who answered, or alone rings here, is encrypted."""
        leg = self.told_leg
        return UNKNOWN if leg is None else leg.security.encryption

    @property
    def told_leg(self) -> SipLeg | None:
        """Who answered, or alone rings here."""
        return self.winner or (next(iter(self.legs.values())) if len(self.legs) == 1 else None)

    @property
    def standing(self) -> str:
        """Its state, for whoever wants something of its far side that it cannot have."""
        if self.state is CallState.ACTIVE and self.winner is None:
            return "with a client that carries sound and nothing else"
        return str(self.state)

    @property
    def over(self) -> bool:
        """True when the call is ending or has ended."""
        return self.state in (CallState.TERMINATING, CallState.TERMINATED)
