"""The UAS side of the endpoint: requests of others, and our answers.

RFC 3261 §8.2 (any request), §9.2 (CANCEL), §12.2.2 (within a dialog), §13.3 (INVITE), §14.2 (re-INVITE), §15.1.2 (BYE).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from voipnode.sipstack.answering import Answering
from voipnode.sipstack.core import EXPIRES, Core
from voipnode.sipstack.dialog import Dialog, DialogId
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.events import IncomingCall, InfoReceived, ReinviteCancelled, ReinviteReceived
from voipnode.sipstack.exchange import Open
from voipnode.sipstack.flow import Flow
from voipnode.sipstack.message import Request, respond
from voipnode.sipstack.reason_field import reasons_of
from voipnode.sipstack.replaces import Replacement
from voipnode.sipstack.routing import wants_secure_contact
from voipnode.sipstack.session import UAS_TABLE, Input, InviteSession, State
from voipnode.sipstack.transaction.events import ArrivalKind, ServerArrival
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uas import capabilities, inspect, inspect_info, inspect_offer
from voipnode.sipstack.uri import SipUri, normal_host

MAX_EXPIRES_S = 3600  # RFC 3261 §13.3.1 bounds it by nothing; no phone rings longer


class Server:
    """Answers requests, or tells of those that somebody else has to answer.

    `methods` says who serves which method; what has a file of its own (REFER, NOTIFY, ...) adds itself there.
    """

    def __init__(self, core: Core, answering: Answering) -> None:
        self._core = core
        self._answering = answering
        self.find_replacement: Callable[[ServerArrival], Replacement | None] = lambda arrival: None
        self.methods: dict[str, Callable[[ServerArrival, float], None]] = {
            "INVITE": self._invite,
            "BYE": self._bye,
            "OPTIONS": self._options,
            "INFO": self._info,
        }

    @property
    def is_registrar(self) -> bool:
        """Whether somebody above takes registrations."""
        return "REGISTER" in self.methods

    def request(self, arrival: ServerArrival, now: float) -> None:
        """Serve a request that is not a retransmission."""
        if arrival.kind is ArrivalKind.ACK_2XX:
            self._ack(arrival.request, now)
        elif arrival.kind is ArrivalKind.CANCEL:
            self._cancel(arrival, now)
        else:
            self._serve(arrival, now)

    def _serve(self, arrival: ServerArrival, now: float) -> None:
        request = arrival.request
        try:
            inspect(request, self._core.config, registrar=self.is_registrar)
            if arrival.merged:
                raise RemoteError(482, "Loop Detected")
            self.methods[request.method](arrival, now)
        except RemoteError as error:
            self._note_order(arrival)
            self._core.refuse(arrival.source, error.status, error.reason)
            self.respond(arrival, error.status, now, error.reason, error.headers)

    def _note_order(self, arrival: ServerArrival) -> None:
        """A request that is refused counts in its dialog all the same (§12.2.2): the next one has a higher CSeq."""
        request = arrival.request
        found = self._core.dialogs.get(DialogId(request.call_id, request.to_tag or "", request.from_tag or ""))
        if found is not None and is_peer(arrival.source, *found):
            found[1].raise_order(request)

    def respond(
        self,
        arrival: ServerArrival,
        status: int,
        now: float,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        tag: str | None = None,
    ) -> None:
        """Send a final answer; `tag` None draws a fresh one where To has none."""
        response = respond(arrival.request, status, reason, to_tag=tag or self._core.entropy.tag(), headers=headers)
        self._core.layer.send_response(arrival.transaction_id, response, now)

    # ---- outside a dialog

    def _invite(self, arrival: ServerArrival, now: float) -> None:
        if arrival.request.to_tag is not None:
            self._reinvite(arrival, now)
            return
        core, request, source = self._core, arrival.request, arrival.source
        offer = inspect_offer(request)
        self._answering.timers.check(request)
        replaces = self.find_replacement(arrival)
        expires_s = request.expires
        contact = core.contact(_user(request), source, secure=wants_secure_contact(request))
        dialog = Dialog.from_uas(request, core.entropy.tag(), contact, over_tls=source.secure)
        try:
            session = core.open_session(UAS_TABLE, State.INCOMING, source)
        except LocalError as error:
            raise RemoteError(503, "Service Unavailable", (("Retry-After", "10"),)) from error
        session.dialog = dialog
        dialog.learn(request)
        direct = len(request.vias) == 1 and not dialog.routes
        dialog.flow = Flow(source, theirs=True, direct=direct, heard_at=source.remote.host)
        if offer is not None:
            dialog.exchange.offer_received(offer)
        if expires_s is not None:
            core.deadlines.set((EXPIRES, session.id), now + min(expires_s, MAX_EXPIRES_S))
        self._answering.begin(session, arrival, dialog.id.local_tag, now)
        core.tell(IncomingCall(session.id, request, source, offer, replaces))

    def _options(self, arrival: ServerArrival, now: float) -> None:
        """§11.2; within a dialog the same as outside, and no sign of life of it."""
        if arrival.request.to_tag is not None:
            self.dialog(arrival)
        self.respond(arrival, 200, now, headers=capabilities(self._core.config, registrar=self.is_registrar))

    # ---- within a dialog

    def dialog(self, arrival: ServerArrival, *, from_anywhere: bool = False) -> tuple[InviteSession, Dialog]:
        """The dialog that a request belongs to, its CSeq noted; RemoteError 481 or 500 (§12.2.2).

        What acts within a call or moves its sound must come from where the call came from or goes to: the ids of a
        dialog are no secret on a network without TLS. RemoteError 403 for others, who leave no trace.
        """
        request = arrival.request
        dialog_id = DialogId(request.call_id, request.to_tag or "", request.from_tag or "")
        found = self._core.dialogs.get(dialog_id)
        if found is None:
            raise no_dialog()
        session, dialog = found
        if not from_anywhere and not is_peer(arrival.source, session, dialog):
            raise RemoteError(403, "Forbidden")
        dialog.check_order(request)
        if dialog.flow is not None and arrival.source.reliable and not self._core.connections.is_alive(dialog.flow.hop):
            # The connection is gone, and here the peer is again over another one.
            dialog.flow = replace(dialog.flow, hop=arrival.source, theirs=True)
        elif dialog.flow is not None and dialog.flow.only and not from_anywhere:
            dialog.flow = replace(dialog.flow, hop=arrival.source)  # its NAT has another port for it now
        return found

    def _bye(self, arrival: ServerArrival, now: float) -> None:
        # Whoever knows the call may end it: a telephone that changed its network, a proxy's twin. It opens no door.
        session, _ = self.dialog(arrival, from_anywhere=True)
        # Two BYEs that cross end the same call: each side has what it wants (RFC 5407 §3.2.2).
        if not session.closing and not session.allows(Input.BYE):
            raise no_dialog()
        self.respond(arrival, 200, now)
        session.why = reasons_of(arrival.request)
        self._core.run(session, Input.BYE, now)

    def _info(self, arrival: ServerArrival, now: float) -> None:
        session, _ = self.dialog(arrival)
        if session.closing:
            raise no_dialog()
        content_type = inspect_info(arrival.request, self._core.config)
        self.respond(arrival, 200, now)
        if content_type:
            self._core.tell(InfoReceived(session.id, content_type, arrival.request.body))

    def _reinvite(self, arrival: ServerArrival, now: float) -> None:
        session, dialog = self.dialog(arrival)
        if session.closing:
            raise no_dialog()
        if session.incoming is not None and not session.incoming.accepted:
            raise RemoteError(500, "Another INVITE Is Being Answered", self._core.retry_after())  # §14.2
        if dialog.exchange.open is Open.THEIRS:
            raise RemoteError(500, "An UPDATE Is Being Answered", self._core.retry_after())  # RFC 6337 §4.3
        # Neither our own INVITE nor a 2xx of ours may still wait for its end: §14.2, RFC 5407 §3.1.4.
        if session.outgoing is not None or session.incoming is not None or not dialog.exchange.settled:
            raise RemoteError(491, "Request Pending")
        offer = inspect_offer(arrival.request)
        self._answering.timers.check(arrival.request)
        if offer is None:
            dialog.exchange.offer_wanted()
        else:
            dialog.exchange.offer_received(offer)
        self._answering.begin(session, arrival, dialog.id.local_tag, now)
        self._core.tell(ReinviteReceived(session.id, offer))

    # ---- ACK and CANCEL

    def _ack(self, request: Request, now: float) -> None:
        """The ACK to a 2xx; one that fits nothing is not worth a word, since ACK is never answered."""
        dialog_id = DialogId(request.call_id, request.to_tag or "", request.from_tag or "")
        found = self._core.dialogs.get(dialog_id)
        if found is not None:
            self._answering.acknowledged(found[0], request, now)

    def _cancel(self, arrival: ServerArrival, now: float) -> None:
        if arrival.target is None:
            self._core.refuse(arrival.source, 481, "CANCEL of nothing")
            self.respond(arrival, 481, now)
            return
        session = self._answering.session_of(arrival.target)
        if session is None:  # answered already: no effect (§9.2)
            self.respond(arrival, 200, now)
            return
        incoming = session.incoming
        assert incoming is not None
        self.respond(arrival, 200, now, tag=incoming.tag)  # the tag of the INVITE's own answer
        if incoming.first:
            session.why = reasons_of(arrival.request)
            self._core.run(session, Input.CANCEL, now)
        elif not incoming.accepted:
            self._answering.finish(session, 487, now)
            self._core.tell(ReinviteCancelled(session.id))


def is_peer(source: Hop, session: InviteSession | None, dialog: Dialog) -> bool:
    """Whether requests of a dialog may come from there: where its INVITE came from or its answer, or its next hop.

    Of a call that had several hops to go by, each of them: a server's twin may take over from it. Addresses alone are
    compared: ports change behind NAT.
    """
    host = source.remote.host
    if dialog.flow is not None and dialog.flow.comes_from(host):
        return True
    hops: tuple[Hop, ...] = ()
    if session is not None:
        hops = (session.hop, *(session.hunt.hops if session.hunt is not None else ()))
    return host == normal_host(dialog.next_uri().host) or any(host == normal_host(hop.remote.host) for hop in hops)


def no_dialog() -> RemoteError:
    """481, as an answer to raise."""
    return RemoteError(481, "Call/Transaction Does Not Exist")


def _user(request: Request) -> str:
    uri = request.uri
    return uri.user or "" if isinstance(uri, SipUri) else ""
