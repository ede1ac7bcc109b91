"""REFER from us: we ask the far side of a call to call somebody else, and hear how it goes (RFC 3515, RFC 5589)."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.sipstack.client import DIALOG_GONE, Client
from voipnode.sipstack.core import Core
from voipnode.sipstack.dialog import Dialog
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.event_fields import SIPFRAG, EventField, SubscriptionState, parse_sipfrag
from voipnode.sipstack.events import TransferProgress
from voipnode.sipstack.message import Request, Response
from voipnode.sipstack.notifications import Notifications
from voipnode.sipstack.replaces import Replaces, referring_to
from voipnode.sipstack.requests import Kind, OutgoingRequest
from voipnode.sipstack.server import is_peer
from voipnode.sipstack.session import Input, InviteSession, State
from voipnode.sipstack.transaction.events import ServerArrival
from voipnode.sipstack.uri import SipUri

REFERENCE_ENDS = "a reference of ours ends"
MAX_REFERENCE_S = 300.0


@dataclass(slots=True, eq=False)
class Reference:
    """A REFER of ours, and the subscription that it made: alive until the last NOTIFY, or its time is up."""

    outgoing: OutgoingRequest
    session: InviteSession
    dialog: Dialog
    owner: Referring
    status: int = 0
    reason: str = ""

    def matches(self, event: EventField) -> bool:
        """The id is the CSeq number of the REFER; the first of a dialog may go without (RFC 3515 §2.4.6)."""
        return event.package == "refer" and event.id in ("", str(self.outgoing.request.cseq.number))

    def notified(self, arrival: ServerArrival, state: SubscriptionState, now: float) -> None:
        if not is_peer(arrival.source, self.session, self.dialog):
            raise RemoteError(403, "Forbidden")
        self.dialog.check_order(arrival.request)
        self.owner.notified(self, arrival.request, state, now)


class Referring:
    """Sends REFER, one at a time for each call, and tells what comes of it."""

    def __init__(self, core: Core, client: Client, notifications: Notifications) -> None:
        self._core = core
        self._client = client
        self._notifications = notifications
        self._references: dict[str, Reference] = {}
        client.hearers[Kind.REFER] = self._answered
        core.due[REFERENCE_ENDS] = self._expired

    def __len__(self) -> int:
        """How many references are being followed."""
        return len(self._references)

    def refer(
        self,
        session: InviteSession,
        refer_to: SipUri | None,
        now: float,
        *,
        replaces: InviteSession | None,
        referred_by: str,
    ) -> str:
        """Send REFER; see `Endpoint.refer`."""
        dialog = _confirmed(session)
        if any(reference.session is session for reference in self._references.values()):
            raise LocalError(f"session {session.id}: another REFER is under way")
        if replaces is not None:
            other = _confirmed(replaces)
            # The Contact of the far side is what reaches the very device that is in the call (RFC 5589 §7.3).
            refer_to = referring_to(refer_to or other.remote_target, Replaces.of_dialog(other))
        if refer_to is None:
            raise LocalError("REFER needs somebody to refer to")
        request = dialog.make_request("REFER")
        request.headers.add("Refer-To", f"<{refer_to}>")
        if referred_by:
            request.headers.add("Referred-By", referred_by)
        request.headers.add("Contact", dialog.contact)
        outgoing = self._client.in_dialog(Kind.REFER, request, session, dialog, None, "", now)
        reference = self._references[outgoing.token] = Reference(outgoing, session, dialog, self)
        self._notifications.watch(dialog.id, reference)  # a NOTIFY may overtake the 202 (RFC 3515 §2.4.4)
        return outgoing.token

    def notified(self, reference: Reference, request: Request, state: SubscriptionState, now: float) -> None:
        """A NOTIFY of the reference; RemoteError 415 for a body that is no sipfrag (RFC 3515 §2.4.5)."""
        if request.body:
            media_type = request.content_type
            if media_type is None or media_type.essence != SIPFRAG:
                raise RemoteError(415, "Unsupported Media Type", (("Accept", SIPFRAG),))
            reference.status, reference.reason = parse_sipfrag(request.body)
        if state.terminated:
            self._finish(reference)
            return
        limit_s = MAX_REFERENCE_S if state.expires_s is None else min(state.expires_s, MAX_REFERENCE_S)
        # Its last NOTIFY may be repeated for 64*T1 after that time.
        self._core.deadlines.set(
            (REFERENCE_ENDS, reference.outgoing.token), now + limit_s + self._core.config.timers.timeout_s
        )
        self._tell(reference, final=False)

    def _answered(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        reference = self._references.get(outgoing.token)
        if reference is None:
            return  # the last NOTIFY came first
        if response.status < 300 and (response.headers.get("Refer-Sub") or "").lower() != "false":
            if reference.status == 0:  # a NOTIFY is to come within 64*T1 (RFC 6665 §4.1.2.4, Timer N)
                wait_s = self._core.config.timers.timeout_s
                self._core.deadlines.set((REFERENCE_ENDS, outgoing.token), now + wait_s)
            return
        # Refused; or accepted with nothing more to be heard of it (RFC 4488 §4).
        reference.status, reference.reason = response.status, response.reason
        self._finish(reference)
        if response.status in DIALOG_GONE and reference.session.state is not State.ENDED:
            self._core.run(reference.session, Input.GONE, now)

    def _expired(self, key: object, now: float) -> None:
        reference = self._references.get(str(key))
        if reference is not None:
            reference.status, reference.reason = 408, "Nothing Heard"
            self._finish(reference)

    def _finish(self, reference: Reference) -> None:
        del self._references[reference.outgoing.token]
        self._notifications.forget(reference.dialog.id, reference)
        self._core.deadlines.cancel((REFERENCE_ENDS, reference.outgoing.token))
        self._tell(reference, final=True)

    def _tell(self, reference: Reference, *, final: bool) -> None:
        token, status, reason = reference.outgoing.token, reference.status, reference.reason
        self._core.tell(TransferProgress(reference.session.id, token, status, reason, final))


def _confirmed(session: InviteSession) -> Dialog:
    if session.state is not State.CONFIRMED or session.dialog is None:
        raise LocalError(f"session {session.id}: no transfer while {session.state.name}")
    return session.dialog
