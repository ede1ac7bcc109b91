"""Calls that come in to take the place of one that there is: attended transfer and pick-up (RFC 3891)."""

from __future__ import annotations

from voipnode.calls.admission import Admission, Admitted, Refusal
from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.events import CallReason, CallState
from voipnode.calls.media_host import media_host
from voipnode.calls.refusals import Refusals
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.replaces import Replacement


def _picks_up(admitted: Admitted, wanted: Replacement) -> bool:
    """Whether one of our telephones takes a call that rings at another one, which is no more than calling it."""
    return wanted.early and admitted.extension is not None and "extensions" in admitted.extension.may_call


class TakeOver:
    """Lets a caller have the place of a call's far side.

    Who may is decided as for everything that acts within a call: by where the packets come from, the far side's own
    address (a telephone system's, as a rule) or that of a caller whom the settings trust. The digits of the new party
    act only where the old one's did and the settings name the new one: Replaces never raises authorisation.
    """

    def __init__(self, core: CallCore, admission: Admission) -> None:
        self._core = core
        self._admission = admission
        self._refused = Refusals()

    def on_call(self, event: sip.IncomingCall, wanted: Replacement) -> None:
        """A new call that names the one that it is to replace."""
        core = self._core
        call = core.table.of_session(wanted.session)
        if call is None or call.over:
            core.endpoint.reject(event.session, 603, core.now)  # RFC 3891 §3: it is not wanted either
            return
        decision = self._admission.decide(event, core.table.engaged - 1, core.now)
        if isinstance(decision, Refusal):
            self._refuse(event, decision.status, decision.detail)
        elif not wanted.by_peer and not decision.authorised and not _picks_up(decision, wanted):
            self._refuse(event, 403, "it comes from elsewhere than the call that it is to replace")
        else:
            self._take(call, event, wanted, decision)

    def pick_up(self, call: Call, event: sip.IncomingCall, admitted: Admitted) -> None:
        """An extension answers a call of the door that rings elsewhere."""
        ringing = next(iter(call.legs))
        self._take(call, event, Replacement(ringing, early=True, by_peer=False), admitted)

    def _refuse(self, event: sip.IncomingCall, status: int, why: str) -> None:
        self._refused.note(event.source.remote.host, f"may not take over a call: {why}", self._core.now)
        self._core.endpoint.reject(event.session, status, self._core.now)

    def _take(self, call: Call, event: sip.IncomingCall, wanted: Replacement, admitted: Admitted) -> None:
        core, own = self._core, admitted.extension is not None
        host = media_host(core.local_address, event.source, event.offer)
        leg = core.open_leg(call, host, event.source, account=admitted.account if own else None)
        if leg is None:
            core.endpoint.reject(event.session, 503, core.now)
            return
        leg.proven = own  # by its password, whose challenge went to its address
        core.when_ready(call, leg, lambda: self._answer(call, leg, event, wanted, authorised=admitted.authorised))

    def _answer(
        self, call: Call, leg: SipLeg, event: sip.IncomingCall, wanted: Replacement, *, authorised: bool
    ) -> None:
        core = self._core
        if not core.endpoint.is_waiting(event.session):
            leg.close(core.now)  # withdrawn, while our addresses were being found out
            return
        try:
            body = leg.take_offer(event.offer, core.now) if event.offer is not None else leg.make_offer()
        except RemoteError as error:
            leg.close(core.now)  # what it wanted to replace stays as it was (RFC 3891 §3)
            core.endpoint.reject(event.session, error.status, core.now, headers=error.headers)
            return
        leg.session, leg.remote = event.session, str(event.request.from_.uri)
        core.table.attach(call, leg)
        core.endpoint.accept(event.session, body, core.now)
        call.authorised = call.authorised and authorised
        call.transferred = not authorised
        self._switch_over(call, leg, wanted)

    def _switch_over(self, call: Call, leg: SipLeg, wanted: Replacement) -> None:
        core = self._core
        if call.state is CallState.ACTIVE:
            core.hand_over(call, leg, f"taken over by {leg.remote}")
            core.hang_up(wanted.session)
            return
        # It rang, and somebody picks it up: the others are told that it was answered elsewhere.
        core.cancel_others(call, leg)
        call.remote = leg.remote
        core.activate(call, leg, CallReason.ACCEPTED_BY_REMOTE)
