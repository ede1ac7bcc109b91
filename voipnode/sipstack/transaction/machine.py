"""The one runner of the four tables: it moves a transaction along its rows and performs their actions."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.message import Message, Request, Response
from voipnode.sipstack.timers import REPEATING, DeadlineQueue, Timer, Timers
from voipnode.sipstack.transaction.ack import ack_for
from voipnode.sipstack.transaction.events import (
    ResponseReceived,
    TransactionEnded,
    TransactionEvent,
    TransactionRerouted,
    TransactionTimeout,
    TransactionTransportError,
)
from voipnode.sipstack.transaction.matching import Key
from voipnode.sipstack.transaction.tables import LOCAL_EVENTS, Action, State, Table, Trigger
from voipnode.sipstack.transport import Hop, Packet

_log = logging.getLogger(__name__)

# Refusals that nobody acknowledges are repeated ten times (timer G), which whoever writes another's address on INVITEs
# would have sent there. Callers that are there acknowledge: for those whose ACK is lost this is plenty.
REPEATS_AT_ONCE, REPEATS_PER_S = 500, 50


class Machine:
    """A table made ready to run: a row also knows which timers it stops, and whether its request is for the user."""

    def __init__(self, name: str, table: Table) -> None:
        self.name = name
        timers: dict[State, set[Timer]] = {state: set() for state in State}
        for state, event in table:
            if isinstance(event, Timer):
                timers[state].add(event)
        self.rows = {
            (state, event): (
                after,
                tuple(action for action in actions if action is not Action.REQUEST_TO_USER),
                tuple(sorted(timers[state] - timers[after])),
                Action.REQUEST_TO_USER in actions,
            )
            for (state, event), (after, actions) in table.items()
        }


class Transaction:
    """One transaction in progress: its state, what it sent last, and what the layer needs to find it again.

    `request` is kept only by those that have to build an ACK (INVITE client) or await one from an RFC 2543 client
    (server without the cookie). `packet` is the message as bytes, made once however often it is sent.
    """

    __slots__ = (
        *("ack", "fallback", "hop", "id", "interval_s", "keys", "machine", "packet", "request", "source", "state"),
        "why",
    )

    def __init__(self, transaction_id: str, machine: Machine, hop: Hop, request: Request | None) -> None:
        self.id = transaction_id
        self.machine = machine
        self.hop = hop
        self.source = hop  # where its last message came from
        self.request = request
        self.state = State.NEW
        self.packet: Packet | None = None
        self.ack: Packet | None = None
        self.fallback: Hop | None = None
        self.interval_s = 0.0
        self.keys: list[Key] = []
        self.why = ""  # in words, what the network said when it refused a packet


@dataclass(slots=True)
class Counters:
    """How often something was dropped instead of served, since the start."""

    unexpected: int = 0  # an event that the state does not list, from the peer or the transport
    stray_responses: int = 0  # no such client transaction
    late_responses: int = 0  # our user answered a transaction that was over
    refused: int = 0  # requests beyond the limit
    unrepeated: int = 0  # refusals that were not repeated, since too many were already


class _Step(Protocol):
    def __call__(self, transaction: Transaction, event: Trigger, now: float, message: Message | None) -> None: ...


class Runner:
    """Runs transactions: `step` is the only way in. What comes out is in `packets`, `events` and `ended`."""

    def __init__(self, timers: Timers) -> None:
        self.packets: list[Packet] = []
        self.events: deque[TransactionEvent] = deque()
        self.ended: list[Transaction] = []
        self.deadlines: DeadlineQueue[tuple[Transaction, Timer]] = DeadlineQueue()
        self.counters = Counters()
        self.held_bytes = 0  # of the messages that are kept to be sent again
        self._timers = timers
        self._repeats, self._repeats_at = float(REPEATS_AT_ONCE), 0.0
        self._perform: dict[Action | Timer, _Step] = {
            Action.SEND: self._send,
            Action.RESEND: self._resend,
            Action.SEND_ACK: self._send_ack,
            Action.RESPONSE_TO_USER: self._response_to_user,
            Action.BACK_OFF: self._back_off,
            Action.SLOW_DOWN: self._slow_down,
            Action.REPORT_TIMEOUT: self._report_timeout,
            Action.REPORT_TRANSPORT_ERROR: self._report_transport_error,
            Action.REPORT_REROUTED: self._report_rerouted,
            **{timer: partial(self._start, timer) for timer in Timer},
        }

    def step(self, transaction: Transaction, event: Trigger, now: float, message: Message | None = None) -> bool:
        """Applies one event; tells whether its request is the user's to see.

        Raises LocalError for something the user does that the state does not list; drops and counts it otherwise.
        """
        row = transaction.machine.rows.get((transaction.state, event))
        if row is None:
            self._unexpected(transaction, event)
            return False
        after, actions, stops, to_user = row
        if after is not transaction.state:
            for timer in stops:
                self.deadlines.cancel((transaction, timer))
            self._set_state(transaction, after)
        for action in actions:
            self._perform[action](transaction, event, now, message)
        if after is State.TERMINATED:
            self.events.append(TransactionEnded(transaction.id))
            self.ended.append(transaction)
        return to_user

    def let_go(self, transaction: Transaction) -> None:
        """The transaction keeps its message no longer: it is over, or sends another one."""
        if transaction.packet is not None:
            self.held_bytes -= len(transaction.packet.data)

    def run_timers(self, now: float) -> None:
        """Fires every timer that is due."""
        while (due := self.deadlines.pop_due(now)) is not None:
            transaction, timer = due
            self.step(transaction, timer, now)

    def _set_state(self, transaction: Transaction, state: State) -> None:
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s %s: %s -> %s", transaction.machine.name, transaction.id, transaction.state, state)
        transaction.state = state

    def _unexpected(self, transaction: Transaction, event: Trigger) -> None:
        """The one meaning of a pair that no table lists."""
        what = f"{transaction.machine.name} {transaction.id}: {event} while {transaction.state}"
        if event in LOCAL_EVENTS:
            raise LocalError(what)
        self.counters.unexpected += 1
        _log.debug("dropped: %s", what)

    def _send(self, transaction: Transaction, event: Trigger, now: float, message: Message | None) -> None:
        assert message is not None
        self.let_go(transaction)
        transaction.packet = Packet(message.to_bytes(), transaction.hop, transaction.id)
        self.held_bytes += len(transaction.packet.data)
        self.packets.append(transaction.packet)

    def _resend(self, transaction: Transaction, event: Trigger, now: float, message: Message | None) -> None:
        if transaction.packet is not None and (event is not Timer.G or self._may_repeat(now)):
            self.packets.append(transaction.packet)

    def _may_repeat(self, now: float) -> bool:
        """Whether one more refusal may be repeated unasked, of all transactions together."""
        earned = max(0.0, now - self._repeats_at) * REPEATS_PER_S
        self._repeats, self._repeats_at = min(REPEATS_AT_ONCE, self._repeats + earned), now
        if self._repeats < 1.0:
            self.counters.unrepeated += 1
            return False
        self._repeats -= 1.0
        return True

    def _send_ack(self, transaction: Transaction, event: Trigger, now: float, message: Message | None) -> None:
        if transaction.ack is None:
            assert transaction.request is not None
            assert isinstance(message, Response)
            ack = ack_for(transaction.request, message)
            # Same address, port and transport as the INVITE, even over a reliable one (§17.1.1.2).
            transaction.ack = Packet(ack.to_bytes(), transaction.hop, transaction.id)
            transaction.request = None
        self.packets.append(transaction.ack)

    def _response_to_user(self, transaction: Transaction, event: Trigger, now: float, message: Message | None) -> None:
        assert isinstance(message, Response)
        self.events.append(ResponseReceived(transaction.id, message, transaction.source))

    def _start(
        self, timer: Timer, transaction: Transaction, event: Trigger, now: float, message: Message | None
    ) -> None:
        delay_s = self._timers.values(transaction.hop.reliable)[timer]
        if timer in REPEATING:
            transaction.interval_s = delay_s
        if delay_s > 0:
            self.deadlines.set((transaction, timer), now + delay_s)
        elif timer not in REPEATING:
            self.step(transaction, timer, now)

    def _back_off(self, transaction: Transaction, event: Trigger, now: float, message: Message | None) -> None:
        assert isinstance(event, Timer)
        transaction.interval_s = self._timers.after(event, transaction.interval_s)
        self.deadlines.set((transaction, event), now + transaction.interval_s)

    def _slow_down(self, transaction: Transaction, event: Trigger, now: float, message: Message | None) -> None:
        assert isinstance(event, Timer)
        transaction.interval_s = self._timers.t2_s
        self.deadlines.set((transaction, event), now + transaction.interval_s)

    def _report_timeout(self, transaction: Transaction, event: Trigger, now: float, message: Message | None) -> None:
        self.events.append(TransactionTimeout(transaction.id))

    def _report_transport_error(
        self, transaction: Transaction, event: Trigger, now: float, message: Message | None
    ) -> None:
        self.events.append(TransactionTransportError(transaction.id, transaction.why))

    def _report_rerouted(self, transaction: Transaction, event: Trigger, now: float, message: Message | None) -> None:
        self.events.append(TransactionRerouted(transaction.id))
