"""Calling: our INVITEs and re-INVITEs, their forks, ACK and CANCEL (RFC 3261 §9.1, §13.2, §14.1)."""

from __future__ import annotations

from voipnode.sipstack.acks import Acks
from voipnode.sipstack.bodies import SDP, sdp_or_none
from voipnode.sipstack.client import DIALOG_GONE, Client
from voipnode.sipstack.config import RELIABLE, OutgoingInvite
from voipnode.sipstack.core import HOP_SILENT, Core
from voipnode.sipstack.dialog import Dialog, DialogId
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import CallAnswered, CallProgress, ReinviteAnswered
from voipnode.sipstack.exchange import Open
from voipnode.sipstack.flow import Flow
from voipnode.sipstack.hunting import Failure, Hunting
from voipnode.sipstack.message import Message, Request, Response
from voipnode.sipstack.pracks import Pracks, due_in
from voipnode.sipstack.requests import (
    CREDENTIALS,
    Kind,
    OutgoingRequest,
    Refreshed,
    add_capabilities,
    cancel_for,
    set_body,
)
from voipnode.sipstack.session import MAX_EARLY_DIALOGS, Action, Input, InviteSession, State
from voipnode.sipstack.session_timer import SessionTimers
from voipnode.sipstack.transport import Packet


