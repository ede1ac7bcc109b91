"""From bytes to the two cores, and from passing time: everything that happens to the endpoint comes through here."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from hashlib import blake2b

from voipnode.sipstack.answering import Answering
from voipnode.sipstack.calling import Calling
from voipnode.sipstack.client import Client
from voipnode.sipstack.core import FORGET_ACK, SLOW, Core, Deadline
from voipnode.sipstack.dialog import DialogId
from voipnode.sipstack.errors import ParseError, SipError
from voipnode.sipstack.events import ConnectionClosed
from voipnode.sipstack.gate import TurnedAway
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.message import Message, Request, Response, parse_message, respond
from voipnode.sipstack.pinging import PING, PONG, Pinging
from voipnode.sipstack.routing import mark_arrival
from voipnode.sipstack.server import Server
from voipnode.sipstack.stream import KeepAlive
from voipnode.sipstack.stun import is_stun
from voipnode.sipstack.transaction.events import (
    ArrivalKind,
    ResponseReceived,
    StrayResponse,
    TransactionEnded,
    TransactionEvent,
    TransactionRerouted,
    TransactionTimeout,
    TransactionTransportError,
)
from voipnode.sipstack.transaction.matching import response_hop
from voipnode.sipstack.transport import Hop, Packet
from voipnode.sipstack.updating import Updating
from voipnode.sipstack.validate import validate

log = logging.getLogger(__name__)

KEEP_ALIVE_BYTES = b"\r\n\x00 "  # what peers send over UDP to keep a NAT binding open (RFC 5626 §4.4.2, and worse)


class Receiver:
    """Parses and checks what arrives, hands it to the transaction layer, and what that tells to client and server."""

    def __init__(
        self,
        core: Core,
        client: Client,
        calling: Calling,
        pinging: Pinging,
        server: Server,
        answering: Answering,
        updating: Updating,
    ) -> None:
        self._core = core
        self._client = client
        self._calling = calling
        self._pinging = pinging
        self._server = server
        self._answering = answering
        self._updating = updating
        core.due[SLOW] = self._too_slow

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        if source.transport in ("WS", "WSS"):
            self._web_socket(data, source, now)
        elif source.reliable:
            self._stream(data, source, now)
        else:
            self._datagram(data, source, now)
        self.drain(now)

    def send_failed(self, transaction: str, now: float, why: str = "") -> None:
        self._core.layer.send_failed(transaction, now, why)
        self._pinging.send_failed(transaction, why)
        self.drain(now)

    def connection_closed(self, source: Hop, now: float) -> None:
        self._core.connections.closed(source)
        self._core.deadlines.cancel((SLOW, source))
        self._core.layer.connection_closed(source, now)
        self._pinging.closed(source)
        self._core.tell(ConnectionClosed(source))
        self.drain(now)

    def next_deadline(self) -> float | None:
        ours, theirs = self._core.deadlines.next_deadline(), self._core.layer.next_deadline()
        if ours is None or theirs is None:
            return theirs if ours is None else ours
        return min(ours, theirs)

    def on_deadline(self, now: float) -> None:
        while (due := self._core.deadlines.pop_due(now)) is not None:
            self._due(due, now)
        self._core.layer.on_deadline(now)
        self.drain(now)

    def drain(self, now: float) -> None:
        """Act on everything that the transaction layer has to tell."""
        while (event := self._core.layer.next_event()) is not None:
            try:
                self._transaction_event(event, now)
            except SipError as error:
                # What a peer's message made us build cannot be written, or there was no room for its transaction.
                log.warning("nothing came of %s: %s", type(event).__name__, error)

    # ---- messages

    def _datagram(self, data: bytes, source: Hop, now: float) -> None:
        if not data.strip(KEEP_ALIVE_BYTES):
            return
        if is_stun(data):
            self._pinging.heard_stun(data, source, now)
            return
        try:
            message = parse_message(data)
        except ParseError as error:
            self._malformed(error, source, now)
        else:
            self._message(message, source, now)

    def _web_socket(self, data: bytes, source: Hop, now: float) -> None:
        """One message, whole, so that it needs no Content-Length (RFC 7118 §5); a CRLF ping gets its pong (§6)."""
        if not self._core.connections.note(source):
            return
        if data == PING:
            self._core.transmit(Packet(PONG, source))
        elif data == PONG:
            self._pinging.pong(source)
        else:
            self._datagram(data, source, now)

    def _stream(self, data: bytes, source: Hop, now: float) -> None:
        connections = self._core.connections
        connections.receive(data, source)
        ponged = False
        while True:
            try:
                message = connections.next_message(source)
            except ParseError as error:
                self._malformed(error, source, now)
                continue
            if message is None:
                if ponged:  # the next line end is the next pong, and not the second half of a ping
                    connections.end_keep_alive(source)
                self._watch_pace(source, now)
                return
            self._core.deadlines.cancel((SLOW, source))
            if message is KeepAlive.PING:
                self._core.transmit(Packet(PONG, source))
                ponged |= self._pinging.pong(source)
            elif message is KeepAlive.PONG:
                ponged |= self._pinging.pong(source)
            else:
                self._message(message, source, now)

    def _watch_pace(self, source: Hop, now: float) -> None:
        """A message that has begun must end in time: senders of a byte now and then would hold every connection."""
        slow = (SLOW, source)
        if not self._core.connections.holds_part(source):
            self._core.deadlines.cancel(slow)
        elif slow not in self._core.deadlines:
            self._core.deadlines.set(slow, now + self._core.config.message_within_s)

    def _too_slow(self, source: Hashable, now: float) -> None:
        assert isinstance(source, Hop)
        self._core.refuse(source, 0, f"a message was not complete within {self._core.config.message_within_s:g} s")
        self._core.connections.close(source)

    def _message(self, message: Request | Response, source: Hop, now: float) -> None:
        try:
            if isinstance(message, Request):
                mark_arrival(message, source)
                validate(message)
                self._request(message, source, now)
            else:
                validate(message)
                if self._core.is_ours(message):
                    self._core.layer.receive_response(message, source, now)
                else:
                    self._core.refuse(source, 0, "a response to somebody else")
        except ParseError as error:
            self._malformed(error, source, now, message)
        except SipError as error:
            # What the peer sent made us write something that cannot be written, or there was no room for it.
            self._core.refuse(source, 0, str(error))

    def _request(self, request: Request, source: Hop, now: float) -> None:
        if not self._belongs(request):
            turned_away = self._core.gate.request(request, source, now)
            if turned_away is not None:
                self._turn_away(request, turned_away, source)
                return
        arrival = self._core.layer.receive_request(request, source, now)
        if arrival is None:
            return
        if arrival.kind is ArrivalKind.OVERLOAD:
            self._answer_statelessly(request, 503, "Service Unavailable", source)
        else:
            self._server.request(arrival, now)

    def _belongs(self, request: Request) -> bool:
        """Whether a request is part of something that we agreed to; an ACK costs nothing and is never answered."""
        if request.method == "ACK" or self._core.layer.knows(request):
            return True
        dialog = DialogId(request.call_id, request.to_tag or "", request.from_tag or "")
        return dialog in self._core.dialogs or self._core.is_watched(dialog)

    def _turn_away(self, request: Request, answer: TurnedAway, source: Hop) -> None:
        """One answer and nothing kept: repeated, it would multiply what a forger of addresses sends (§26.3.2.4)."""
        if answer.status == 0:
            self._core.refuse(source, 0, answer.why)
        else:
            self._answer_statelessly(request, answer.status, answer.reason, source, answer.headers, answer.why)

    def _malformed(self, error: ParseError, source: Hop, now: float, message: Message | None = None) -> None:
        """Answer a bad request where it says to whom; drop everything else (§8.1.3, §18.3)."""
        request = error.partial or message
        if not isinstance(request, Request) or request.method == "ACK" or not self._core.gate.answers(source, now):
            self._core.refuse(source, 0, error.reason)
            return
        self._answer_statelessly(request, error.status, error.reason, source)

    def _answer_statelessly(
        self,
        request: Request,
        status: int,
        reason: str,
        source: Hop,
        headers: tuple[tuple[str, str], ...] = (),
        why: str = "",
    ) -> None:
        """§8.2.7: the same request gets the same answer, its tag included; without any Via it gets none."""
        if "Via" not in request.headers:
            self._core.refuse(source, 0, reason)
            return
        try:
            mark_arrival(request, source)
            hop = response_hop(request, source)
        except SipError:
            # RFC 4475 §3.1.2.1 wants a 400 though its Via says nothing, or holds what cannot be written again: back to
            # where it came from, with the Via as it was.
            hop = source
        self._core.refuse(source, status, why or reason)
        what = "\n".join(
            value for name in ("Via", "Call-ID", "From", "CSeq") for value in request.headers.get_all(name)
        )
        tag = blake2b(what.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
        phrase = _phrase(reason) if status == 400 else None
        response = respond(request, status, phrase, to_tag=tag, headers=headers)
        self._core.transmit(Packet(response.to_bytes(), hop))

    # ---- what the transaction layer tells

    def _transaction_event(self, event: TransactionEvent, now: float) -> None:
        client, answering = self._client, self._answering
        match event:
            case ResponseReceived(transaction, response, source):
                client.response(transaction, response, source, now)
            case TransactionEnded(transaction):
                client.ended(transaction)
                self._updating.ended(transaction)
            case TransactionTimeout(transaction):
                client.timed_out(transaction, now)
            case TransactionTransportError(transaction, why):
                client.lost(transaction, now, why)
                answering.lost(transaction, now)
            case TransactionRerouted(transaction):
                client.rerouted(transaction, now)
            case StrayResponse():
                pass  # a UA discards it (§18.1.2); a 2xx is repeated no longer than its transaction lives (RFC 6026)

    # ---- what is due

    def _due(self, due: Deadline, now: float) -> None:
        kind, key = due
        if kind is FORGET_ACK:
            self._calling.acks.forget(key)
            return
        if kind in self._core.due:
            self._core.due[kind](key, now)
            return
        session = self._core.sessions.get(str(key))
        if session is not None:
            self._core.session_due[kind](session, now)


def _phrase(reason: str) -> str:
    """RFC 3261 §21.4.1: the reason phrase of a 400 SHOULD say what was wrong."""
    return f"Bad Request: {printable(reason)}"
