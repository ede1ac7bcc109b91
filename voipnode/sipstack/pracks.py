"""PRACKs of ours: reliable provisional responses of the far side are taken in order and acknowledged (RFC 3262 §4)."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.sipstack.bodies import SDP
from voipnode.sipstack.client import DIALOG_GONE, Client
from voipnode.sipstack.config import RELIABLE, Extension
from voipnode.sipstack.core import Core
from voipnode.sipstack.dialog import Dialog
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import EndCause
from voipnode.sipstack.extension_fields import RAck, has_option, rseq_of
from voipnode.sipstack.message import Response
from voipnode.sipstack.requests import Kind, OutgoingRequest
from voipnode.sipstack.session import Input, InviteSession

UNANSWERED = 503  # what a request that the network refused counts as (RFC 3261 §8.1.3.1)


@dataclass(slots=True, eq=False)
class Acknowledged:
    """How far the reliable responses of one fork to one INVITE have come.

    `rack` is the latest in order. `due`: it brought an offer, and its PRACK waits for our answer. `under_way`: the
    PRACK has no final response yet. `failed`: it was refused, so that a repeated response gets another one.
    """

    rack: RAck
    due: bool = False
    under_way: bool = False
    failed: bool = False
    body: bytes | None = None


class Pracks:
    """Acknowledges the reliable provisional responses to our INVITEs and re-INVITEs."""

    def __init__(self, core: Core, client: Client) -> None:
        self._core = core
        self._client = client
        client.hearers[Kind.PRACK] = self._answered

    def is_reliable(self, response: Response) -> bool:
        """Whether the response asks for a PRACK; a 100 never does (§4)."""
        return (
            response.status > 100
            and self._core.config.reliable is not Extension.OFF
            and has_option(response.require, RELIABLE)
            and rseq_of(response) is not None
        )

    def take(
        self, outgoing: OutgoingRequest, dialog: Dialog, session: InviteSession, response: Response, now: float
    ) -> bool:
        """Whether a reliable response is new and in order; nothing may come of one that is not (§4)."""
        rseq = rseq_of(response)
        assert rseq is not None
        rack = RAck(rseq, response.cseq.number, response.cseq.method)
        known = outgoing.acknowledged.get(dialog.id)
        if known is None or known.rack.cseq != rack.cseq:  # the INVITE may have been repeated with credentials
            outgoing.acknowledged[dialog.id] = Acknowledged(rack)
            return True
        if rack == known.rack and known.failed:
            self._send(known, dialog, session, now)
        if rack.rseq != known.rack.rseq + 1 or known.due:
            return False  # a retransmission, one that overtook another, or one that our answer has to come before
        outgoing.acknowledged[dialog.id] = Acknowledged(rack)
        return True

    def acknowledge(
        self,
        outgoing: OutgoingRequest,
        dialog: Dialog,
        session: InviteSession,
        now: float,
        body: bytes | None = None,
    ) -> None:
        """Send the PRACK for what was taken last, with our answer in `body` where it brought an offer."""
        acknowledged = outgoing.acknowledged[dialog.id]
        acknowledged.due, acknowledged.body = False, body
        self._send(acknowledged, dialog, session, now)

    def _send(self, acknowledged: Acknowledged, dialog: Dialog, session: InviteSession, now: float) -> None:
        request = dialog.make_request("PRACK")
        request.headers.add("RAck", str(acknowledged.rack))
        acknowledged.failed = True  # until it is on its way: there may be no room for its transaction
        prack = self._client.in_dialog(Kind.PRACK, request, session, dialog, acknowledged.body, SDP, now)
        prack.acknowledges = acknowledged
        acknowledged.under_way, acknowledged.failed = True, False

    def _answered(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        acknowledged, session, dialog = outgoing.acknowledges, outgoing.session, outgoing.dialog
        assert acknowledged is not None
        assert session is not None
        assert dialog is not None
        acknowledged.under_way = False
        if response.status >= 300:
            acknowledged.failed = True
            if response.status in (*DIALOG_GONE, UNANSWERED):
                self.early_gone(session, dialog, response, now)

    def early_gone(self, session: InviteSession, dialog: Dialog, response: Response, now: float) -> None:
        """The far side of an early dialog does not know it, or is not there (RFC 3261 §12.2.1.2).

        The other forks go on ringing; where there is none, the call has come to nothing.
        """
        if session.early.get(dialog.id.remote_tag) is dialog:
            del session.early[dialog.id.remote_tag]
            self._core.remove_dialog(dialog)
        elif session.dialog is not dialog:
            return
        if not session.early and session.allows(Input.EARLY_GONE):
            session.cause, session.ended_status = EndCause.GONE, response.status
            self._core.run(session, Input.EARLY_GONE, now)


def due_in(session: InviteSession, tag: str) -> Dialog | None:
    """The fork whose reliable response brought an offer that waits for our answer; `tag` "" = whichever it is."""
    outgoing = session.outgoing
    if outgoing is None:
        return None
    for dialog in session.early.values():
        acknowledged = outgoing.acknowledged.get(dialog.id)
        if acknowledged is not None and acknowledged.due and tag in ("", dialog.id.remote_tag):
            return dialog
    if tag:
        raise LocalError(f"session {session.id}: no offer of fork {tag!r} waits for an answer")
    return None