class Calling:
    """Places calls and changes them, and acknowledges what is answered."""

    def __init__(self, core: Core, client: Client, pracks: Pracks, timers: SessionTimers) -> None:
        self._core = core
        self._client = client
        self._pracks = pracks
        self._timers = timers
        self.acks = Acks(core)
        self.hunting = Hunting(core, client, timers)
        client.progress[Kind.INVITE] = self._progress
        client.progress[Kind.REINVITE] = self._reinvite_progress
        client.hearers[Kind.INVITE] = self._invite_answered
        client.failures[Kind.INVITE] = self._invite_failed
        client.repeated[Kind.INVITE] = self._invite_repeated
        client.disconnected[Kind.INVITE] = self._invite_disconnected
        client.hearers[Kind.REINVITE] = self._reinvite_answered
        core.handlers |= {
            Action.SEND_CANCEL: self._send_cancel,
            Action.ACK_AND_REPORT: self._ack_and_report,
            Action.ACK_AND_BYE: self._ack_and_bye,
            Action.SEND_BYE: self._send_bye,
        }

    # ---- commands

    def invite(self, call: OutgoingInvite, now: float) -> str:
        return self.hunting.begin(call, now).id

    def acknowledge(self, session: InviteSession, body: bytes, now: float, tag: str = "") -> None:
        outgoing = session.outgoing
        fork = due_in(session, tag)
        if fork is not None and outgoing is not None:
            fork.exchange.answer_sent(body)
            self._pracks.acknowledge(outgoing, fork, session, now, body)
            return
        if outgoing is None or not outgoing.ack_due or session.dialog is None:
            raise LocalError(f"session {session.id}: no answer to an offer of the far side is due")
        self._acknowledge(outgoing, session.dialog, session, now, body)
        session.outgoing = None

    def refresh(self, session: InviteSession, offer: bytes, refreshed: Refreshed, now: float) -> None:
        """A re-INVITE that offers what is in force; LocalError while another one, or another offer, is under way."""
        self._reinvite(session, offer, now).refreshed = refreshed

    def reinvite(self, session: InviteSession, offer: bytes | None, now: float) -> str:
        return self._reinvite(session, offer, now).token

    def _reinvite(self, session: InviteSession, offer: bytes | None, now: float) -> OutgoingRequest:
        dialog = session.dialog
        if session.state is not State.CONFIRMED or dialog is None:
            raise LocalError(f"session {session.id}: no re-INVITE while {session.state.name}")
        if session.outgoing is not None or session.incoming is not None:
            raise LocalError(f"session {session.id}: another INVITE is under way (RFC 3261 §14.1)")
        if not dialog.exchange.settled:
            raise LocalError(f"session {session.id}: an offer is under way (RFC 3261 §13.2.1)")
        request = dialog.make_request("INVITE")
        request.headers.add("Contact", dialog.contact)
        add_capabilities(request, self._core.config)
        self._timers.ask(session, request)
        if offer is None:
            _without_100rel(request)
        outgoing = self._client.in_dialog(Kind.REINVITE, request, session, dialog, offer, SDP, now)
        session.outgoing = outgoing
        if offer is None:
            dialog.exchange.offer_wanted()
        else:
            dialog.exchange.offer_sent(offer)
        return outgoing

    # ---- the first INVITE

    def _progress(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        session = outgoing.session
        if session is None or session.outgoing is not outgoing:
            return
        self._core.run(session, Input.PROVISIONAL, now)
        if session.state is not State.PROCEEDING:
            return
        self.hunting.heard(session, response.status, now)
        if response.status == 100:
            return
        tag = response.to_tag or ""
        if tag and tag not in session.early and len(session.early) < MAX_EARLY_DIALOGS:
            dialog = session.early[tag] = _dialog_made_by(outgoing, response)
            self._core.add_dialog(session, dialog)
        self._report_progress(outgoing, session, tag, response, now)

    def _report_progress(
        self, outgoing: OutgoingRequest, session: InviteSession, tag: str, response: Response, now: float
    ) -> None:
        body, dialog = sdp_or_none(response), session.early.get(tag)
        if dialog is not None and dialog.exchange.settled:
            body = None  # any description after the answer is to be ignored (RFC 6337 §3.1.1)
        reliable = dialog is not None and self._pracks.is_reliable(response)
        is_offer = False
        if reliable and dialog is not None:
            if not self._pracks.take(outgoing, dialog, session, response, now):
                return
            is_offer = self._acknowledge_provisional(outgoing, dialog, session, body, now)
        self._core.tell(CallProgress(session.id, response.status, response.reason, tag, body, reliable, is_offer))

    def _acknowledge_provisional(
        self, outgoing: OutgoingRequest, dialog: Dialog, session: InviteSession, body: bytes | None, now: float
    ) -> bool:
        """Send the PRACK at once, or have it wait for our answer: True where the response brought the offer."""
        exchange = dialog.exchange
        if body is not None and exchange.open is Open.NOTHING:
            exchange.offer_received(body)
            outgoing.acknowledged[dialog.id].due = True
            return True
        if body is not None and exchange.open is Open.OURS:
            exchange.answer_received(body)
        self._pracks.acknowledge(outgoing, dialog, session, now)
        return False

    def _invite_answered(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        session = outgoing.session
        assert session is not None
        if response.status < 300:
            self._invite_accepted(outgoing, session, response, now)
            return
        if session.outgoing is not outgoing:
            return
        session.outgoing = None
        self._over(session, outgoing, Failure.of(response), now)

    def _invite_failed(self, outgoing: OutgoingRequest, happened: Input, why: str, now: float) -> None:
        session = outgoing.session
        if session is not None and session.outgoing is outgoing:
            session.outgoing = None
            self._over(session, outgoing, Failure(happened, reason=why), now)

    def _over(self, session: InviteSession, outgoing: OutgoingRequest, failure: Failure, now: float) -> None:
        """The first INVITE is over without a 2xx: at the hop that the call waits for, or at one that it left."""
        if session.hunt is None:
            self._core.run(session, failure.happened, now)
        else:
            self.hunting.failed(session, outgoing.hop, failure, now)

    def _invite_repeated(self, outgoing: OutgoingRequest, now: float) -> None:
        if outgoing.session is not None:
            self.hunting.asked_again(outgoing.session, outgoing.request.cseq.number, now)

    def _invite_disconnected(self, outgoing: OutgoingRequest, now: float) -> None:
        session = outgoing.session
        if session is not None and session.outgoing is outgoing:
            self.hunting.disconnected(session, now)

    def _invite_accepted(
        self, outgoing: OutgoingRequest, session: InviteSession, response: Response, now: float
    ) -> None:
        request = outgoing.request
        dialog_id = DialogId(request.call_id, request.from_tag or "", response.to_tag or "")
        if self.acks.repeat(dialog_id, request.cseq.number):
            return
        if session.dialog is not None and session.dialog.id == dialog_id:
            return  # repeated while the caller thinks about its offer
        if session.dialog is None and session.outgoing is outgoing and session.allows(Input.SUCCESS):
            self._core.run(session, Input.SUCCESS, now, response)
        elif session.unwanted >= MAX_EARLY_DIALOGS:
            # Each would cost an ACK kept for 32 s and a BYE to wherever it says.
            self._core.refuse(outgoing.hop, 0, "more forks answered than anybody has")
        else:
            session.unwanted += 1
            self._end_fork(outgoing, session, response, now)

    def _ack_and_report(self, session: InviteSession, now: float, message: Message | None) -> None:
        outgoing = session.outgoing
        assert outgoing is not None
        assert isinstance(message, Response)
        dialog = self._confirm(outgoing, session, message)
        self._timers.granted(session, outgoing.request, message, now)
        body = self._settle_ack(outgoing, dialog, session, sdp_or_none(message), now)
        self._core.tell(CallAnswered(session.id, body, dialog.id.remote_tag))

    def _ack_and_bye(self, session: InviteSession, now: float, message: Message | None) -> None:
        assert session.outgoing is not None
        assert isinstance(message, Response)
        self._end_fork(session.outgoing, session, message, now)

    def _confirm(self, outgoing: OutgoingRequest, session: InviteSession, response: Response) -> Dialog:
        """The dialog of a 2xx, now the session's only one (§13.2.2.4)."""
        dialog = self._dialog_of(outgoing, session, response)
        for other in session.early.values():
            self._core.remove_dialog(other)
        session.early.clear()
        session.dialog = dialog
        self._core.add_dialog(session, dialog)
        self._core.deadlines.cancel((HOP_SILENT, session.id))
        return dialog

    def _dialog_of(self, outgoing: OutgoingRequest, session: InviteSession, response: Response) -> Dialog:
        """The dialog of a 2xx: the early one of its tag, or a new one."""
        dialog = session.early.pop(response.to_tag or "", None)
        if dialog is None:
            return _dialog_made_by(outgoing, response)
        dialog.confirmed_by(response)
        dialog.flow = _flow_of(outgoing)
        return dialog

    def _settle_ack(
        self, outgoing: OutgoingRequest, dialog: Dialog, session: InviteSession, body: bytes | None, now: float
    ) -> bytes | None:
        """Send the ACK, or have it wait for our answer where the 2xx brought the offer (§13.2.1).

        Returns the description of the 2xx, None where an earlier one counts (RFC 6337 §3.1.1).
        """
        exchange = dialog.exchange
        if exchange.settled:
            body = None
        elif exchange.open is Open.NOTHING and body is not None:
            exchange.offer_received(body)
        elif exchange.open is not Open.THEIRS:
            exchange.answer_received(body)
        if exchange.open is Open.THEIRS and session.state is not State.ENDED:
            outgoing.ack_due = True
            return body
        self._acknowledge(outgoing, dialog, session, now, None)
        session.outgoing = None
        return body

    def _end_fork(self, outgoing: OutgoingRequest, session: InviteSession, response: Response, now: float) -> None:
        """A 2xx that is not wanted, or not wanted any more: ACK, then BYE (§13.2.2.4)."""
        dialog = self._dialog_of(outgoing, session, response)
        self._core.remove_dialog(dialog)
        self._acknowledge(outgoing, dialog, session, now, None)
        self._client.bye(session, dialog, now)

    def _send_cancel(self, session: InviteSession, now: float, message: Message | None) -> None:
        invite = session.outgoing
        assert invite is not None
        request = cancel_for(invite.request, session.parting_headers)
        self._client.start(OutgoingRequest(Kind.CANCEL, request, invite.hop, session), now)

    # ---- within a dialog

    def _acknowledge(
        self, outgoing: OutgoingRequest, dialog: Dialog, session: InviteSession, now: float, body: bytes | None
    ) -> None:
        """Send the ACK to a 2xx, and keep it for when the 2xx is repeated."""
        number = outgoing.request.cseq.number
        ack = dialog.make_request("ACK", cseq=number)
        if body is not None:
            dialog.exchange.answer_sent(body)
        for name in CREDENTIALS:  # the same as in the INVITE (RFC 3261 §13.2.2.4, §22.1)
            ack.headers.copy_fields(outgoing.request.headers, name)
        set_body(ack, body, SDP)
        hop, fallback = self._core.ways_for(dialog, session)
        self._client.add_via(ack, hop)
        self.acks.send(dialog.id, number, Packet(ack.to_bytes(), hop), fallback, now)
        outgoing.ack_due = False

    def _send_bye(self, session: InviteSession, now: float, message: Message | None) -> None:
        dialog, outgoing = session.dialog, session.outgoing
        assert dialog is not None
        if outgoing is not None and outgoing.ack_due:
            self._acknowledge(outgoing, dialog, session, now, None)
        session.closing = self._client.bye(session, dialog, now)

    def _reinvite_progress(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        session, dialog = outgoing.session, outgoing.dialog
        assert session is not None
        assert dialog is not None
        if session.state is State.ENDED:
            self._core.layer.abandon(outgoing.transaction, now)
        elif self._pracks.is_reliable(response) and self._pracks.take(outgoing, dialog, session, response, now):
            body = sdp_or_none(response)
            if body is not None and dialog.exchange.open is Open.OURS:
                outgoing.answer = body  # told with the 2xx, which holds none then
                dialog.exchange.answer_received(body)
            self._pracks.acknowledge(outgoing, dialog, session, now)

    def _reinvite_answered(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        session, dialog = outgoing.session, outgoing.dialog
        assert session is not None
        assert dialog is not None
        body = None
        if response.status < 300:
            if self.acks.repeat(dialog.id, outgoing.request.cseq.number) or outgoing.ack_due:
                return
            dialog.refresh_target(response)
            self._timers.granted(session, outgoing.request, response, now)
            body = self._settle_ack(outgoing, dialog, session, sdp_or_none(response), now) or outgoing.answer
        elif session.outgoing is outgoing:
            session.outgoing = None
            dialog.exchange.refused()
        if session.state is State.ENDED:
            return
        if outgoing.refreshed is not None:
            outgoing.refreshed(response, body, now)
        else:
            wait_s = self._core.glare_wait_s(session) if response.status == 491 else 0.0
            told = ReinviteAnswered(session.id, outgoing.token, response.status, response.reason, body, wait_s)
            self._core.tell(told)
        if response.status in DIALOG_GONE:
            self._core.run(session, Input.GONE, now)


def _dialog_made_by(outgoing: OutgoingRequest, response: Response) -> Dialog:
    dialog = Dialog.from_uac(outgoing.request, response)
    dialog.learn(response)
    dialog.flow = _flow_of(outgoing)
    if outgoing.request.body:
        dialog.exchange.offer_sent(outgoing.request.body)
    return dialog


def _flow_of(outgoing: OutgoingRequest) -> Flow:
    by, session = outgoing.answered_by, outgoing.session
    only = session is not None and session.hunt is not None and session.hunt.call.only_hop
    return Flow(outgoing.hop, theirs=False, heard_at="" if by is None else by.remote.host, only=only)


def _without_100rel(request: Request) -> None:
    """A re-INVITE that asks for an offer: one in a provisional response would have to be answered in its PRACK."""
    tags = [tag for tag in request.supported if tag != RELIABLE]
    request.headers.remove("Supported")
    if tags:
        request.headers.add("Supported", ", ".join(tags))
