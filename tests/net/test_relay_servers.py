"""Where STUN and TURN servers are, by zones written as tables (RFC 8489 §8, RFC 5928)."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.net.dns import Dns
from voipnode.net.dns_servers import Found, NoDnsAnswerError, Record, Srv
from voipnode.net.relay_servers import RelayServers, Wanted
from voipnode.net.resolver import Resolver

ZONE: dict[tuple[str, str], list[Record]] = {
    ("_stun._udp.example.com", "SRV"): [Srv(0, 0, 3479, "s1.example.com"), Srv(1, 0, 3480, "s2.example.com")],
    ("_turn._udp.example.com", "SRV"): [Srv(0, 0, 3481, "t.example.com")],
    ("_turns._tcp.example.com", "SRV"): [Srv(0, 0, 443, "t.example.com")],
    ("s1.example.com", "A"): ["192.0.2.1"],
    ("s2.example.com", "A"): ["192.0.2.2"],
    ("t.example.com", "A"): ["192.0.2.3"],
    ("t.example.com", "AAAA"): ["2001:db8::3"],
    ("example.com", "A"): ["192.0.2.9"],
    ("plain.test", "A"): ["192.0.2.7"],
}


def servers(*wanted: Wanted, dead: list[bool] | None = None, asked: list[str] | None = None) -> RelayServers:
    async def ask(name: str, kind: str) -> Found:
        if asked is not None:
            asked.append(f"{kind} {name}")
        if dead is not None and dead[0]:
            raise NoDnsAnswerError(name)
        return Found(tuple(ZONE.get((name, kind), [])), 10.0)

    dns = Dns(ask)
    resolver = Resolver((socket.AF_INET, socket.AF_INET6), dns, system=False)
    return RelayServers(wanted, resolver, dns, lambda most: 0)


def places(found: RelayServers) -> list[str]:
    return [f"{one.transport} {one.address[0]} {one.address[1]}" for one in found.known()]


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        (Wanted("example.com"), ["UDP 192.0.2.1 3479", "UDP 192.0.2.2 3480"]),
        (Wanted("plain.test"), ["UDP 192.0.2.7 3478"]),
        (Wanted("example.com", 5000), ["UDP 192.0.2.9 5000"]),  # a port: no SRV (RFC 8489 §8.1)
        (Wanted("example.com", 0, "UDP", "u", "p"), ["UDP 192.0.2.3 3481", "UDP 2001:db8::3 3481"]),
        (Wanted("example.com", 0, "TLS", "u", "p"), ["TLS 192.0.2.3 443", "TLS 2001:db8::3 443"]),
        (Wanted("plain.test", 0, "TLS", "u", "p"), ["TLS 192.0.2.7 5349"]),
        (
            Wanted("plain.test", 0, "AUTO", "u", "p"),
            ["UDP 192.0.2.7 3478", "TCP 192.0.2.7 3478", "TLS 192.0.2.7 5349"],
        ),
        (Wanted("nowhere.test"), []),
    ],
)
def test_names_lead_to_servers(wanted: Wanted, there: list[str]) -> None:
    async def main() -> None:
        found = servers(wanted)
        await found.look_up()
        assert places(found) == there
        assert all((one.name, one.username) == (wanted.host, wanted.username) for one in found.known())
        await found.close()

    run_virtual(main())


def test_an_address_is_known_without_asking_anybody() -> None:
    async def main() -> None:
        asked: list[str] = []
        found = servers(Wanted("192.0.2.5", 3478), Wanted("2001:db8::5", 0, "TLS", "u", "p"), asked=asked)
        assert places(found) == ["UDP 192.0.2.5 3478", "TLS 2001:db8::5 5349"]
        await asyncio.sleep(100.0)
        assert asked == []

    run_virtual(main())


def test_old_knowledge_serves_a_call_and_is_looked_up_again_behind_it(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        asked: list[str] = []
        dead = [False]
        found = servers(Wanted("plain.test"), dead=dead, asked=asked)
        assert found.known() == ()  # the very first call does not wait
        await asyncio.sleep(1.0)
        assert places(found) == ["UDP 192.0.2.7 3478"]
        asked.clear()
        found.known()
        assert asked == []
        await asyncio.sleep(61.0)
        dead[0] = True
        assert places(found) == ["UDP 192.0.2.7 3478"]
        await asyncio.sleep(10.0)
        assert "A plain.test" in asked
        assert places(found) == ["UDP 192.0.2.7 3478"]
        await found.close()

    with caplog.at_level(logging.ERROR):
        run_virtual(main())


def test_a_name_that_leads_nowhere_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        found = servers(Wanted("nowhere.test", 0, "UDP", "u", "p"))
        for _ in range(3):
            await found.look_up()
        await found.close()

    run_virtual(main())
    assert [record.message for record in caplog.records] == [
        'the TURN server "nowhere.test" has no address that we can reach'
    ]
