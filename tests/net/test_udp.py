"""SIP over UDP on loopback: both families, bursts, ICMP errors, names."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from tests.net.conftest import Run
from tests.support.net_recorder import Recorder
from voipnode.net.resolver import Resolver
from voipnode.net.udp import MAX_REMOTES, MAX_TRANSACTIONS, SipUdp
from voipnode.sipstack.transport import Address, Hop, Packet

FAMILIES = [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="ICMP errors of unconnected sockets: Linux only")


def udp_hop(host: str, port: int) -> Hop:
    return Hop("UDP", Address(host, port))


def closed_port(host: str, family: int) -> int:
    """A port that nobody listens on."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize(("host", "family"), FAMILIES)
def test_datagrams_go_both_ways_with_the_peers_address(run: Run, host: str, family: int) -> None:
    async def main() -> None:
        sink = Recorder()
        udp = SipUdp((host,), 0, Resolver((family,)), sink)
        with socket.socket(family, socket.SOCK_DGRAM) as peer:
            peer.bind((host, 0))
            peer.sendto(b"hello", (host, udp.port))
            await sink.until(lambda: bool(sink.received))
            assert sink.received == [(b"hello", udp_hop(host, peer.getsockname()[1]))]
            udp.send(Packet(b"answer", sink.received[0][1]))
            peer.settimeout(5)
            data, source = peer.recvfrom(100)
            assert (data, source[:2]) == (b"answer", (host, udp.port))
        udp.close()

    run(main())


def test_one_port_serves_both_families(run: Run) -> None:
    async def main() -> None:
        sink = Recorder()
        udp = SipUdp(("127.0.0.1", "::1"), 0, Resolver(), sink)
        udp.send(Packet(b"4", udp_hop("127.0.0.1", udp.port)))
        udp.send(Packet(b"6", udp_hop("::1", udp.port)))
        await sink.until(lambda: len(sink.received) == 2)
        assert {(data, hop.remote.host) for data, hop in sink.received} == {(b"4", "127.0.0.1"), (b"6", "::1")}
        udp.close()

    run(main())


def test_a_burst_of_a_thousand_datagrams_is_read_whole_and_in_order(run: Run) -> None:
    async def main() -> None:
        sink = Recorder()
        udp = SipUdp(("127.0.0.1",), 0, Resolver(), sink)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for number in range(1000):
                peer.sendto(b"%d" % number + b" " * 700, ("127.0.0.1", udp.port))
        await sink.until(lambda: len(sink.received) == 1000)
        assert [int(data) for data, _ in sink.received] == list(range(1000))
        udp.close()

    run(main())


@linux_only
@pytest.mark.parametrize(("host", "family"), FAMILIES)
def test_an_icmp_error_tells_the_transactions_sent_to_that_address_and_reading_goes_on(
    run: Run, host: str, family: int
) -> None:
    async def main() -> None:
        sink = Recorder()
        udp = SipUdp((host,), 0, Resolver((family,)), sink)
        udp.send(Packet(b"for myself", udp_hop(host, udp.port), "alive"))
        for attempt in range(5):  # again and again: one report must not make the socket deaf
            dead = udp_hop(host, closed_port(host, family))
            udp.send(Packet(b"anybody?", dead, f"t{attempt}"))
            await sink.until(lambda attempt=attempt: sink.failed == [f"t{n}" for n in range(attempt + 1)])  # type: ignore[misc] -- default binds it
            udp.send(Packet(b"still here", udp_hop(host, udp.port)))
            await sink.until(lambda attempt=attempt: len(sink.received) == attempt + 2)  # type: ignore[misc] -- as above
            assert sink.why[-1] == f"nobody listens at {dead.remote} (UDP)"
        udp.close()

    run(main())


@linux_only
def test_reading_survives_an_error_that_a_send_took_while_data_waited(run: Run) -> None:
    async def main() -> None:
        sink = Recorder()
        udp = SipUdp(("127.0.0.1",), 0, Resolver(), sink)
        own = udp_hop("127.0.0.1", udp.port)
        for number in range(50):
            dead = udp_hop("127.0.0.1", closed_port("127.0.0.1", socket.AF_INET))
            # In one turn: the error is waiting, a datagram is waiting, and the next send runs into the error.
            udp.send(Packet(b"anybody?", dead, f"t{number}"))
            udp.send(Packet(b"a", own))
            udp.send(Packet(b"b", own))
            await sink.until(lambda number=number: len(sink.received) == 2 * number + 2)  # type: ignore[misc] -- default binds it
        await sink.until(lambda: len(sink.failed) == 50)
        udp.close()

    run(main())


def test_a_datagram_that_is_too_long_fails_its_transaction(run: Run) -> None:
    async def main() -> None:
        sink = Recorder()
        udp = SipUdp(("127.0.0.1",), 0, Resolver(), sink)
        udp.send(Packet(b"x" * 70_000, udp_hop("127.0.0.1", udp.port), "long"))
        assert sink.failed == []  # never in the same turn: the engine is still being asked for its outbox
        await sink.until(lambda: sink.failed == ["long"])
        udp.close()

    run(main())


def test_a_peer_of_a_family_that_is_not_bound_fails(run: Run) -> None:
    async def main() -> None:
        sink = Recorder()
        udp = SipUdp(("127.0.0.1",), 0, Resolver((socket.AF_INET,)), sink)
        udp.send(Packet(b"x", udp_hop("::1", 5060), "six"))
        await sink.until(lambda: sink.failed == ["six"])
        udp.close()

    run(main())


def test_a_host_name_is_looked_up_before_sending_and_a_wrong_one_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
            if host == "door.test":
                return [(socket.AF_INET, 0, 0, "", ("127.0.0.1", 0))]
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        resolver = Resolver()
        monkeypatch.setattr(Resolver, "_getaddrinfo", staticmethod(getaddrinfo))
        sink = Recorder()
        udp = SipUdp(("127.0.0.1",), 0, resolver, sink)
        udp.send(Packet(b"1", udp_hop("door.test", udp.port), "good"))
        udp.send(Packet(b"2", udp_hop("nowhere.test", udp.port), "bad"))
        await sink.until(lambda: bool(sink.received) and bool(sink.failed))
        udp.send(Packet(b"3", udp_hop("DOOR.test.", udp.port), "good"))
        await sink.until(lambda: len(sink.received) == 2)
        assert [data for data, _ in sink.received] == [b"1", b"3"]
        assert (sink.failed, sink.why) == (["bad"], ['the name "nowhere.test" cannot be resolved'])
        udp.close()

    run(main())


def test_memory_of_transactions_is_bounded(run: Run) -> None:
    async def main() -> None:
        udp = SipUdp(("127.0.0.1",), 0, Resolver(), Recorder())
        for number in range(50):
            udp.send(Packet(b"x", udp_hop("127.0.0.1", udp.port), f"t{number}"))
        for number in range(2 * MAX_REMOTES):
            udp.send(Packet(b"x", udp_hop("127.0.0.1", 1 + number), "t"))
        assert len(udp._recent) <= MAX_REMOTES
        assert max(len(recent) for recent in udp._recent.values()) <= MAX_TRANSACTIONS
        udp.close()

    run(main())


def test_an_occupied_port_raises_and_leaves_nothing_open(run: Run) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            other.bind(("::1", 0))
            port = other.getsockname()[1]
            with pytest.raises(OSError, match="in use"):
                SipUdp(("127.0.0.1", "::1"), port, Resolver(), Recorder())
        SipUdp(("127.0.0.1", "::1"), port, Resolver(), Recorder()).close()
        assert asyncio.get_running_loop().is_running()

    run(main())
