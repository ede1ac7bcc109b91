"""A network in virtual time: joins engines with the five verbs, loses, delays, doubles and reorders what they send.

Nothing sleeps. `Wire.run(until)` jumps from one deadline or arrival to the next; every message sent is a `Rung` of the
ladder with its exact time and its fate. Datagrams suffer what their `Link` says; a stream (any transport but UDP)
arrives whole and in order after the link's delay, in pieces of `segment_bytes` where a test wants to see framing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Protocol, runtime_checkable

from voipnode.sipstack.transport import Address, Hop, Packet


@runtime_checkable
class ConnectedEngine(Protocol):
    """An engine that wants to hear when a stream connection is gone."""

    def connection_closed(self, source: Hop, now: float) -> object: ...


# An engine that is still due after this many turns at one instant would spin for ever.
MAX_TURNS_PER_INSTANT = 10_000


class Engine(Protocol):
    def receive(self, data: bytes, source: Hop, now: float) -> object: ...

    def outbox(self, now: float) -> list[Packet]: ...

    def next_deadline(self) -> float | None: ...

    def on_deadline(self, now: float) -> object: ...


@dataclass(frozen=True)
class Link:
    """What one direction does to datagrams. Probabilities are 0 to 1; `jitter_s` is added at random, so it reorders."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    duplication: float = 0.0
    segment_bytes: int = 0  # streams only: 0 = one piece


@dataclass(frozen=True)
class Rung:
    """One message as it was sent. `what` is "INVITE" or "180 INVITE"; `fate` is "sent", "lost" or "refused"."""

    at: float
    sender: str
    receiver: str
    what: str
    fate: str
    transport: str
    data: bytes = field(repr=False)

    def __str__(self) -> str:
        note = "" if self.fate == "sent" else f"  ({self.fate})"
        return f"{self.at:9.3f}  {self.sender:>8} -> {self.receiver:<8} {self.transport} {self.what}{note}"


class Ladder(list[Rung]):
    """The message-sequence chart of a run, as data."""

    def pick(self, what: str | None = None, sender: str | None = None, fate: str | None = None) -> Ladder:
        return Ladder(
            rung
            for rung in self
            if what in (None, rung.what) and sender in (None, rung.sender) and fate in (None, rung.fate)
        )

    def times(self, what: str | None = None, sender: str | None = None) -> list[float]:
        """When each matching message left, lost ones included; rounded to the microsecond."""
        return [round(rung.at, 6) for rung in self.pick(what, sender)]

    def messages(self) -> list[tuple[str, str]]:
        """(sender, what) of each rung, for a test that reads like a call flow."""
        return [(rung.sender, rung.what) for rung in self]

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def describe(data: bytes) -> str:
    """The method of a request, or the status and CSeq method of a response; read without the parser under test."""
    first, _, rest = data.partition(b"\r\n")
    if not first.startswith(b"SIP/2.0 "):
        return first.split(b" ", 1)[0].decode("ascii", "replace")
    cseq = re.search(rb"(?im)^CSeq\s*:\s*\d+\s+(\S+)", rest)
    return f"{first[8:11].decode('ascii', 'replace')} {cseq.group(1).decode('ascii', 'replace') if cseq else '?'}"


@dataclass(frozen=True)
class _Port:
    name: str
    address: Address
    engine: Engine


