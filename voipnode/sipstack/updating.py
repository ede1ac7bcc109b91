"""UPDATE in both directions, in early and in confirmed dialogs; and the offers that PRACKs bring (RFC 3311).

It changes a session without an INVITE: what it asks must be answered at once, and nobody is asked first (§5.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from voipnode.sipstack.bodies import SDP, find_sdp, sdp_or_none
from voipnode.sipstack.client import DIALOG_GONE, Client
from voipnode.sipstack.core import Core
from voipnode.sipstack.dialog import Dialog, DialogState
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.events import EarlyAnswer, UpdateAnswered, UpdateReceived
from voipnode.sipstack.exchange import Open
from voipnode.sipstack.message import Request, Response, respond
from voipnode.sipstack.pracks import Pracks
from voipnode.sipstack.reliable import Reliable
from voipnode.sipstack.requests import Kind, OutgoingRequest, Refreshed, add_capabilities
from voipnode.sipstack.server import Server, no_dialog
from voipnode.sipstack.session import Input, InviteSession, State
from voipnode.sipstack.session_timer import SessionTimers
from voipnode.sipstack.transaction.events import ServerArrival
from voipnode.sipstack.uas import ALLOW


@dataclass(slots=True, eq=False)
class IncomingUpdate:
    """An UPDATE with an offer, or such a PRACK, that waits for our answer."""

    transaction: str
    request: Request
    session: InviteSession
    dialog: Dialog


class Updating:
    """Sends UPDATEs and answers those of the far side."""

    def __init__(
        self,
        core: Core,
        client: Client,
        pracks: Pracks,
        reliable: Reliable,
        timers: SessionTimers,
        server: Server,
    ) -> None:
        self._core = core
        self._client = client
        self._pracks = pracks
        self._reliable = reliable
        self._timers = timers
        self._server = server
        self._incoming: dict[str, IncomingUpdate] = {}
        client.hearers[Kind.UPDATE] = self._answered
        server.methods |= {"UPDATE": self._update, "PRACK": self._prack}

    def __len__(self) -> int:
        """How many UPDATEs wait for our answer."""
        return len(self._incoming)

    # ---- ours

    def update(self, session: InviteSession, offer: bytes | None, now: float, tag: str = "") -> str:
        dialog = self._dialog(session, tag)
        if dialog.update is not None:
            raise LocalError(f"session {session.id}: another UPDATE is under way (RFC 6337 §4.3)")
        if offer is not None and not self._may_offer(session, dialog):
            raise LocalError(f"session {session.id}: an offer is under way (RFC 3311 §5.1)")
        return self._send(session, dialog, offer, now).token

    def refresh(self, session: InviteSession, refreshed: Refreshed, now: float) -> None:
        """An UPDATE that changes nothing; LocalError while another one is under way."""
        dialog = session.dialog
        if dialog is None or dialog.update is not None:
            raise LocalError(f"session {session.id}: another UPDATE is under way (RFC 6337 §4.3)")
        self._send(session, dialog, None, now).refreshed = refreshed

    def _send(self, session: InviteSession, dialog: Dialog, offer: bytes | None, now: float) -> OutgoingRequest:
        request = dialog.make_request("UPDATE")
        request.headers.add("Contact", dialog.contact)  # a target refresh request needs one (§5.1)
        add_capabilities(request, self._core.config)
        self._timers.ask(session, request)
        outgoing = self._client.in_dialog(Kind.UPDATE, request, session, dialog, offer, SDP, now)
        dialog.update = outgoing.token
        if offer is not None:
            dialog.exchange.offer_sent(offer)
        return outgoing

    def _dialog(self, session: InviteSession, tag: str) -> Dialog:
        dialog = session.dialog
        if dialog is None and session.early:
            dialog = session.early.get(tag) if tag else next(reversed(session.early.values()))
        if dialog is None or session.state in (State.INCOMING, State.HANGING, State.CANCELLING):
            raise LocalError(f"session {session.id}: no dialog to send UPDATE in while {session.state.name}")
        return dialog

    def _may_offer(self, session: InviteSession, dialog: Dialog) -> bool:
        """§5.1: the first exchange is complete, and known to be so on both sides; no other is under way.

        After a PRACK means after its 2xx, or the two could overtake each other (RFC 6337 §4.3).
        """
        if not dialog.exchange.settled or (session.reliable is not None and session.reliable.outstanding):
            return False
        acknowledged = session.outgoing.acknowledged.get(dialog.id) if session.outgoing is not None else None
        return acknowledged is None or not acknowledged.under_way

    def _answered(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        session, dialog = outgoing.session, outgoing.dialog
        assert session is not None
        assert dialog is not None
        dialog.update = None
        body = None
        if response.status < 300:
            dialog.refresh_target(response)
            self._timers.granted(session, outgoing.request, response, now)
            body = sdp_or_none(response) if outgoing.request.body else None
            if outgoing.request.body:
                dialog.exchange.answer_received(body)
        elif outgoing.request.body:
            dialog.exchange.refused()
        if session.state is State.ENDED:
            return
        if outgoing.refreshed is not None:
            outgoing.refreshed(response, body, now)
        else:
            wait_s = self._core.glare_wait_s(session) if response.status == 491 else 0.0
            told = UpdateAnswered(session.id, outgoing.token, response.status, response.reason, body, wait_s)
            self._core.tell(told)
        if response.status not in DIALOG_GONE:
            return
        if session.dialog is dialog:
            self._core.run(session, Input.GONE, now)
        self._pracks.early_gone(session, dialog, response, now)

    # ---- theirs

    def _prack(self, arrival: ServerArrival, now: float) -> None:
        """RFC 3262 §3; an offer in it is answered in its 2xx, an answer is told (§5)."""
        if self._reliable.is_late(arrival.request):
            self._server.respond(arrival, 200, now)
            return
        session, dialog = self._server.dialog(arrival)
        self._reliable.acknowledge(session, arrival.request)
        body = sdp_or_none(arrival.request)
        if body is not None and dialog.exchange.settled:
            self._take_offer(arrival, session, dialog, body)
        else:
            self._server.respond(arrival, 200, now)
            if dialog.exchange.open is Open.OURS:
                dialog.exchange.answer_received(body)
                self._core.tell(EarlyAnswer(session.id, body))
        self._reliable.go_on(session, now)

    def _update(self, arrival: ServerArrival, now: float) -> None:
        """RemoteError 500 or 491 where another exchange is in its way (§5.2)."""
        request = arrival.request
        session, dialog = self._server.dialog(arrival)
        if session.closing:
            raise no_dialog()
        if any(waiting.dialog is dialog for waiting in self._incoming.values()):
            raise RemoteError(500, "Another UPDATE Is Being Answered", self._core.retry_after())
        self._timers.check(request)
        offer = find_sdp(request)
        if offer is not None:
            self._check_glare(dialog)
        if offer is None:
            dialog.refresh_target(request)
            self._respond(IncomingUpdate(arrival.transaction_id, request, session, dialog), None, now)
            return
        self._take_offer(arrival, session, dialog, offer)

    def _check_glare(self, dialog: Dialog) -> None:
        if dialog.exchange.open is Open.THEIRS:
            raise RemoteError(500, "Another Offer Is Being Answered", self._core.retry_after())
        if not dialog.exchange.settled:
            raise RemoteError(491, "Request Pending")

    def _take_offer(self, arrival: ServerArrival, session: InviteSession, dialog: Dialog, offer: bytes) -> None:
        """Tell of an offer that an UPDATE or PRACK brought; the layer above answers it."""
        dialog.exchange.offer_received(offer)
        waiting = IncomingUpdate(arrival.transaction_id, arrival.request, session, dialog)
        self._incoming[arrival.transaction_id] = waiting
        self._core.tell(UpdateReceived(session.id, offer, dialog.id.remote_tag))

    def accept(self, session: InviteSession, body: bytes, now: float) -> None:
        waiting = self._take(session)
        waiting.dialog.exchange.answer_sent(body)
        if waiting.request.method == "UPDATE":
            waiting.dialog.refresh_target(waiting.request)
        self._respond(waiting, body, now)

    def reject(self, session: InviteSession, status: int, now: float, headers: Iterable[tuple[str, str]] = ()) -> None:
        if not 300 <= status <= 699:
            raise LocalError(f"{status} refuses nothing (300 to 699)")
        waiting = self._take(session)
        waiting.dialog.exchange.refused()
        response = respond(waiting.request, status, headers=headers)
        self._core.layer.send_response(waiting.transaction, response, now)

    def is_waiting(self, session: InviteSession) -> bool:
        """Whether an offer of an UPDATE or PRACK waits for our answer."""
        return any(waiting.session is session for waiting in self._incoming.values())

    def ended(self, transaction: str) -> None:
        """The transaction is over: nobody waits for our answer any more."""
        waiting = self._incoming.pop(transaction, None)
        if waiting is not None:
            waiting.dialog.exchange.refused()

    def _take(self, session: InviteSession) -> IncomingUpdate:
        for name, waiting in self._incoming.items():
            if waiting.session is session:
                return self._incoming.pop(name)
        raise LocalError(f"session {session.id}: no UPDATE is waiting for an answer")

    def _respond(self, update: IncomingUpdate, body: bytes | None, now: float) -> None:
        request, dialog = update.request, update.dialog
        headers = [("Allow", ALLOW)]
        if request.method == "UPDATE":
            headers.append(("Contact", dialog.contact))
        if self._core.config.option_tags:
            headers.append(("Supported", ", ".join(self._core.config.option_tags)))
        response = respond(request, 200, headers=headers, body=body or b"", content_type=SDP if body else None)
        if request.method == "UPDATE" and dialog.state is DialogState.CONFIRMED:
            self._timers.grant(update.session, request, response, now)
        self._core.layer.send_response(update.transaction, response, now)
