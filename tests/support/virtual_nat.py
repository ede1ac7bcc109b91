"""ICE agents on a network with NATs and relays, in virtual time: who reaches whom, and when.

host 10.0.0.1 -- NAT 198.51.100.1 --.
                                    |-- the public network, with loss, delay, repetition and reordering
host 10.0.0.2 -- NAT 198.51.100.2 --'        relay 203.0.113.x
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from voipnode.media.events import MediaEvent
from voipnode.media.ice.agent import IceAgent
from voipnode.media.ice.candidate import Candidate, Found, Kind, local_candidates
from voipnode.media.ice.values import Pacer, Peer, Sent, Times
from voipnode.media.values import Addr

Filtering = Literal["full cone", "port-restricted", "symmetric"]
STUN = ("203.0.113.10", 3478)


@dataclass
class Nat:
    """A router: `behaviour` says whether it maps by destination, and whom it lets in."""

    host: str
    behaviour: Filtering
    ports: itertools.count[int] = field(default_factory=lambda: itertools.count(50_000))
    out: dict[tuple[Addr, Addr | None], int] = field(default_factory=dict)
    back: dict[int, Addr] = field(default_factory=dict)
    asked: set[tuple[int, Addr]] = field(default_factory=set)

    def outwards(self, inner: Addr, remote: Addr) -> Addr:
        """The address that `remote` sees."""
        key = (inner, remote if self.behaviour == "symmetric" else None)
        if key not in self.out:
            self.out[key] = next(self.ports)
            self.back[self.out[key]] = inner
        self.asked.add((self.out[key], remote))
        return self.host, self.out[key]

    def inwards(self, port: int, remote: Addr) -> Addr | None:
        """Where a packet from `remote` to that port goes; None: it is dropped."""
        if self.behaviour != "full cone" and (port, remote) not in self.asked:
            return None
        return self.back.get(port)


@dataclass
class Side:
    """One agent, its own addresses, and what happened to it."""

    name: str
    agent: IceAgent
    hosts: tuple[str, ...]
    nat: Nat | None
    relays: dict[Addr, int] = field(default_factory=dict)  # relayed address -> component
    events: list[MediaEvent] = field(default_factory=list)
    cut: bool = False  # nothing comes or goes any more

    @property
    def words(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


class World:
    """The network and its time."""

    def __init__(self, seed: int = 1, *, loss: float = 0.0, repeat: float = 0.0, jitter_s: float = 0.0) -> None:
        self.now = 0.0
        self.dice = random.Random(seed)
        self.loss, self.repeat, self.jitter_s, self.delay_s = loss, repeat, jitter_s, 0.02
        self.sides: list[Side] = []
        self.sent: list[tuple[float, Side, Sent]] = []
        self.drops: Callable[[Addr, Addr], bool] = lambda source, target: False
        self.tamper: Callable[[Side, Sent], bytes] = lambda side, sent: sent.data
        self._flying: list[tuple[float, int, Addr, Addr, bytes]] = []
        self._count = itertools.count()

    def bits(self, count: int) -> int:
        return self.dice.getrandbits(count)

    def add(
        self,
        name: str,
        hosts: tuple[str, ...],
        *,
        nat: Nat | None = None,
        relay: str = "",
        controlling: bool = False,
        components: int = 1,
        times: Times | None = None,
    ) -> Side:
        """A side at these addresses; with a NAT it knows how a STUN server sees it, with `relay` it has one there."""
        addresses = [tuple((host, 4000 + number) for number in range(components)) for host in hosts]
        found = []
        relays: dict[Addr, int] = {}
        for number, base in enumerate(addresses[0]):
            if nat is not None:
                mapped = nat.outwards(base, STUN)
                found.append(Found(Kind.SERVER_REFLEXIVE, number + 1, mapped, base, STUN[0]))
            if relay:
                relays[relay, 49_152 + number] = number + 1
                found.append(Found(Kind.RELAYED, number + 1, (relay, 49_152 + number), base, STUN[0]))
        agent = IceAgent(
            local_candidates(addresses, found),
            controlling=controlling,
            random_bits=self.bits,
            components=components,
            times=times,
            pacer=Pacer(),
        )
        side = Side(name, agent, hosts, nat, relays)
        self.sides.append(side)
        return side

    # -- packets

    def pump(self) -> None:
        """Take what the agents have to send and to tell."""
        for side in self.sides:
            for sent in side.agent.outbox():
                self.sent.append((self.now, side, sent))
                self._send(side, sent)
            while (event := side.agent.next_event()) is not None:
                side.events.append(event)

    def _send(self, side: Side, sent: Sent) -> None:
        if side.cut:
            return
        source = sent.base
        if side.nat is not None and source not in side.relays and not self._is_beside(side, sent.remote):
            source = side.nat.outwards(sent.base, sent.remote)
        self.put(self.tamper(side, sent), source, sent.remote)

    def _is_beside(self, side: Side, remote: Addr) -> bool:
        return any(remote[0] in other.hosts and other.nat is side.nat for other in self.sides)

    def put(self, data: bytes, source: Addr, target: Addr) -> None:
        """A datagram on the public network, or within one site."""
        if self.dice.random() < self.loss or self.drops(source, target):
            return
        for _ in range(2 if self.dice.random() < self.repeat else 1):
            at = self.now + self.delay_s + self.dice.random() * self.jitter_s
            heapq.heappush(self._flying, (at, next(self._count), source, target, data))

    def _deliver(self, source: Addr, target: Addr, data: bytes) -> None:
        for side in self.sides:
            if side.cut:
                continue
            if target in side.relays:
                side.agent.receive(data, source, side.relays[target], target, self.now)
            elif target[0] in side.hosts and (side.nat is None or self._came_from_beside(side, source)):
                side.agent.receive(data, source, target[1] - 3999, target, self.now)
            elif side.nat is not None and target[0] == side.nat.host:
                inner = side.nat.inwards(target[1], source)
                if inner is not None and inner[0] in side.hosts:
                    side.agent.receive(data, source, inner[1] - 3999, inner, self.now)

    def _came_from_beside(self, side: Side, source: Addr) -> bool:
        return any(source[0] in other.hosts and other.nat is side.nat for other in self.sides)

    # -- time

    def run(self, until: float) -> None:
        """Let everything happen that is due up to then."""
        self.pump()
        while True:
            at = min(
                [deadline for side in self.sides if (deadline := side.agent.next_deadline()) is not None]
                + ([self._flying[0][0]] if self._flying else []),
                default=float("inf"),
            )
            if at > until:
                break
            self.now = max(self.now, at)
            if self._flying and self._flying[0][0] <= self.now:
                _, _, source, target, data = heapq.heappop(self._flying)
                self._deliver(source, target, data)
            else:
                for side in self.sides:
                    side.agent.on_deadline(self.now)
            self.pump()
        self.now = until


def description(side: Side, *, lite: bool = False, pace_s: float = 0.05) -> Peer:
    """What the other side is told; nobody tells where the base of a candidate is, nor what only checks have shown."""
    told = tuple(
        Candidate(one.kind, one.component, one.address, one.priority, one.foundation, one.address)
        for one in side.agent.candidates
        if one.kind is not Kind.PEER_REFLEXIVE
    )
    return Peer(side.agent.credentials, told, lite, pace_s)


def meet(world: World, offerer: Side, answerer: Side, *, answer_takes_s: float = 0.04, components: int = 2) -> None:
    """The answerer begins when it answers, the offerer when the answer is here."""
    told = description(answerer)
    answerer.agent.begin(description(offerer), world.now, components=components)
    world.run(world.now + answer_takes_s)
    offerer.agent.begin(told, world.now, components=components)