class Wire:
    """Joins the engines attached to it. Same seed, same run."""

    def __init__(self, seed: int = 0, link: Link = Link()) -> None:
        self.now = 0.0
        self.ladder = Ladder()
        # May say "lose this one" (True) or "let the link decide" (False), before any chance is taken.
        self.drop: Callable[[Rung], bool] = lambda rung: False
        # May say that nobody listens for a packet, as for TCP at a peer that has UDP alone.
        self.refuses: Callable[[Packet], bool] = lambda packet: False
        # Hears of a packet for an address where nobody is attached: the place to report a transport error.
        self.refused: Callable[[Packet], object] = lambda packet: None
        self._link = link
        self._links: dict[tuple[str, str], Link] = {}
        self._ports: dict[Address, _Port] = {}
        self._random = random.Random(seed)
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0
        self._connections: dict[frozenset[Address], int] = {}
        self._connections_made = 0
        self._stream_free_at: dict[tuple[Address, Address], float] = {}

    def attach(self, name: str, address: Address, engine: Engine) -> Hop:
        """Puts `engine` at `address`; returns the UDP hop by which others reach it."""
        self._ports[address] = _Port(name, address, engine)
        return Hop("UDP", address)

    def detach(self, address: Address) -> None:
        """The machine at `address` vanishes: what is sent to it is lost."""
        del self._ports[address]

    def cut(self, one: Address, other: Address, transport: str = "TCP") -> None:
        """Close the connection between the two, if there is one; an end that can be told is told at once."""
        number = self._connections.pop(frozenset((one, other)), None)
        if number is None:
            return
        for here, there in ((one, other), (other, one)):
            port = self._ports.get(here)
            if port is not None and isinstance(port.engine, ConnectedEngine):
                port.engine.connection_closed(Hop(transport, there, number), self.now)
        self.flush()

    def set_link(self, sender: str, receiver: str, link: Link) -> None:
        """Gives one direction its own manners, from now on."""
        self._links[sender, receiver] = link

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Schedules a person: `action` runs at `when`, then all outboxes are sent."""
        self._count += 1
        heappush(self._agenda, (max(when, self.now), self._count, action))

    def inject(self, data: bytes, sender: Hop, receiver: Address) -> None:
        """Delivers bytes that no engine sent, at once, as if they came from `sender`."""
        self._ports[receiver].engine.receive(data, sender, self.now)
        self.flush()

    def flush(self) -> None:
        """Sends whatever the engines have in their outboxes; call it after a command given outside `at`."""
        for port in list(self._ports.values()):
            for packet in port.engine.outbox(self.now):
                self._send(port, packet)

    def run(self, until: float) -> Ladder:
        """Lets time pass up to and including `until`; the clock stands at `until` afterwards."""
        self.flush()
        turns, instant = 0, self.now
        while (when := self._next()) is not None and when <= until:
            turns = turns + 1 if when == instant else 0
            instant = when
            assert turns < MAX_TURNS_PER_INSTANT, f"an engine is due at {when} s for ever\n{self.ladder}"
            self.now = max(self.now, when)
            self._turn()
        self.now = max(self.now, until)
        return self.ladder

    def _next(self) -> float | None:
        deadlines = [at for port in self._ports.values() if (at := port.engine.next_deadline()) is not None]
        if self._agenda:
            deadlines.append(self._agenda[0][0])
        return min(deadlines, default=None)

    def _turn(self) -> None:
        """One arrival or action, or else every deadline that is due."""
        if self._agenda and self._agenda[0][0] <= self.now:
            heappop(self._agenda)[2]()
        else:
            for port in list(self._ports.values()):
                at = port.engine.next_deadline()
                if at is not None and at <= self.now:
                    port.engine.on_deadline(self.now)
        self.flush()

    def _send(self, sender: _Port, packet: Packet) -> None:
        receiver = None if self.refuses(packet) else self._ports.get(packet.hop.remote)
        name = receiver.name if receiver else str(packet.hop.remote)
        rung = Rung(
            self.now, sender.name, name, describe(packet.data), "sent", packet.hop.transport, bytes(packet.data)
        )
        if receiver is None or self._is_gone(packet.hop.connection, sender, receiver):
            self.ladder.append(replace(rung, fate="refused"))
            self.refused(packet)
            return
        link = self._links.get((sender.name, receiver.name), self._link)
        if packet.hop.reliable:
            lost = self.drop(rung)
            if not lost:
                self._stream(sender, receiver, packet, link)
        else:
            lost = self.drop(rung) or self._random.random() < link.loss
            if not lost:
                self._datagram(sender, receiver, packet, link)
        self.ladder.append(replace(rung, fate="lost") if lost else rung)

    def _is_gone(self, connection: int | None, sender: _Port, receiver: _Port) -> bool:
        pair = frozenset((sender.address, receiver.address))
        return connection is not None and self._connections.get(pair) != connection

    def _datagram(self, sender: _Port, receiver: _Port, packet: Packet, link: Link) -> None:
        copies = 2 if self._random.random() < link.duplication else 1
        source = Hop(packet.hop.transport, sender.address)
        for _ in range(copies):
            delay_s = link.delay_s + link.jitter_s * self._random.random()
            self._deliver(self.now + delay_s, receiver, packet.data, source)

    def _stream(self, sender: _Port, receiver: _Port, packet: Packet, link: Link) -> None:
        """In order, whole, on the one connection between the two."""
        pair = frozenset((sender.address, receiver.address))
        if pair not in self._connections:
            self._connections_made += 1
            self._connections[pair] = self._connections_made
        connection = self._connections[pair]
        source = Hop(packet.hop.transport, sender.address, connection)
        direction = (sender.address, receiver.address)
        when = max(self.now + link.delay_s, self._stream_free_at.get(direction, 0.0))
        self._stream_free_at[direction] = when
        for piece in _pieces(packet.data, link.segment_bytes):
            self._deliver(when, receiver, piece, source)

    def _deliver(self, when: float, receiver: _Port, data: bytes, source: Hop) -> None:
        pair = frozenset((receiver.address, source.remote))

        def arrive() -> None:
            if source.connection is not None and self._connections.get(pair) != source.connection:
                return  # it was cut meanwhile
            if self._ports.get(receiver.address) is receiver:
                receiver.engine.receive(data, source, self.now)

        self.at(when, arrive)


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    step = size or len(data) or 1
    return (data[start : start + step] for start in range(0, len(data), step))
