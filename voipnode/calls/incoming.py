"""Calls to the door: ringing, answered."""

from __future__ import annotations

from voipnode.calls.admission import Admitted
from voipnode.calls.call import Call
from voipnode.calls.callers import caller_of
from voipnode.calls.core import CallCore, no_common_audio
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import CallReason, CallState
from voipnode.calls.media_host import media_host
from voipnode.calls.paging import answer_wish
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import RemoteError


class Incoming:
    """Takes calls from others and follows them until they are answered here."""

    def __init__(self, core: CallCore) -> None:
        self._core = core

    def let_in(self, event: sip.IncomingCall, admitted: Admitted) -> None:
        """Somebody who may calls the door."""
        core = self._core
        request = event.request
        remote = str(caller_of(request, from_server=admitted.from_server))
        call = core.table.new("incoming", admitted.account, remote, authorised=admitted.authorised)
        call.sip_call_id = request.call_id
        leg = core.open_leg(call, media_host(core.local_address, event.source, event.offer), event.source)
        if leg is None:
            core.table.drop(call)
            core.endpoint.reject(event.session, 503, core.now)
            return
        leg.session, leg.remote = event.session, call.remote
        core.table.attach(call, leg)
        if event.offer is None:  # the offer is ours to make, and it has to be whole (RFC 3264 §4)
            core.when_ready(call, leg, lambda: self._ring(call, leg, event, admitted))
        else:
            self._ring(call, leg, event, admitted)

    def _ring(self, call: Call, leg: SipLeg, event: sip.IncomingCall, admitted: Admitted) -> None:
        core, request = self._core, event.request
        if not core.endpoint.is_waiting(event.session) or not self._prepare_answer(call, leg, event.offer):
            return
        may_page = admitted.account.page_auto_answer and (admitted.authorised or admitted.from_server)
        wish = answer_wish(request, privileged=admitted.authorised)
        at_once = admitted.account.auto_answer or (may_page and wish.mode == "auto")
        if wish.required and (wish.mode == "auto") is not at_once:
            core.table.leg_failed(call, (CallReason.DENIED, 403, "it wanted to be answered otherwise or not at all"))
            core.endpoint.reject(event.session, 403, core.now)  # RFC 5373 §4.5
            return
        if at_once:
            # RFC 5373 §5.1: told to those who asked in its words, and to nobody else.
            told = (("Answer-Mode", "Auto"),) if wish.field.endswith("Answer-Mode") else ()
            self._accept(call, leg, told)
            return
        # Where the caller wants ringing acknowledged and offered nothing, the offer is ours to make now (RFC 3262 §5).
        core.endpoint.ring(event.session, core.now, body=call.answer_body if event.offer is None else None)
        core.table.limit(call, core.now + core.settings.incoming_call_timeout_s)
        core.table.enter(call, CallState.RINGING, CallReason.INITIATED, now=core.now, status=180)

    def _prepare_answer(self, call: Call, leg: SipLeg, offer: bytes | None) -> bool:
        """Look at the offer before anything rings: what cannot be talked is refused at once."""
        core = self._core
        try:
            call.answer_body = leg.take_offer(offer, core.now) if offer is not None else leg.make_offer()
            if offer is not None and not leg.ready:
                core.when_ready(call, leg, lambda: self._complete_answer(call, leg, offer))
        except RemoteError as error:
            core.table.leg_failed(call, no_common_audio(error))
            core.endpoint.reject(leg.session, error.status, core.now, headers=error.headers)
            return False
        return True

    def _complete_answer(self, call: Call, leg: SipLeg, offer: bytes) -> None:
        """While it rang, more of our addresses became known."""
        if self._core.endpoint.is_waiting(leg.session):
            call.answer_body = leg.take_offer(offer, self._core.now, again=True)

    def answer(self, call: Call) -> None:
        """Somebody here answers. Raises NotNowError when there is nothing to answer."""
        if call.direction != "incoming" or call.state is not CallState.RINGING:
            raise NotNowError(f'call "{call.id}" is {call.state}: only an incoming call that rings can be answered')
        (leg,) = call.legs.values()
        self._accept(call, leg)

    def _accept(self, call: Call, leg: SipLeg, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._core.when_ready(call, leg, lambda: self._accept_now(call, leg, headers))

    def _accept_now(self, call: Call, leg: SipLeg, headers: tuple[tuple[str, str], ...]) -> None:
        core = self._core
        if not core.endpoint.is_waiting(leg.session):
            return  # withdrawn, or answered by another command, while our addresses were being found out
        core.endpoint.accept(leg.session, call.answer_body, core.now, headers)
        if call.state is CallState.IDLE:  # answered by itself: it never rang, but everybody hears of it in order
            core.table.enter(call, CallState.RINGING, CallReason.INITIATED, now=core.now)
        core.activate(call, leg, CallReason.ACCEPTED_BY_DEVICE)

    def on_early_answer(self, call: Call, event: sip.EarlyAnswer) -> None:
        """A PRACK brought the answer to the offer that our ringing carried."""
        self._take_answer(call, call.legs[event.session], event.body)

    def on_confirmed(self, call: Call, event: sip.CallConfirmed) -> None:
        """The ACK came, with the answer where our 2xx carried the offer (RFC 3264 §4, RFC 3261 §13.2.1)."""
        leg = call.legs[event.session]
        leg.proven = True  # the ACK carried the tag of our 2xx, which went to the address of the caller
        if leg.agreed is None:
            self._take_answer(call, leg, event.body)
        else:
            self._core.direction_changed(call, leg)

    def _take_answer(self, call: Call, leg: SipLeg, body: bytes | None) -> None:
        try:
            leg.take_answer(body or b"", self._core.now)
        except RemoteError as error:
            self._core.end(call, no_common_audio(error))
            return
        self._core.direction_changed(call, leg)
