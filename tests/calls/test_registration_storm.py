"""Registrations in a storm: servers die in every way, packets are lost; what must hold always, holds."""

from __future__ import annotations

import random

import pytest

from tests.support.registrar import PASSWORD, PRIMARY, SECONDARY, RegisteringDoor, Registrar, account
from tests.support.sip_agents import field, response_to
from tests.support.wire import Link, Wire
from voipnode.calls.settings import SipSettings

NAMES = {"pbx.example": [PRIMARY], "pbx2.example": [SECONDARY]}
STORM_S = 1800
CALM_S = 700.0  # the longest wait between two walks is 300 s


class Storm:
    """Two servers and the things that befall them, each second perhaps one."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.wire = Wire(seed=seed, link=Link(delay_s=0.02, jitter_s=0.03, loss=0.03, duplication=0.02))
        self.door = RegisteringDoor(
            self.wire,
            account(secondary={"registrar": "pbx2.example"}, registration_interval_s=60),
            names=NAMES,
            settings=SipSettings(failback_s=20),
            chance=self.rng.random(),
        )
        self.servers = [
            Registrar(self.wire, "pbx", PRIMARY, password=PASSWORD),
            Registrar(self.wire, "pbx2", SECONDARY, password=PASSWORD),
        ]
        self.gone: set[str] = set()
        self.registration = self.door.accounts.registrations[0]

    def strike(self) -> None:
        server = self.rng.choice(self.servers)
        match self.rng.randrange(40):
            case 0:
                server.alive = False
            case 1 | 2:
                server.alive = True
            case 3 if server.name not in self.gone:
                self.gone.add(server.name)
                self.wire.detach(server.address)
            case 4 if server.name in self.gone:
                self.bring_back(server)
            case 5:
                server.bindings.clear()  # it was started anew
            case 6:
                server.nonce = f"nonce-{self.rng.random()}"
            case 7:
                server.answer = lambda request: response_to(request, "503 Full", "Retry-After: 15")
            case 8 | 9:
                server.answer = lambda request: None
            case 10:
                self.door.dns_delay_s = self.rng.choice((None, 0.0, 3.0))
            case 11:
                self.door.dns_delay_s = 0.0
            case 12 if (binding := self.registration.binding) is not None:
                self.wire.cut(self.door.address, binding.hop.remote)
            case _:
                pass

    def bring_back(self, server: Registrar) -> None:
        self.gone.discard(server.name)
        self.wire.attach(server.name, server.address, server)

    def calm(self) -> None:
        """Everything works again."""
        for server in self.servers:
            server.alive, server.answer = True, lambda request: None
            if server.name in self.gone:
                self.bring_back(server)
        self.door.dns_delay_s = 0.0


@pytest.mark.parametrize("seed", range(12))
def test_it_always_ends_registered_at_one_server_and_never_hammers(seed: int) -> None:
    storm = Storm(seed)
    storm.door.start()
    for second in range(STORM_S):
        storm.wire.at(float(second), storm.strike)
    storm.wire.run(float(STORM_S))
    storm.calm()
    storm.wire.run(STORM_S + CALM_S)
    assert storm.door.last.state == "registered", storm.door.told[-5:]
    assert storm.door.last.server == "192.0.2.11:5060", "with the primary alive, it is there that it ends"
    assert storm.servers[0].knows_door()
    assert not storm.servers[1].knows_door(), "one binding, not two that are fought over"
    for server in storm.servers:
        assert len({field(sent, "Call-ID") for sent in server.registers}) == 1, "one for all (RFC 3261 §10.2)"
    asked = len({(rung.at, rung.receiver) for rung in storm.wire.ladder.pick("REGISTER", "door")})
    assert asked < (STORM_S + CALM_S) / 2, "less than one request every other second, repetitions counted"
    storm.door.accounts.stop(storm.wire.now)
    storm.wire.run(storm.wire.now + 40.0)
    assert storm.door.accounts.stopped
    assert storm.door.next_deadline() is None
    assert storm.door.endpoint.counts()["outside"] == 0
