"""SipSockets: both transports behind one wire, and the address that a peer sees us at."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path

import pytest

from tests.net.conftest import Run
from tests.support.certificates import Authority
from tests.support.net_recorder import Recorder
from voipnode.net.local_address import LocalAddresses
from voipnode.net.resolver import Resolver
from voipnode.net.sip_sockets import ListenError, MorePorts, SipSockets
from voipnode.net.stream_layers import StreamLayers
from voipnode.net.tls import TlsProfile
from voipnode.sipstack.transport import Address, Hop, Packet


def test_udp_and_tcp_share_one_port_on_both_families(run: Run) -> None:
    async def main() -> None:
        a, b = SipSockets(("127.0.0.1", "::1"), 0), SipSockets(("127.0.0.1", "::1"), 0)
        a_sink, b_sink = Recorder(), Recorder()
        await a.open(a_sink)
        await b.open(b_sink)
        for transport in ("UDP", "TCP"):
            for host in ("127.0.0.1", "::1"):
                a.send(Packet(f"{transport} {host}".encode(), Hop(transport, Address(host, b.port))))
        await b_sink.until(lambda: len(b_sink.received) == 4)
        assert {data.decode() for data, _ in b_sink.received} == {
            "UDP 127.0.0.1", "UDP ::1", "TCP 127.0.0.1", "TCP ::1",
        }  # fmt: skip
        await a.close()
        await b.close()
        await b.close()

    run(main())


def test_an_unknown_transport_fails_its_transaction(run: Run) -> None:
    async def main() -> None:
        sockets, sink = SipSockets(("127.0.0.1",), 0), Recorder()
        await sockets.open(sink)
        sockets.send(Packet(b"x", Hop("SCTP", Address("127.0.0.1", 5060)), "t"))
        await sink.until(lambda: sink.failed == ["t"])
        await sockets.close()

    run(main())


@pytest.mark.parametrize("hosts", [(), ("localhost",), ("127.0.0.1", "127.0.0.2"), ("",)])
def test_hosts_that_cannot_be_bound_are_refused_by_value(run: Run, hosts: tuple[str, ...]) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="one IPv4 and/or one IPv6"):
            SipSockets(hosts)

    run(main())


def test_a_tcp_port_in_use_raises_and_frees_the_udp_port(run: Run) -> None:
    async def main() -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(OSError, match="in use"):
                await SipSockets(("127.0.0.1",), port).open(Recorder())
        sockets = SipSockets(("127.0.0.1",), port)
        await sockets.open(Recorder())
        await sockets.close()

    run(main())


def test_local_address_is_what_the_peer_sees(run: Run) -> None:
    async def main() -> None:
        wide, narrow = SipSockets(("0.0.0.0", "::"), 0), SipSockets(("127.0.0.3",), 0)
        await wide.open(Recorder())
        await narrow.open(Recorder())
        for host, seen in (("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("localhost", "127.0.0.1")):
            assert wide.local_address(Hop("UDP", Address(host, 5060))) == Address(seen, wide.port)
        assert narrow.local_address(Hop("TCP", Address("198.51.100.7", 5060), 4)) == Address("127.0.0.3", narrow.port)
        await wide.close()
        await narrow.close()

    run(main())


def test_local_addresses_are_remembered_for_a_while_and_bounded() -> None:
    now = [0.0]
    asked: list[str] = []

    class Counting(LocalAddresses):
        def _ask(self, remote: str) -> str:
            asked.append(remote)
            return super()._ask(remote)

    addresses = Counting({socket.AF_INET: "0.0.0.0"}, lambda name: None, lambda: now[0], max_hosts=10)
    assert addresses.towards("127.0.0.1") == "127.0.0.1"
    assert addresses.towards("127.0.0.1") == "127.0.0.1"
    assert asked == ["127.0.0.1"]
    now[0] = 61.0
    addresses.towards("127.0.0.1")
    assert len(asked) == 2
    for number in range(50):
        addresses.towards(f"127.0.1.{number}")
    assert len(addresses._remembered) == 10
    assert socket.inet_aton(addresses.towards("not-looked-up.test"))  # an address of ours, never an exception
    assert len(addresses._remembered) == 10
    assert socket.inet_aton(addresses.towards("::1"))


def test_the_resolver_shares_a_lookup_keeps_its_answer_and_bounds_what_waits(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[object]] = loop.create_future()
        asked: list[str] = []

        async def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
            asked.append(host)
            return await asyncio.shield(answer)

        monkeypatch.setattr(Resolver, "_getaddrinfo", staticmethod(getaddrinfo))
        resolver = Resolver((socket.AF_INET,), timeout_s=0.02, max_pending=2)
        assert await resolver.addresses("slow.test") == ()  # the time is up, the lookup goes on
        assert await resolver.addresses("slow.test") == ()
        assert asked == ["slow.test"]
        second = loop.create_task(resolver.addresses("second.test"))
        await asyncio.sleep(0)
        assert await resolver.addresses("third.test") == ()
        assert await resolver.addresses("x" * 300) == ()
        answer.set_result([
            (socket.AF_INET6, 0, 0, "", ("::1", 0, 0, 0)),
            (socket.AF_INET, 0, 0, "", ("192.0.2.7", 0)),
            (socket.AF_INET, 0, 0, "", ("192.0.2.7", 0)),
        ])  # fmt: skip
        assert await second == ("192.0.2.7",)
        assert resolver.known("slow.test") == ("192.0.2.7",)
        assert asked == ["slow.test", "second.test"]
        assert await resolver.addresses("::1") == ()  # not of our family
        await resolver.close()

    run(main())


@pytest.mark.parametrize("name", ["", ".", "a\x00b", "\udcff.test", "ü" * 80, "-" * 64 + ".test"])
def test_names_that_are_none_resolve_to_nothing(run: Run, name: str) -> None:
    async def main() -> None:
        resolver = Resolver()
        assert await resolver.addresses(name) == ()
        await resolver.close()

    run(main())


def test_every_transport_has_its_port_and_says_where_we_are_reached(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        authority = Authority(tmp_path / "ca")
        server = TlsProfile(certificate=authority.issue("localhost"))
        trusting = {"": TlsProfile(ca=authority.ca)}
        a = SipSockets(
            ("127.0.0.1", "::1"), 0, more=MorePorts(tls=0, ws=0, wss=0), layers=StreamLayers(trusting, server)
        )
        b = SipSockets(("127.0.0.1", "::1"), 0, layers=StreamLayers(trusting))  # listens for none of them
        a_sink, b_sink = Recorder(), Recorder()
        await a.open(a_sink)
        await b.open(b_sink)
        assert len({a.ports[transport] for transport in ("UDP", "TLS", "WS", "WSS")}) == 4
        for host in ("127.0.0.1", "::1"):
            for transport in ("TLS", "WS", "WSS"):
                there = Hop(transport, Address(host, a.ports[transport]), None, "localhost")
                b.send(Packet(f"{transport} {host}".encode(), there))
                assert b.local_address(there) == Address(host, 0)  # nobody listens
                listening = a.ports[transport] if transport == "TLS" else 0  # RFC 7118 §B.1
                assert a.local_address(there) == Address(host, listening)
        await a_sink.until(lambda: len(a_sink.received) == 6)
        for data, source in a_sink.received:
            transport, host = data.decode().split()
            assert source.transport == transport
            assert a.local_address(source) == Address(host, a.ports[transport])  # whoever connected knows it
            a.send(Packet(b"200", source))
        await b_sink.until(lambda: len(b_sink.received) == 6)
        assert all(b.local_address(source).port == 0 for _, source in b_sink.received)
        await a.close()
        await b.close()

    run(main())


def test_a_port_that_is_taken_is_told_with_its_transport(run: Run) -> None:
    async def main() -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            sockets = SipSockets(("127.0.0.1",), 0, more=MorePorts(ws=port))
            with pytest.raises(ListenError) as caught:
                await sockets.open(Recorder())
            assert (caught.value.transport, caught.value.port, caught.value.errno) == ("WS", port, errno.EADDRINUSE)
            await sockets.close()

    run(main())
