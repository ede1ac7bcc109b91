"""Drives a five-verb SIP engine: bytes and time go in, packets and one timer come out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from voipnode.net.mishaps import Mishaps
from voipnode.net.timer import LazyTimer
from voipnode.sipstack.transport import Hop, Packet

PAUSE_AFTER_FAILURE_S = 0.1  # an engine that fails at every deadline must not take the whole core


class SipEngine(Protocol):
    """What is driven: the SIP endpoint, or a layer above it that passes these verbs on."""

    def receive(self, data: bytes, source: Hop, now: float) -> None: ...

    def connection_closed(self, source: Hop, now: float) -> None: ...

    def send_failed(self, transaction: str, now: float, why: str = "") -> None: ...

    def outbox(self, now: float) -> Iterable[Packet]: ...

    def closes(self) -> Iterable[Hop]: ...

    def next_deadline(self) -> float | None: ...

    def on_deadline(self, now: float) -> None: ...


class Wire(Protocol):
    """Where packets go; `send` and `close_connection` never raise and never call back in the same turn of the loop."""

    def send(self, packet: Packet) -> None: ...

    def close_connection(self, hop: Hop) -> None: ...


class EngineDriver:
    """Joins an engine with its wire and the loop's time.

    After each input, `on_events` is called, so that the owner fetches the engine's events and gives its commands;
    then the outbox is sent and the timer set. After a command outside `on_events` the owner calls `flush`.
    Nothing that an engine or a listener raises escapes: it is counted in `mishaps` and logged.
    """

    def __init__(self, engine: SipEngine, wire: Wire, on_events: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._wire = wire
        self._on_events = on_events
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._timer = LazyTimer(self._loop, self._on_due)
        self._busy = False
        self._closed = False
        self.mishaps = Mishaps("the SIP engine")

    def receive(self, data: bytes, source: Hop) -> None:
        """Bytes came from `source`: a datagram, or any piece of a stream."""
        if self._closed:
            return
        failures = self.mishaps.count
        self._busy = True
        try:
            self._engine.receive(data, source, self._time())
        except Exception:  # noqa: BLE001 -- the edge: no peer's bytes may stop the node
            self.mishaps.note(source, data)
        self._after_input(failures)

    def connection_closed(self, source: Hop) -> None:
        """A stream connection is gone, whoever closed it."""
        if self._closed:
            return
        failures = self.mishaps.count
        self._busy = True
        try:
            self._engine.connection_closed(source, self._time())
        except Exception:  # noqa: BLE001 -- the edge, as in receive
            self.mishaps.note(source)
        self._after_input(failures)

    def send_failed(self, transaction: str, why: str = "") -> None:
        """A packet of `transaction` could not be sent, or the network said that nobody is there; `why` in words."""
        if self._closed:
            return
        failures = self.mishaps.count
        self._busy = True
        try:
            self._engine.send_failed(transaction, self._time(), why)
        except Exception:  # noqa: BLE001 -- the edge, as in receive
            self.mishaps.note(transaction)
        self._after_input(failures)

    def flush(self) -> None:
        """Send what the engine has ready and set the timer; does nothing while an input is being handled."""
        if not self._busy and not self._closed:
            self._flush(self.mishaps.count)

    def close(self) -> None:
        """Take no more input and hold no timer; what the engine had ready is sent first."""
        self.flush()
        self._closed = True
        self._timer.cancel()

    def _on_due(self) -> None:
        failures = self.mishaps.count
        self._busy = True
        try:
            self._engine.on_deadline(self._time())
        except Exception:  # noqa: BLE001 -- the edge, as in receive
            self.mishaps.note("a deadline")
        self._after_input(failures)

    def _after_input(self, failures: int) -> None:
        try:
            self._on_events()
        except Exception:  # noqa: BLE001 -- the edge: a listener's failure must not keep packets from being sent
            self.mishaps.note("a listener")
        self._busy = False
        if not self._closed:
            self._flush(failures)

    def _flush(self, failures: int) -> None:
        """Send, close, set the timer; `failures` is the count before this input, to slow down a failing engine."""
        deadline_at = None
        try:
            for packet in self._engine.outbox(self._time()):
                self._wire.send(packet)
            for hop in self._engine.closes():
                self._wire.close_connection(hop)
            deadline_at = self._engine.next_deadline()
        except Exception:  # noqa: BLE001 -- the edge, as in receive
            self.mishaps.note("the outbox")
        if self.mishaps.count != failures:
            earliest_at = self._time() + PAUSE_AFTER_FAILURE_S
            deadline_at = earliest_at if deadline_at is None else max(deadline_at, earliest_at)
        self._timer.arm(deadline_at)
