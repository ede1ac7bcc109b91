"""Where a new call goes: refused, to the door, to the place of a call that there is, or through the node."""

from __future__ import annotations

from voipnode.calls.admission import Admission, Admitted, Refusal
from voipnode.calls.core import CallCore
from voipnode.calls.exchange.destination import OUTSIDE, Caller, extension_caller
from voipnode.calls.exchange.exchange import Exchange
from voipnode.calls.exchange.identity import NOBODY, Identity, identity_of
from voipnode.calls.exchange.pickup import Picker
from voipnode.calls.incoming import Incoming
from voipnode.calls.refusals import Refusals
from voipnode.calls.take_over import TakeOver
from voipnode.sipstack import events as sip

LOOP = 482


class Reception:
    """Takes every INVITE that began no call yet, and brings it to who serves it."""

    def __init__(self, core: CallCore, admission: Admission, incoming: Incoming, exchange: Exchange) -> None:
        self._core = core
        self._admission = admission
        self._incoming = incoming
        self._exchange = exchange
        self._take_over = TakeOver(core, admission)
        self._pickup = exchange.pickup(self._take_over)
        self._refused = Refusals()

    def on_call(self, event: sip.IncomingCall) -> None:
        """Somebody calls."""
        core = self._core
        if not core.endpoint.is_waiting(event.session):
            return  # its CANCEL came in the same piece of a stream
        if event.replaces is not None and not self._exchange.owns(event.replaces.session):
            self._take_over.on_call(event, event.replaces)
            return
        decision = self._admission.admit(event, core.now)
        if isinstance(decision, Refusal):
            self._refuse(event, decision.status, decision.detail)
            return
        if core.endpoint.placed(event.request.call_id):  # a loop (RFC 3261 §16.3, step 4): the door would hear itself
            self._refuse(event, LOOP, "it is a call of our own that came back")
            return
        if decision.extension is not None:
            core.endpoint.hold_to_source(event.session)
        caller = caller_from(decision)
        shown = self._shown(event, decision)
        if event.replaces is not None:
            self._pickup.by_dialog(Picker(event, decision, caller, shown), event.replaces.session)
            return
        to = self._exchange.plan.route(caller, event.request.uri)
        if to.kind == "door":
            self._to_door(event, decision)
            return
        if to.kind == "pickup":
            self._pickup.by_code(Picker(event, decision, caller, shown), to.number)
            return
        if to.kind == "refused":
            self._note(event, to.why)
        self._exchange.on_call(event, decision.account, caller, shown, to)

    def _to_door(self, event: sip.IncomingCall, admitted: Admitted) -> None:
        objection = self._admission.at_door(self._core.table.engaged)
        if objection is not None:
            self._refuse(event, objection.status, objection.detail)
        else:
            self._incoming.let_in(event, admitted)

    def _shown(self, event: sip.IncomingCall, admitted: Admitted) -> Identity:
        """Whom the called party sees: an extension by its own number, whatever it calls itself; and nobody else by
        the number of one."""
        said = identity_of(event.request, from_server=admitted.from_server)
        extension = admitted.extension
        if extension is not None:
            return Identity(extension.number, extension.name or said.name, said.private)
        return NOBODY if self._exchange.plan.look_up(said.user).kind == "extension" else said

    def _refuse(self, event: sip.IncomingCall, status: int, why: str) -> None:
        self._note(event, why)
        self._core.endpoint.reject(event.session, status, self._core.now)

    def _note(self, event: sip.IncomingCall, why: str) -> None:
        caller = f"{event.source.remote.host} ({event.request.from_.uri})"
        self._refused.note(caller, f"call refused: {why}", self._core.now)


def caller_from(admitted: Admitted) -> Caller:
    """Who was let in, as the dial plan sees him."""
    extension = admitted.extension
    if extension is not None:
        return extension_caller(extension)
    return Caller("trunk", admitted.account.name) if admitted.from_server else OUTSIDE
