"""A transaction user for the virtual wire: a layer with a plain message reader round it, and no policy of its own."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.wire import Link, Wire
from voipnode.sipstack.message import Request, Response, parse_message, respond
from voipnode.sipstack.timers import Timers
from voipnode.sipstack.transaction import ResponseReceived, ServerArrival, TransactionEvent, TransactionLayer
from voipnode.sipstack.transport import Address, Hop, Packet

ALICE = Address("192.0.2.1", 5060)
BOB = Address("192.0.2.2", 5060)


def make_request(
    method: str = "INVITE",
    *,
    branch: str | None = "z9hG4bK776asdhds",
    transport: str = "UDP",
    sent_by: str = "192.0.2.1:5060",
    cseq: int = 1,
    to_tag: str = "",
    from_tag: str = "1928301774",
    call_id: str = "a84b4c76e66710@192.0.2.1",
    uri: str = "sip:bob@192.0.2.2",
    extra: tuple[tuple[str, str], ...] = (),
) -> Request:
    """A request from Alice to Bob; branch None is an RFC 2543 client's Via."""
    mark = f";branch={branch}" if branch is not None else ""
    headers = [
        ("Via", f"SIP/2.0/{transport} {sent_by}{mark};rport"),
        ("Max-Forwards", "70"),
        ("From", f'"Alice" <sip:alice@192.0.2.1>;tag={from_tag}'),
        ("To", "<sip:bob@192.0.2.2>" + (f";tag={to_tag}" if to_tag else "")),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} {method}"),
        *extra,
    ]
    return Request(method, uri, headers)


class User:
    """The engine: `answer` is called with every request that reaches the user; all that happened is kept in lists."""

    def __init__(self, answer: Callable[[User, ServerArrival, float], None] | None = None, **timers: float) -> None:
        self.layer = TransactionLayer(Timers(**timers))
        self.answer = answer
        self.arrivals: list[ServerArrival] = []
        self.events: list[tuple[float, TransactionEvent]] = []

    # ---- the five verbs

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        message = parse_message(data)
        if isinstance(message, Response):
            self.layer.receive_response(message, source, now)
        elif (arrival := self.layer.receive_request(message, source, now)) is not None:
            self.arrivals.append(arrival)
            if self.answer is not None:
                self.answer(self, arrival, now)
        self._collect(now)

    def outbox(self, now: float) -> list[Packet]:
        self._collect(now)
        return self.layer.outbox()

    def next_deadline(self) -> float | None:
        return self.layer.next_deadline()

    def on_deadline(self, now: float) -> None:
        self.layer.on_deadline(now)
        self._collect(now)

    def send_failed(self, transaction: str, now: float, why: str = "") -> None:
        self.layer.send_failed(transaction, now, why)
        self._collect(now)

    # ---- for tests

    def reply(self, arrival: ServerArrival, status: int, now: float) -> None:
        response = respond(arrival.request, status, to_tag="314159")
        self.layer.send_response(arrival.transaction_id, response, now)

    def statuses(self) -> list[int]:
        """The status codes of the responses that reached the user."""
        return [event.response.status for _, event in self.events if isinstance(event, ResponseReceived)]

    def named(self, kind: type[TransactionEvent]) -> list[float]:
        """When events of one kind reached the user."""
        return [at for at, event in self.events if isinstance(event, kind)]

    def _collect(self, now: float) -> None:
        while (event := self.layer.next_event()) is not None:
            self.events.append((now, event))


def answering(*statuses: int) -> Callable[[User, ServerArrival, float], None]:
    """A user that answers every request but an ACK with these, at once."""

    def answer(user: User, arrival: ServerArrival, now: float) -> None:
        if arrival.request.method != "ACK":
            for status in statuses:
                user.reply(arrival, status, now)

    return answer


def pair(
    bob: Callable[[User, ServerArrival, float], None] | None = None, link: Link | None = None
) -> tuple[Wire, User, User]:
    """Alice and Bob on a wire; Bob answers as `bob` says."""
    wire = Wire(seed=17, link=link or Link())
    alice, bob_user = User(), User(bob)
    wire.attach("alice", ALICE, alice)
    wire.attach("bob", BOB, bob_user)
    return wire, alice, bob_user


def gone(*users: User) -> bool:
    """Whether nothing at all is remembered."""
    layers = [user.layer for user in users]
    return not any(len(layer) or layer._by_key or layer.next_deadline() for layer in layers)
