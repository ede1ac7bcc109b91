"""The calls that are not yet over: found by id or SIP session, their states published, their time limits kept."""

from __future__ import annotations

import math

from voipnode.calls.call import Call, Outcome
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.events import CallChanged, CallReason, CallState
from voipnode.calls.hooks import Bus
from voipnode.calls.outcome import better_outcome
from voipnode.calls.settings import AccountSettings
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack.timers import DeadlineQueue


class CallTable:
    """All calls of a switch. Ids are "c1", "c2", ... and are not used again while the process lives."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._calls: dict[str, Call] = {}
        self._engaged: set[str] = set()
        self._of_session: dict[str, Call] = {}
        self._deadlines: DeadlineQueue[str] = DeadlineQueue()
        self._number = 0

    @property
    def engaged(self) -> int:
        """How many calls occupy the door. One that is ending does not: its peer may take 32 s to agree, or be dead."""
        return len(self._engaged)

    @property
    def calls(self) -> tuple[Call, ...]:
        """Oldest first."""
        return tuple(self._calls.values())

    def new(
        self, direction: str, account: AccountSettings, remote: str, *, authorised: bool = False, button: str = ""
    ) -> Call:
        """A new call in state Idle; nobody is told yet."""
        self._number += 1
        call = Call(
            id=f"c{self._number}",
            direction=direction,
            account=account,
            remote=remote,
            authorised=authorised,
            button=button,
        )
        self._calls[call.id] = call
        self._engaged.add(call.id)
        return call

    def drop(self, call: Call) -> None:
        """Forget a call that never began."""
        self._deadlines.cancel(call.id)
        self._engaged.discard(call.id)
        del self._calls[call.id]

    def known(self, call_id: str) -> Call:
        """The call of that id; raises UnknownNameError."""
        call = self._calls.get(call_id)
        if call is None:
            known = ", ".join(self._calls) or "none"
            raise UnknownNameError(f'call "{call_id}": there is no such call now; there is {known}')
        return call

    def attach(self, call: Call, leg: SipLeg) -> None:
        call.legs[leg.session] = leg
        self._of_session[leg.session] = call

    def of_session(self, session: str) -> Call | None:
        return self._of_session.get(session)

    def detach(self, session: str) -> tuple[Call, SipLeg] | None:
        """Take a leg off its call, because its SIP session has ended."""
        call = self._of_session.pop(session, None)
        return (call, call.legs.pop(session)) if call is not None else None

    def enter(
        self, call: Call, state: CallState, reason: CallReason, *, now: float, status: int = 0, detail: str = ""
    ) -> None:
        """Bring the call into a state and tell; nothing happens when it is past it."""
        if not call.enter(state, reason):
            return
        if call.over:
            self._engaged.discard(call.id)
        if state is CallState.TERMINATED:
            self._deadlines.cancel(call.id)
            self._calls.pop(call.id, None)
        self.announce(call, now=now, status=status, detail=detail)

    def announce(self, call: Call, *, now: float, status: int = 0, detail: str = "") -> None:
        """Tell the state that the call is in, because it was entered or something else about the call changed."""
        call.told_encryption = call.encryption
        leg = call.told_leg
        self._bus.publish(
            CallChanged(
                at=now,
                call=call.id,
                state=call.state,
                reason=call.reason,
                direction=call.direction,
                remote=call.remote,
                account=call.account.name,
                status=status,
                detail=detail,
                encryption=call.encryption.keying,
                cipher=call.encryption.cipher,
                rejected_packets=0 if call.winner is None else call.winner.transport.dropped.suspicious,
                codec="" if leg is None or leg.agreed is None else leg.agreed.format.name,
            )
        )

    def terminating(self, call: Call, outcome: Outcome, now: float) -> None:
        """The call is on its way down for this reason; the first reason stays."""
        if call.outcome is None or not call.over:
            call.outcome = outcome
        self.enter(call, CallState.TERMINATING, outcome[0], now=now, status=outcome[1], detail=outcome[2])

    def leg_failed(self, call: Call, outcome: Outcome) -> None:
        """One of several legs is out; the outcome that says most is kept."""
        if not call.over:
            call.outcome = better_outcome(call.outcome, outcome)

    def finish(self, call: Call, now: float) -> None:
        """The last leg is gone: tell why, and forget the call."""
        reason, status, detail = call.outcome or (CallReason.TERMINATED, 0, "")
        self.enter(call, CallState.TERMINATED, reason, now=now, status=status, detail=detail)

    # Time limits: one per call, of the state it is in

    def limit(self, call: Call, at: float | None) -> None:
        """Set when the call's time is up; None, or infinity = never."""
        if at is None or at == math.inf:
            self._deadlines.cancel(call.id)
        else:
            self._deadlines.set(call.id, at)

    def next_deadline(self) -> float | None:
        return self._deadlines.next_deadline()

    def pop_due(self, now: float) -> Call | None:
        """The next call whose time is up and that is not ending already; None when there is none."""
        while (call_id := self._deadlines.pop_due(now)) is not None:
            call = self._calls.get(call_id)
            if call is not None and not call.over:
                return call
        return None
