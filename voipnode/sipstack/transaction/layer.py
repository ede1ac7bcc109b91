"""The transaction layer (RFC 3261 §17): pairs requests and responses, repeats what is lost, absorbs what came twice."""

from __future__ import annotations

from dataclasses import replace

from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.message import Message, Request, Response
from voipnode.sipstack.timers import Timer, Timers
from voipnode.sipstack.transaction.events import ArrivalKind, ServerArrival, StrayResponse, TransactionEvent
from voipnode.sipstack.transaction.machine import Counters, Machine, Runner, Transaction
from voipnode.sipstack.transaction.matching import (
    CANCELLABLE,
    OLD,
    Key,
    client_key,
    fallback_hop,
    has_cookie,
    merge_key,
    old_ack_key,
    response_hop,
    server_key,
)
from voipnode.sipstack.transaction.tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Event,
    State,
    Trigger,
)
from voipnode.sipstack.transport import Hop, Packet

# By method: INVITE has its own machines, everything else shares one.
_CLIENTS = {"INVITE": Machine("INVITE client", INVITE_CLIENT)}
_OTHER_CLIENT = Machine("non-INVITE client", NON_INVITE_CLIENT)
_SERVERS = {"INVITE": Machine("INVITE server", INVITE_SERVER)}
_OTHER_SERVER = Machine("non-INVITE server", NON_INVITE_SERVER)

# By class of status code; whatever is not 1xx or 2xx ends a transaction like 300-699.
_RECEIVED = {1: Event.RECEIVE_1XX, 2: Event.RECEIVE_2XX}
_SENT = {1: Event.SEND_1XX, 2: Event.SEND_2XX}


