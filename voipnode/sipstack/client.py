"""The UAC side of the endpoint: requests of ours, and what comes of them (RFC 3261 §8.1, §12.2.1, §15.1.1, §22.2).

What is particular to INVITE is in `calling`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from voipnode.sipstack.core import Core
from voipnode.sipstack.dialog import Dialog
from voipnode.sipstack.digest import DigestSession
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import AddressLearnt, RequestFinished
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.long_requests import LongRequests
from voipnode.sipstack.message import Request, Response
from voipnode.sipstack.requests import Kind, OutgoingRequest, repeat_with, set_body
from voipnode.sipstack.session import Input, InviteSession, State
from voipnode.sipstack.transport import Hop

CHALLENGES = (401, 407)
DIALOG_GONE = (481, 408)  # RFC 3261 §12.2.1.2

Hearer = Callable[[OutgoingRequest, Response, float], None]
FailureHearer = Callable[[OutgoingRequest, Input, str, float], None]
Corrector = Callable[[OutgoingRequest, Response, float], bool]


class Client:
    """Sends requests and hears their answers.

    `hearers` and `progress` say who acts on them, `failures` who is told of time-outs and transport errors instead of
    being given a 408 or 503 for them, `repeated` who is told when a challenge was answered, `disconnected` when the
    connection that brought a provisional response is gone; `calling` and `outside` add their own.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._requests: dict[str, OutgoingRequest] = {}
        self._long_requests = LongRequests(core.config.tcp_above_bytes)
        self.progress: dict[Kind, Hearer] = {}
        self.failures: dict[Kind, FailureHearer] = {}
        self.repeated: dict[Kind, Callable[[OutgoingRequest, float], None]] = {}
        self.correct: dict[int, Corrector] = {}  # by status: who may send the request again, put right
        self.disconnected: dict[Kind, Callable[[OutgoingRequest, float], None]] = {}
        self.hearers: dict[Kind, Hearer] = {
            Kind.CANCEL: self._nothing_to_do,
            Kind.BYE: self._bye_answered,
            Kind.IN_DIALOG: self._finished,
        }

    def __len__(self) -> int:
        """How many requests are being remembered."""
        return len(self._requests)

    # ---- commands

    def info(self, session: InviteSession, content_type: str, body: bytes, now: float) -> str:
        dialog = session.dialog
        if session.state in (State.INCOMING, State.HANGING) or (dialog is None and not session.early):
            raise LocalError(f"session {session.id}: no dialog to send INFO in while {session.state.name}")
        if dialog is None:
            dialog = next(reversed(session.early.values()))  # the fork that was heard of last
        request = dialog.make_request("INFO")
        return self.in_dialog(Kind.IN_DIALOG, request, session, dialog, body, content_type, now).token

    # ---- what the transaction layer tells

    def response(self, transaction: str, response: Response, source: Hop, now: float) -> None:
        """A response to a request of ours, and where it came from."""
        outgoing = self._requests.get(transaction)
        if outgoing is None:
            return
        outgoing.answered_by = source
        if outgoing.hop.reliable:
            outgoing.hop = replace(outgoing.hop, connection=source.connection)
        outgoing.heard = True
        seen_at = self._core.own_addresses.learn(outgoing.hop, response.via, now)
        if seen_at is not None:
            self._core.tell(AddressLearnt(outgoing.hop, seen_at))
        if response.status < 200:
            if outgoing.kind in self.progress:
                self.progress[outgoing.kind](outgoing, response, now)
            return
        if response.status in CHALLENGES and self._repeat_with_credentials(outgoing, response, now):
            return
        outgoing.answered = True
        correct = self.correct.get(response.status)
        if correct is not None and correct(outgoing, response, now):
            return
        if response.status < 300 and outgoing.digest is not None:
            outgoing.digest.learn(response.headers.items())
        self.hearers[outgoing.kind](outgoing, response, now)
        if outgoing.kind is not Kind.INVITE and outgoing.kind is not Kind.REINVITE:
            self._requests.pop(transaction, None)  # only an INVITE may be answered more than once

    def timed_out(self, transaction: str, now: float) -> None:
        """No final response came (timers B and F, or 64*T1 after CANCEL): as good as 408 (§8.1.3.1)."""
        self._failed(transaction, Input.TIMEOUT, Response(408), now)

    def lost(self, transaction: str, now: float, why: str = "") -> None:
        """The network refused the request: as good as 503 (§8.1.3.1), with `why` for a reason phrase."""
        if self._again_over_udp(transaction, now):
            return
        self._failed(transaction, Input.LOST, Response(503, printable(why) or None), now, why)

    def rerouted(self, transaction: str, now: float) -> None:
        """The connection over which our INVITE got a provisional response is gone."""
        outgoing = self._requests.get(transaction)
        if outgoing is not None:
            outgoing.hop = replace(outgoing.hop, connection=None)
            if outgoing.kind in self.disconnected:
                self.disconnected[outgoing.kind](outgoing, now)

    def ended(self, transaction: str) -> None:
        """The transaction is over."""
        self._requests.pop(transaction, None)

    def drop(self, outgoing: OutgoingRequest, now: float) -> None:
        """Nobody wants the answer any more: forget the request and let its transaction repeat it no longer."""
        self._requests.pop(outgoing.transaction, None)
        self._core.layer.give_up(outgoing.transaction, now)

    def _failed(self, transaction: str, happened: Input, stand_in: Response, now: float, why: str = "") -> None:
        outgoing = self._requests.pop(transaction, None)
        if outgoing is None:
            return
        if outgoing.kind in self.failures:
            self.failures[outgoing.kind](outgoing, happened, why, now)
        else:
            self.hearers[outgoing.kind](outgoing, stand_in, now)

    def _bye_answered(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        """Whatever the answer, the dialog is over (§15.1.1)."""
        assert outgoing.dialog is not None
        self._core.remove_dialog(outgoing.dialog)

    def _finished(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        session = outgoing.session
        name = "" if session is None else session.id
        answer = response if outgoing.answered else None
        self._core.tell(
            RequestFinished(outgoing.token, outgoing.request.method, response.status, response.reason, name, answer)
        )
        if session is not None and response.status in DIALOG_GONE and session.state is not State.ENDED:
            self._core.run(session, Input.GONE, now)

    def _nothing_to_do(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        """The answer to CANCEL says nothing: what counts is the INVITE's (§9.1)."""

    # ---- sending

    def send(self, outgoing: OutgoingRequest, now: float) -> None:
        """Put Via on the request and start its transaction; LocalError where there is no room for one."""
        self.add_via(outgoing.request, outgoing.hop)
        if self._long_requests.switch_to_tcp(outgoing, now):
            self._renew_via(outgoing)
        self.start(outgoing, now)

    def _again_over_udp(self, transaction: str, now: float) -> bool:
        """Where TCP was our idea only and is not taken, send the request as a datagram after all (§18.1.1)."""
        outgoing = self._requests.get(transaction)
        if outgoing is None or not self._long_requests.back_to_udp(outgoing, now):
            return False
        self._renew_via(outgoing)
        try:
            self.start(outgoing, now)
        except LocalError:
            return False
        del self._requests[transaction]
        return True

    def _renew_via(self, outgoing: OutgoingRequest) -> None:
        outgoing.request.headers.remove("Via")  # ours alone: we are nobody's proxy
        self.add_via(outgoing.request, outgoing.hop)

    def start(self, outgoing: OutgoingRequest, now: float) -> None:
        """Start the transaction of a request that has its Via; LocalError where there is no room for one."""
        outgoing.transaction = self._core.layer.send_request(outgoing.request, outgoing.hop, now, outgoing.fallback)
        self._requests[outgoing.transaction] = outgoing

    def add_via(self, request: Request, hop: Hop) -> None:
        """Our Via with a fresh branch, asking for rport (RFC 3261 §8.1.1.7, RFC 3581 §3)."""
        at = self._core.own_addresses.via(hop)
        branch = self._core.entropy.branch()
        request.headers.prepend("Via", f"SIP/2.0/{hop.transport} {at};branch={branch};rport")

    def bye(self, session: InviteSession, dialog: Dialog, now: float) -> bool:
        """Send BYE; False where there was no room for its transaction: the far side will find out by itself."""
        dialog.terminate()
        request = dialog.make_request("BYE")
        for name, value in session.parting_headers:
            request.headers.add(name, value)
        try:
            self.in_dialog(Kind.BYE, request, session, dialog, None, "", now)
        except LocalError:
            return False
        return True

    def in_dialog(
        self,
        kind: Kind,
        request: Request,
        session: InviteSession | None,
        dialog: Dialog,
        body: bytes | None,
        content_type: str,
        now: float,
    ) -> OutgoingRequest:
        """Send a request that `dialog` made, with the credentials that its peers are known to ask for (§22.2)."""
        set_body(request, body, content_type)
        tags = self._core.config.option_tags
        if tags and "Supported" not in request.headers:
            request.headers.add("Supported", ", ".join(tags))  # RFC 4028 §7.1: in each request except ACK
        digest = None if session is None else session.digest
        if digest is not None:
            self.sign(request, digest)
        hop, fallback = self._core.ways_for(dialog, session)
        outgoing = OutgoingRequest(kind, request, hop, session, dialog, self._core.number(), digest, fallback=fallback)
        self.send(outgoing, now)
        return outgoing

    def sign(self, request: Request, digest: DigestSession) -> None:
        """Add the credentials that are known to be asked for (§22.2)."""
        if not digest.asked:
            return
        cnonce, uri = self._core.entropy.cnonce(), request.uri_text
        for name, value in digest.prepare(method=request.method, uri=uri, cnonce=cnonce, body=request.body):
            request.headers.add(name, value)

    def repeat(self, outgoing: OutgoingRequest, request: Request, now: float) -> bool:
        """Send a request of ours again, put right; False where the call is over, or there is no room for it."""
        session, first_invite = outgoing.session, outgoing.kind is Kind.INVITE
        if session is not None and first_invite and not session.allows(Input.CHALLENGED):
            return False
        self._requests.pop(outgoing.transaction, None)
        outgoing.request = request
        outgoing.attempts += 1
        if session is not None and first_invite:
            self._core.run(session, Input.CHALLENGED, now)
        try:
            self.send(outgoing, now)
        except LocalError:
            return False  # no room for another transaction: the refusal stands
        if outgoing.kind in self.repeated:
            self.repeated[outgoing.kind](outgoing, now)
        return True

    def _repeat_with_credentials(self, outgoing: OutgoingRequest, response: Response, now: float) -> bool:
        """Answer a challenge by sending the request again; False where it cannot or need not be."""
        session, digest = outgoing.session, outgoing.digest
        if digest is None or outgoing.attempts >= digest.max_attempts or outgoing.kind is Kind.CANCEL:
            return False
        if session is not None and outgoing.kind is Kind.INVITE and not session.allows(Input.CHALLENGED):
            return False
        request = outgoing.request
        credentials = digest.respond(
            response.headers.items(),
            method=request.method,
            uri=request.uri_text,
            cnonce=self._core.entropy.cnonce(),
            body=request.body,
            refused=request.headers.items(),
        )
        if not credentials:
            return False
        return self.repeat(outgoing, repeat_with(outgoing, credentials), now)
