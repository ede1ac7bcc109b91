"""Two endpoints that ring reliably, update, refresh and give up at random on a bad network: nothing is left of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.support.sip_agents import ANSWER, BOB, OFFER, Agent, call_to, two_agents
from tests.support.wire import Link
from voipnode.sipstack.config import EndpointConfig, Extension
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import (
    CallAnswered,
    CallConfirmed,
    CallProgress,
    Event,
    IncomingCall,
    ReinviteAnswered,
    ReinviteReceived,
    SessionEnded,
    UpdateReceived,
)

CALLS = 12
BUSY_S = 60.0
USES = (Extension.OFF, Extension.SUPPORTED, Extension.SUPPORTED, Extension.REQUIRED)


class Storm:
    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        link = Link(delay_s=0.03, jitter_s=0.2, loss=rng.choice((0.0, 0.1, 0.3)), duplication=0.2)
        configs = [
            EndpointConfig(reliable=rng.choice(USES), session_timer=rng.choice(USES), session_expires_s=90)
            for _ in range(2)
        ]
        self.wire, *self.agents = two_agents(link, *configs, seed=seed)
        for agent in self.agents:
            agent.on_event = lambda event, now, agent=agent: self.hear(agent, event)

    def soon(self, action: Callable[[], object], most_s: float = 3.0) -> None:
        """What the moment does not allow is not done."""

        def act() -> None:
            with suppress(LocalError):
                action()

        self.wire.at(self.wire.now + self.rng.uniform(0.0, most_s), act)

    def hear(self, agent: Agent, event: Event) -> None:
        endpoint, wire, rng = agent.endpoint, self.wire, self.rng
        match event:
            case IncomingCall(session=session):
                body = ANSWER if event.offer is not None else OFFER
                for _ in range(rng.randint(0, 3)):
                    reliable, status = rng.random() < 0.7, rng.choice((180, 183))
                    self.soon(
                        lambda status=status, reliable=reliable: endpoint.ring(
                            session, wire.now, status, None, rng.choice((None, body)), reliable=reliable
                        )
                    )
                ends = (endpoint.accept, endpoint.accept, endpoint.accept, endpoint.reject, endpoint.hang_up)
                end = rng.choice(ends)
                if end == endpoint.accept:
                    self.soon(lambda: endpoint.accept(session, body, wire.now), 6.0)
                elif end == endpoint.reject:
                    self.soon(lambda: endpoint.reject(session, 486, wire.now), 6.0)
                self.soon(lambda: endpoint.hang_up(session, wire.now), 40.0)
                self.change(agent, session)
            case CallProgress(session=session, tag=tag, is_offer=True):
                self.soon(lambda: endpoint.acknowledge(session, ANSWER, wire.now, tag))
            case CallAnswered(session=session) | ReinviteAnswered(session=session):
                self.soon(lambda: endpoint.acknowledge(session, ANSWER, wire.now), 0.5)
                self.change(agent, session)
            case CallConfirmed(session=session):
                self.change(agent, session)
            case ReinviteReceived(session=session):
                self.soon(lambda: endpoint.accept_reinvite(session, ANSWER, wire.now), 0.5)
            case UpdateReceived(session=session):
                if rng.random() < 0.8:
                    self.soon(lambda: endpoint.accept_update(session, ANSWER, wire.now), 0.5)
                else:
                    self.soon(lambda: endpoint.reject_update(session, 488, wire.now), 0.5)
            case _:
                pass

    def change(self, agent: Agent, session: str) -> None:
        endpoint, wire = agent.endpoint, self.wire
        for _ in range(self.rng.randint(0, 2)):
            offer = self.rng.choice((None, OFFER))
            if self.rng.random() < 0.6:
                self.soon(lambda offer=offer: endpoint.update(session, offer, wire.now), 5.0)
            else:
                self.soon(lambda offer=offer: endpoint.reinvite(session, offer, wire.now), 5.0)

    def call(self) -> None:
        alice = self.agents[0].endpoint
        offer = self.rng.choice((OFFER, OFFER, None))
        session = alice.invite(call_to(BOB, offer), self.wire.now)
        self.soon(lambda: alice.hang_up(session, self.wire.now), 120.0)

    def run(self) -> None:
        for _ in range(CALLS):
            self.soon(self.call, BUSY_S)
        self.wire.run(until=300.0)
        for agent in self.agents:
            agent.on_event = lambda event, now: None
            for incoming in agent.told(IncomingCall):
                if agent.endpoint.knows(incoming.session):
                    agent.endpoint.hang_up(incoming.session, self.wire.now)
        self.wire.run(until=700.0)


@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_left_of_any_call(seed: int) -> None:
    storm = Storm(seed)
    storm.run()
    alice, bob = storm.agents
    assert len(alice.told(SessionEnded)) == CALLS
    assert len(bob.told(SessionEnded)) == len(bob.told(IncomingCall))
    assert alice.forgot_all(), alice.endpoint.counts()
    assert bob.forgot_all(), bob.endpoint.counts()
