"""Calls over several hops at random: servers that refuse, stall, die and come back, on a bad network.

VOIPNODE_STORMS says how many runs (40 by default); a failure names its seed, which gives the same run again.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from contextlib import suppress

import pytest

from tests.support.sip_agents import ALICE, ANSWER, Agent, call_to
from tests.support.wire import Link, Wire
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import CallAnswered, CallConfirmed, Event, IncomingCall, SessionEnded
from voipnode.sipstack.transport import Address, Hop, Packet

RUNS = int(os.environ.get("VOIPNODE_STORMS", "40"))
CALL_S = 30.0  # so long people act
REST_S = 300.0  # every timer is over by then, several in a row


class Storm:
    """One caller, some servers each of which is the telephone too, and what happens to them."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.wire = Wire(seed=seed)
        self.wire.refused = self.refuse
        self.alice = Agent("alice", ALICE)
        self.wire.attach("alice", ALICE, self.alice)
        self.phones = [
            Agent(f"p{number}", Address(f"192.0.2.{20 + number}", 5060)) for number in range(rng.randint(1, 4))
        ]
        self.died: set[str] = set()
        for phone in self.phones:
            self.wire.attach(phone.name, phone.address, phone)
            phone.on_event = lambda event, now, phone=phone: self.act(phone, event)  # type: ignore[misc]  # binds the loop's value
            for pair in ((phone.name, "alice"), ("alice", phone.name)):
                self.wire.set_link(*pair, self.link())
        self.calls = [self.place() for _ in range(rng.randint(1, 4))]

    def link(self) -> Link:
        rng = self.rng
        return Link(
            delay_s=rng.choice((0.0, 0.01, 0.5, 3.0)),
            jitter_s=rng.choice((0.0, 0.02, 1.0)),
            loss=rng.choice((0.0, 0.0, 0.1, 0.3)),
            duplication=rng.choice((0.0, 0.1, 0.5)),
        )

    def refuse(self, packet: Packet) -> None:
        """Half of what cannot be delivered is told, sooner or later."""
        if self.rng.random() < 0.5:
            for engine in (self.alice, *self.phones):
                self.wire.at(
                    self.wire.now + self.rng.choice((0.0, 0.2)),
                    lambda engine=engine: (
                        engine.endpoint.send_failed(packet.transaction, self.wire.now)  # type: ignore[misc]  # binds the loop's value
                        if packet.hop.remote != engine.address
                        else None
                    ),
                )

    def place(self) -> str:
        rng = self.rng
        hops = [Hop(rng.choice(("UDP", "UDP", "TCP")), phone.address) for phone in self.phones]
        hops.insert(rng.randint(0, len(hops)), Hop("UDP", Address("192.0.2.99", 5060)))
        rng.shuffle(hops)
        call = call_to(
            self.phones[0].address,
            hops=tuple(hops),
            no_answer_s=rng.choice((None, 0.3, 2.0, 5.0)),
            no_progress_s=rng.choice((None, None, 4.0)),
            failover_statuses=rng.choice(((503,), (500, 503))),
        )
        return self.alice.endpoint.invite(call, 0.0)

    def act(self, phone: Agent, event: Event) -> None:
        """What a telephone does with a call."""
        if not isinstance(event, IncomingCall):
            return
        rng, endpoint, session = self.rng, phone.endpoint, event.session
        with suppress(LocalError):
            match rng.randrange(8):
                case 0:
                    endpoint.accept(session, ANSWER, self.wire.now)
                case 1:
                    endpoint.reject(session, rng.choice((482, 486, 500, 503, 603)), self.wire.now)
                case 2:
                    return
                case 3:
                    endpoint.ring(session, self.wire.now)
                case _:
                    endpoint.ring(session, self.wire.now)
                    self.soon(lambda: endpoint.accept(session, ANSWER, self.wire.now))

    def soon(self, action: object, most_s: float = 10.0) -> None:
        def act() -> None:
            with suppress(LocalError):
                action()  # type: ignore[operator]  # always callable here

        self.wire.at(self.wire.now + self.rng.uniform(0, most_s), act)

    def trouble(self) -> None:
        """What befalls everybody."""
        rng, wire = self.rng, self.wire
        for phone in self.phones:
            if rng.random() < 0.3:
                self.died.add(phone.name)
                self.soon(lambda phone=phone: wire.detach(phone.address), CALL_S)  # type: ignore[misc]  # binds the loop's value
            if rng.random() < 0.5:
                self.soon(lambda phone=phone: wire.cut(ALICE, phone.address), CALL_S)  # type: ignore[misc]  # as above
            if rng.random() < 0.3:
                hop = Hop(rng.choice(("UDP", "TCP")), phone.address)
                self.soon(lambda hop=hop: self.alice.endpoint.abandon_hop(hop, wire.now), CALL_S)  # type: ignore[misc]  # as above
        for session in self.calls:
            if rng.random() < 0.4:
                self.soon(lambda session=session: self.alice.endpoint.hang_up(session, wire.now), CALL_S)  # type: ignore[misc]  # as above

    def run(self) -> None:
        self.trouble()
        self.wire.run(until=CALL_S)
        self.wire.run(until=CALL_S + 40.0)  # what was left is cancelled or over
        self.check_nobody_is_connected_twice()
        for engine in (self.alice, *self.phones):
            for session in list(engine.endpoint._core.sessions):
                with suppress(LocalError):
                    engine.endpoint.hang_up(session, self.wire.now)
        self.wire.run(until=CALL_S + 40.0 + REST_S)
        for phone in self.phones:
            self.wire.cut(ALICE, phone.address)
        self.wire.run(until=self.wire.now + REST_S)

    def check_nobody_is_connected_twice(self) -> None:
        """Of the telephones that live, no more are in calls than Alice has calls."""
        talking = sum(
            len(
                {event.session for event in phone.told(CallConfirmed)}
                - {event.session for event in phone.told(SessionEnded)}
            )
            for phone in self.phones
            if phone.name not in self.died
        )
        ended = {event.session for event in self.alice.told(SessionEnded)}
        assert talking <= len({event.session for event in self.alice.told(CallAnswered)} - ended)

    def check(self) -> None:
        answered = Counter(event.session for event in self.alice.told(CallAnswered))
        assert max(answered.values(), default=0) <= 1
        assert Counter(event.session for event in self.alice.told(SessionEnded)) == Counter(self.calls)
        assert self.alice.forgot_all(), self.alice.endpoint.counts()
        for phone in self.phones:
            if phone.name not in self.died:
                assert phone.forgot_all(), (phone.name, phone.endpoint.counts())


@pytest.mark.parametrize("block", range(0, RUNS, 10))
def test_every_call_ends_once_and_nothing_is_remembered(block: int) -> None:
    for seed in range(block, min(block + 10, RUNS)):
        storm = Storm(seed)
        try:
            storm.run()
            storm.check()
        except BaseException as error:
            error.add_note(f"seed {seed}\n{storm.wire.ladder}")
            raise