class TransactionLayer:
    """All transactions of one endpoint. No clock: every verb takes `now`, in seconds on a monotonic clock.

    Messages that come in must have passed `validate`, so that their Via, CSeq, From, To and Call-ID can be read;
    nothing here raises for what a peer sends then. `max_transactions` bounds clients and servers separately,
    `max_bytes` the messages that are kept for repetition (an answer is as long as the Via of its request); each
    transaction is forgotten the moment it terminates.
    """

    def __init__(self, timers: Timers, *, max_transactions: int = 40_000, max_bytes: int = 64 << 20) -> None:
        self._runner = Runner(timers)
        self._max = max_transactions
        self._max_bytes = max_bytes
        self._by_id: dict[str, Transaction] = {}
        self._by_key: dict[Key, Transaction] = {}
        self._streams: dict[str, Transaction] = {}  # the clients that a connection can be lost to
        self._clients = 0
        self._count = 0

    def __len__(self) -> int:
        """How many transactions are alive."""
        return len(self._by_id)

    @property
    def counters(self) -> Counters:
        """What was dropped so far; read only."""
        return self._runner.counters

    def state(self, transaction_id: str) -> State | None:
        """The state of a transaction; None once it is over."""
        transaction = self._by_id.get(transaction_id)
        return transaction.state if transaction else None

    # ---- the user's side

    def send_request(self, request: Request, hop: Hop, now: float, fallback: Hop | None = None) -> str:
        """Sends `request` over `hop` in a new client transaction; returns the transaction's name.

        `fallback`, of the same transport, is taken once when the connection is gone; None: a new one to the same place.

        The request carries its own top Via with a fresh branch; a CANCEL carries that of its INVITE, whose transaction
        then ends within 64*T1 (RFC 3261 §9.1). Raises LocalError for ACK (which is no transaction: put it on the wire),
        for a branch in use, for a CANCEL before any provisional response, and beyond `max_transactions`.
        """
        method = request.method
        key = client_key(request.via, method)
        if method == "ACK" or not request.via.branch:
            raise LocalError(f"{method} without a transaction or a branch")
        if key in self._by_key:
            raise LocalError(f"branch {request.via.branch} is in use for {method}")
        # A CANCEL is let in beyond the limit: it ends more than it adds, and each INVITE has but one.
        if self._clients >= self._max and method != "CANCEL":
            raise LocalError(f"more than {self._max} client transactions")
        if method == "CANCEL":
            invite = self._by_key.get(client_key(request.via, "INVITE"))
            if invite is not None:
                self._step(invite, Event.CANCEL, now)
        machine = _CLIENTS.get(method, _OTHER_CLIENT)
        transaction = self._create("c", machine, hop, request if machine is not _OTHER_CLIENT else None, key)
        if hop.reliable:
            transaction.fallback = fallback or replace(hop, connection=None)
            self._streams[transaction.id] = transaction
        self._clients += 1
        self._step(transaction, Event.START, now, request)
        return transaction.id

    def send_response(self, transaction_id: str, response: Response, now: float) -> None:
        """Answers the request of a server transaction, to where §18.2.2 and RFC 3581 say.

        Raises LocalError for a response that the state does not allow, such as a second final one to an INVITE. For a
        transaction that is over it is dropped and counted: nobody waits for it any more.
        """
        transaction = self._by_id.get(transaction_id)
        if transaction is None:
            self.counters.late_responses += 1
            return
        status = response.status
        self._step(transaction, _SENT.get(status // 100, Event.SEND_3XX_6XX), now, response)
        if transaction.request is not None and status >= 200:
            self._expect_old_ack(transaction, response)

    def abandon(self, transaction_id: str, now: float) -> None:
        """Nobody waits for the answer of this INVITE any more: where one may never come, it ends within 64*T1.

        A provisional response has stopped Timer B for good, and the final one may be lost with the call that it was
        for. Repeated calls change nothing; nor do those for a transaction that ends by itself.
        """
        transaction = self._by_id.get(transaction_id)
        if transaction is None or transaction.state is not State.PROCEEDING:
            return
        if (transaction, Timer.CANCEL) not in self._runner.deadlines:
            self._step(transaction, Event.CANCEL, now)

    def give_up(self, transaction_id: str, now: float) -> None:
        """Repeat this request no longer; an answer that still comes to an INVITE is told, any other is a stray one.

        Raises LocalError for an INVITE that something was heard of: that wants a CANCEL.
        """
        transaction = self._by_id.get(transaction_id)
        if transaction is not None:
            self._step(transaction, Event.GIVE_UP, now)

    def resume(self, transaction_id: str, now: float) -> None:
        """Take back `give_up`, of an INVITE that nothing was heard of since; it is sent and repeated again."""
        transaction = self._by_id.get(transaction_id)
        if transaction is not None:
            self._step(transaction, Event.RESUME, now)

    # ---- the network's side

    def receive_request(self, request: Request, source: Hop, now: float) -> ServerArrival | None:
        """Takes a request; None when it was a retransmission, or an ACK to a 300-699 response: all is done then."""
        if request.method == "ACK":
            return self._receive_ack(request, source, now)
        key = server_key(request, request.method)
        known = self._by_key.get(key)
        if known is not None:
            self._step(known, Event.REQUEST, now)
            return None
        kind, target, merge = ArrivalKind.NEW, None, None
        if request.method == "CANCEL":
            kind, target = ArrivalKind.CANCEL, self._cancel_target(request)
        else:
            merge = merge_key(request)
        # A CANCEL with a target is let in beyond the limit: it ends more than it adds, and each target has but one.
        full = len(self._by_id) - self._clients >= self._max or self._runner.held_bytes >= self._max_bytes
        if full and target is None:
            self.counters.refused += 1
            return ServerArrival("", request, ArrivalKind.OVERLOAD, source)
        machine = _SERVERS.get(request.method, _OTHER_SERVER)
        kept = request if key[0] == OLD else None
        transaction = self._create("s", machine, response_hop(request, source), kept, key)
        transaction.fallback = fallback_hop(request, source)
        merged = merge is not None and merge in self._by_key
        if merge is not None and not merged:
            self._add_key(transaction, merge)
        self._step(transaction, Event.REQUEST, now, request)
        return ServerArrival(transaction.id, request, kind, source, target, merged)

    def knows(self, request: Request) -> bool:
        """Whether a request repeats one that is being served, or was lately."""
        return server_key(request, request.method) in self._by_key

    def receive_response(self, response: Response, source: Hop, now: float) -> None:
        """Takes a response; what the user has to know comes out of `next_event`."""
        transaction = self._by_key.get(client_key(response.via, response.cseq.method))
        if transaction is None:
            self.counters.stray_responses += 1
            self._runner.events.append(StrayResponse(response))
            return
        transaction.source = source
        self._step(transaction, _RECEIVED.get(response.status // 100, Event.RECEIVE_3XX_6XX), now, response)

    def send_failed(self, transaction_id: str, now: float, why: str = "") -> None:
        """The network refused a packet of this transaction (RFC 3261 §18.4); `why` is what it said.

        A response whose connection is gone is first tried over a new one, to the port of sent-by (§18.2.2); so is a
        request that was to go over a certain connection.
        """
        transaction = self._by_id.get(transaction_id)
        if transaction is None:
            return
        if transaction.hop.connection is not None and self._take_fallback(transaction):
            if transaction.id in self._streams:
                self._step(transaction, Event.REROUTED, now)
            elif transaction.packet is not None:
                self._runner.packets.append(transaction.packet)
            return
        transaction.why = why
        self._step(transaction, Event.TRANSPORT_ERROR, now)

    def connection_closed(self, source: Hop, now: float) -> None:
        """A connection is gone: the requests that wait for an answer over it are sent over a new one, once."""
        for transaction in list(self._streams.values()):
            if not _went_over(transaction, source):
                continue
            transaction.source = replace(transaction.source, connection=None)
            if self._take_fallback(transaction) or transaction.state is State.PROCEEDING:
                self._step(transaction, Event.REROUTED, now)
            else:
                transaction.why = "the connection was closed"
                self._step(transaction, Event.TRANSPORT_ERROR, now)

    def _take_fallback(self, transaction: Transaction) -> bool:
        """Have the transaction's message go its other way from now on; False where it has none."""
        if transaction.fallback is None or transaction.packet is None:
            return False
        transaction.hop, transaction.fallback = transaction.fallback, None
        transaction.packet = replace(transaction.packet, hop=transaction.hop)
        if transaction.ack is not None:
            transaction.ack = replace(transaction.ack, hop=transaction.hop)
        return True

    # ---- the verbs of every engine

    def outbox(self) -> list[Packet]:
        """What is to be sent, in order; each packet once."""
        packets, self._runner.packets = self._runner.packets, []
        return packets

    def next_deadline(self) -> float | None:
        """When `on_deadline` wants to be called; None when nothing waits."""
        return self._runner.deadlines.next_deadline()

    def on_deadline(self, now: float) -> None:
        """Fires the timers that are due at `now`."""
        self._runner.run_timers(now)
        self._forget_ended()

    def next_event(self) -> TransactionEvent | None:
        """The oldest event not handed out yet, or None."""
        events = self._runner.events
        return events.popleft() if events else None

    # ---- inside

    def _receive_ack(self, request: Request, source: Hop, now: float) -> ServerArrival | None:
        method = "INVITE" if has_cookie(request.via) else "ACK"
        transaction = self._by_key.get(server_key(request, method))
        if transaction is None:
            return ServerArrival("", request, ArrivalKind.ACK_2XX, source)
        if self._step(transaction, Event.ACK, now, request):
            return ServerArrival(transaction.id, request, ArrivalKind.ACK_2XX, source)
        return None

    def _cancel_target(self, request: Request) -> str | None:
        """The transaction that the request would match were its method not CANCEL (RFC 3261 §9.2)."""
        for method in CANCELLABLE:
            transaction = self._by_key.get(server_key(request, method))
            if transaction is not None:
                return transaction.id
        return None

    def _expect_old_ack(self, transaction: Transaction, response: Response) -> None:
        """Makes the ACK of an RFC 2543 client find its INVITE, by the To tag that the client learns now."""
        assert transaction.request is not None
        if transaction.id in self._by_id and transaction.machine is _SERVERS["INVITE"]:
            self._add_key(transaction, old_ack_key(transaction.request, response.to_tag))
        transaction.request = None

    def _create(self, side: str, machine: Machine, hop: Hop, request: Request | None, key: Key) -> Transaction:
        self._count += 1
        transaction = Transaction(f"{side}{self._count}", machine, hop, request)
        self._by_id[transaction.id] = transaction
        self._add_key(transaction, key)
        return transaction

    def _add_key(self, transaction: Transaction, key: Key) -> None:
        self._by_key[key] = transaction
        transaction.keys.append(key)

    def _step(self, transaction: Transaction, event: Trigger, now: float, message: Message | None = None) -> bool:
        to_user = self._runner.step(transaction, event, now, message)
        if self._runner.ended:
            self._forget_ended()
        return to_user

    def _forget_ended(self) -> None:
        for transaction in self._runner.ended:
            del self._by_id[transaction.id]
            self._streams.pop(transaction.id, None)
            self._runner.let_go(transaction)
            self._clients -= transaction.id[0] == "c"
            for key in transaction.keys:
                if self._by_key.get(key) is transaction:
                    del self._by_key[key]
        self._runner.ended.clear()


def _went_over(transaction: Transaction, closed: Hop) -> bool:
    """Whether a client transaction waits for what can come over this connection no more.

    By the connection's number, where the request named one or an answer told it; else by where it leads.
    """
    number = transaction.source.connection or transaction.hop.connection
    if number is not None:
        return number == closed.connection
    hop = transaction.hop
    same_name = not hop.domain or not closed.domain or hop.domain == closed.domain
    return hop.same_place(closed) and same_name and closed.profile in ("", hop.profile)
