"""Answers to INVITEs and re-INVITEs: provisional, 2xx until its ACK, refusals (RFC 3261 §13.3.1, §14.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from voipnode.sipstack.bodies import SDP, sdp_or_none
from voipnode.sipstack.core import EXPIRES, REPEAT_1XX, REPEAT_2XX, Core
from voipnode.sipstack.dialog import Dialog
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import CallConfirmed, ReinviteConfirmed
from voipnode.sipstack.exchange import Open
from voipnode.sipstack.message import Message, Request, Response, respond
from voipnode.sipstack.reliable import Reliable
from voipnode.sipstack.session import Action, Input, InviteSession, State
from voipnode.sipstack.session_timer import SessionTimers
from voipnode.sipstack.transaction.events import ServerArrival
from voipnode.sipstack.uas import ALLOW

REPEAT_1XX_S = 60.0  # RFC 3261 §13.3.1.1: every minute, against proxies that cancel after three
RENEW_1XX_S = 150.0  # RFC 3262 §3: reliable ones every two and a half


@dataclass(slots=True, eq=False)
class IncomingInvite:
    """An INVITE or re-INVITE that is not done with: unanswered, or its 2xx not acknowledged."""

    transaction: str
    request: Request
    tag: str  # ours, in the To of every response
    first: bool  # the INVITE that began the session
    last: Response | None = None  # what is repeated: a provisional response, or the 2xx
    accepted: bool = False
    interval_s: float = 0.0
    give_up_at: float = 0.0


class Answering:
    """Sends what the layer above answers to INVITEs, and repeats it as long as need be."""

    def __init__(self, core: Core, reliable: Reliable, timers: SessionTimers) -> None:
        self._core = core
        self.reliable = reliable
        self.timers = timers
        self._sessions: dict[str, InviteSession] = {}
        core.handlers |= {
            Action.SEND_480: self._send_480,
            Action.SEND_487: self._send_487,
            Action.SEND_504: lambda session, now, message: self.finish(session, 504, now),
            Action.REPORT_CONFIRMED: self._report_confirmed,
        }
        core.session_due |= {
            REPEAT_1XX: self.repeat_provisional,
            REPEAT_2XX: self.repeat_success,
            EXPIRES: lambda session, now: core.run(session, Input.EXPIRED, now),
        }

    def __len__(self) -> int:
        """How many INVITEs are being answered."""
        return len(self._sessions)

    def begin(self, session: InviteSession, arrival: ServerArrival, tag: str, now: float) -> None:
        """Take charge of an INVITE: 100 goes out at once, so that its client need not repeat it."""
        incoming = IncomingInvite(arrival.transaction_id, arrival.request, tag, session.state is State.INCOMING)
        session.incoming = incoming
        self._sessions[incoming.transaction] = session
        self._core.layer.send_response(incoming.transaction, respond(arrival.request, 100), now)

    def session_of(self, transaction: str) -> InviteSession | None:
        """The session whose INVITE this server transaction brought, while it is not done with."""
        return self._sessions.get(transaction)

    # ---- commands

    def ring(
        self, session: InviteSession, now: float, status: int, reason: str | None, body: bytes | None, reliable: bool
    ) -> None:
        if not 101 <= status <= 199:
            raise LocalError(f"{status} is no provisional response for a dialog (101 to 199)")
        self._not_held(session)
        self._core.run(session, Input.RING, now)
        incoming, dialog = _pending(session, first=True)
        self._core.add_dialog(session, dialog)
        if self.reliable.applies(incoming.request, reliable):
            if dialog.exchange.open is Open.NOTHING and body is None:
                raise LocalError(f"session {session.id}: the first reliable response holds our offer (RFC 3262 §5)")
            response = self._response(incoming, dialog, status, reason, dialog.exchange.send(body))
            self.reliable.send(session, incoming.transaction, incoming.request, response, now)
            incoming.last = None
            self._core.deadlines.set((REPEAT_1XX, session.id), now + RENEW_1XX_S)
            return
        # Without an acknowledgement its SDP is but a preview of the answer (RFC 6337 §3.1.1): the exchange stays open.
        preview = body if dialog.exchange.open is Open.THEIRS else None
        incoming.last = self._response(incoming, dialog, status, reason, preview)
        self._core.layer.send_response(incoming.transaction, incoming.last, now)
        self._core.deadlines.set((REPEAT_1XX, session.id), now + REPEAT_1XX_S)

    def accept(self, session: InviteSession, body: bytes | None, now: float) -> None:
        self._not_held(session)
        if not session.allows(Input.ACCEPT):
            self._core.run(session, Input.ACCEPT, now)  # says why not
        if not self.reliable.accepting(session, lambda later: self._accept_first(session, body, later)):
            self._accept_first(session, body, now)

    def _accept_first(self, session: InviteSession, body: bytes | None, now: float) -> None:
        self._core.run(session, Input.ACCEPT, now)
        incoming, dialog = _pending(session, first=True)
        dialog.confirm()
        self._core.add_dialog(session, dialog)
        self._core.deadlines.cancel((REPEAT_1XX, session.id))
        self._core.deadlines.cancel((EXPIRES, session.id))
        self._accept(session, incoming, dialog, body, now)

    def reject(
        self, session: InviteSession, status: int, now: float, reason: str | None, headers: Iterable[tuple[str, str]]
    ) -> None:
        _check_final(status)
        self._not_held(session)
        if session.allows(Input.REJECT):
            self.finish(session, status, now, reason, headers)
        self._core.run(session, Input.REJECT, now)

    def accept_reinvite(self, session: InviteSession, body: bytes, now: float) -> None:
        incoming, dialog = _pending(session, first=False)
        dialog.refresh_target(incoming.request)
        self._accept(session, incoming, dialog, body, now)

    def reject_reinvite(
        self, session: InviteSession, status: int, now: float, headers: Iterable[tuple[str, str]]
    ) -> None:
        _check_final(status)
        _pending(session, first=False)
        self.finish(session, status, now, None, headers)

    # ---- what happens meanwhile

    def finish(
        self,
        session: InviteSession,
        status: int,
        now: float,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Be done with the INVITE: refuse it where it is unanswered, stop repeating the 2xx where it is not."""
        incoming = session.incoming
        if incoming is None:
            return
        response = respond(incoming.request, status, reason, to_tag=incoming.tag, headers=headers)
        self._forget(session, incoming)
        if incoming.first and not incoming.accepted:
            self.reliable.refused(session, now)
        elif not incoming.first and session.dialog is not None:
            session.dialog.exchange.refused()
        if not incoming.accepted:
            self._core.layer.send_response(incoming.transaction, response, now)

    def acknowledged(self, session: InviteSession, ack: Request, now: float) -> None:
        """An ACK came in the session's dialog; repeated ones, and those of another INVITE, change nothing."""
        incoming = session.incoming
        if incoming is None or not incoming.accepted or ack.cseq.number != incoming.request.cseq.number:
            return
        self._forget(session, incoming)
        if session.dialog is not None and not session.dialog.exchange.settled:
            session.dialog.exchange.answer_received(sdp_or_none(ack))
        if incoming.first:
            self._core.run(session, Input.ACK, now, ack)
        else:
            self._core.tell(ReinviteConfirmed(session.id, sdp_or_none(ack)))

    def repeat_provisional(self, session: InviteSession, now: float) -> None:
        """A minute has passed since the last provisional response."""
        incoming, dialog = session.incoming, session.dialog
        if incoming is None or dialog is None or incoming.accepted:
            return
        if incoming.last is None:  # the last one was acknowledged: what keeps proxies patient must be acknowledged too
            if session.reliable is not None and not session.reliable.outstanding:
                response = self._response(incoming, dialog, 180, None, None)
                self.reliable.send(session, incoming.transaction, incoming.request, response, now)
            self._core.deadlines.set((REPEAT_1XX, session.id), now + RENEW_1XX_S)
            return
        self._core.layer.send_response(incoming.transaction, incoming.last, now)
        self._core.deadlines.set((REPEAT_1XX, session.id), now + REPEAT_1XX_S)

    def repeat_success(self, session: InviteSession, now: float) -> None:
        """The 2xx is due again, or has been in vain for 64*T1 (§13.3.1.4)."""
        incoming = session.incoming
        if incoming is None or incoming.last is None:
            return
        if now >= incoming.give_up_at:
            self._forget(session, incoming)
            self._core.run(session, Input.NO_ACK, now)
            return
        self._core.layer.send_response(incoming.transaction, incoming.last, now)
        incoming.interval_s = self._core.config.timers.next_interval_s(incoming.interval_s)
        self._core.deadlines.set((REPEAT_2XX, session.id), min(now + incoming.interval_s, incoming.give_up_at))

    def lost(self, transaction: str, now: float) -> None:
        """The network refused a response to an INVITE."""
        session = self._sessions.get(transaction)
        if session is not None and session.incoming is not None and session.incoming.first:
            self._core.run(session, Input.LOST, now)

    # ---- inside

    def _accept(
        self, session: InviteSession, incoming: IncomingInvite, dialog: Dialog, body: bytes | None, now: float
    ) -> None:
        response = self._response(incoming, dialog, 200, None, dialog.exchange.send(body))
        if dialog.exchange.open is Open.THEIRS:
            dialog.exchange.answer_sent(None)  # told by a preview at best; nothing more will come of this offer
        if self._core.config.option_tags:
            response.headers.add("Supported", ", ".join(self._core.config.option_tags))
        for name, value in session.answer_headers if incoming.first else ():
            response.headers.add(name, value)
        self.timers.grant(session, incoming.request, response, now)
        incoming.accepted = True
        incoming.last = response
        incoming.interval_s = self._core.config.timers.t1_s
        incoming.give_up_at = now + self._core.config.timers.timeout_s
        self._core.layer.send_response(incoming.transaction, response, now)
        self._core.deadlines.set((REPEAT_2XX, session.id), now + incoming.interval_s)

    def _response(
        self, incoming: IncomingInvite, dialog: Dialog, status: int, reason: str | None, body: bytes | None
    ) -> Response:
        """A response that makes or keeps a dialog: with Record-Route and Contact (§12.1.1)."""
        headers = [("Contact", dialog.contact), ("Allow", ALLOW)]
        if self._core.config.user_agent:
            headers.append(("Server", self._core.config.user_agent))
        response = respond(
            incoming.request,
            status,
            reason,
            to_tag=incoming.tag,
            headers=headers,
            body=body or b"",
            content_type=SDP if body else None,
        )
        response.headers.copy_fields(incoming.request.headers, "record-route")
        return response

    def _not_held(self, session: InviteSession) -> None:
        if self.reliable.is_held(session):
            raise LocalError(f"session {session.id}: it is answered; its 2xx waits for a PRACK (RFC 3262 §3)")

    def _forget(self, session: InviteSession, incoming: IncomingInvite) -> None:
        session.incoming = None
        del self._sessions[incoming.transaction]
        self._core.deadlines.cancel((REPEAT_2XX, session.id))

    def _send_480(self, session: InviteSession, now: float, message: Message | None) -> None:
        self.finish(session, 480, now, None, session.parting_headers)

    def _send_487(self, session: InviteSession, now: float, message: Message | None) -> None:
        self.finish(session, 487, now)

    def _report_confirmed(self, session: InviteSession, now: float, message: Message | None) -> None:
        body = None if message is None else sdp_or_none(message)
        self._core.tell(CallConfirmed(session.id, body))


def _pending(session: InviteSession, *, first: bool) -> tuple[IncomingInvite, Dialog]:
    """The INVITE that a command answers; LocalError where there is none."""
    incoming, dialog = session.incoming, session.dialog
    if incoming is None or dialog is None or incoming.accepted or incoming.first is not first:
        raise LocalError(f"session {session.id}: no {'INVITE' if first else 're-INVITE'} is waiting for an answer")
    return incoming, dialog


def _check_final(status: int) -> None:
    if not 300 <= status <= 699:
        raise LocalError(f"{status} refuses nothing (300 to 699)")
