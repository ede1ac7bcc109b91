"""SIP over TCP on loopback: numbering, reuse, limits, peers that do not answer, read or speak."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from tests.net.conftest import Run
from tests.support.net_recorder import Recorder
from voipnode.net.connection import ConnectionLimits
from voipnode.net.resolver import Resolver
from voipnode.net.streams import SipStreams
from voipnode.sipstack.transport import Address, Hop, Packet


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.asynccontextmanager
async def opened(
    limits: ConnectionLimits | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[SipStreams, Recorder, int]]:
    sink = Recorder()
    tcp = SipStreams(Resolver(), sink, limits or ConnectionLimits())
    port = free_port()
    await tcp.open((host,), port)
    try:
        yield tcp, sink, port
    finally:
        await tcp.close()


def tcp_hop(port: int, connection: int | None = None, host: str = "127.0.0.1") -> Hop:
    return Hop("TCP", Address(host, port), connection)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_peers_connection_is_numbered_answered_and_reported_closed(run: Run, host: str) -> None:
    async def main() -> None:
        async with opened(host=host) as (tcp, sink, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"hello")
            await sink.until(lambda: bool(sink.received))
            data, hop = sink.received[0]
            own = writer.get_extra_info("sockname")
            assert (data, hop) == (b"hello", tcp_hop(own[1], 1, host))
            tcp.send(Packet(b"by number", hop))
            assert await reader.readexactly(9) == b"by number"
            tcp.send(Packet(b"by address", tcp_hop(own[1], None, host)))
            assert await reader.readexactly(10) == b"by address"
            writer.close()
            await sink.until(lambda: sink.closed == [hop])
            tcp.send(Packet(b"too late", hop, "t"))
            await sink.until(lambda: sink.failed == ["t"])
            assert tcp.open_connections == 0

    run(main())


def test_packets_without_a_connection_open_one_and_share_it(run: Run) -> None:
    async def main() -> None:
        async with opened() as (a, a_sink, _), opened() as (b, b_sink, b_port):
            for number in range(5):
                a.send(Packet(b"%d" % number, tcp_hop(b_port)))
            await b_sink.until(lambda: b"".join(data for data, _ in b_sink.received) == b"01234")
            a.send(Packet(b"5", tcp_hop(b_port)))
            await b_sink.until(lambda: b_sink.received[-1][0].endswith(b"5"))
            assert (a.open_connections, b.open_connections) == (1, 1)
            b.send(Packet(b"back", b_sink.received[0][1]))
            await a_sink.until(lambda: bool(a_sink.received))
            assert a_sink.received == [(b"back", tcp_hop(b_port, 1))]

    run(main())


def test_a_name_is_resolved_and_its_connection_shared_too(run: Run) -> None:
    async def main() -> None:
        async with opened() as (a, _, _), opened() as (_, b_sink, b_port):
            a.send(Packet(b"1", tcp_hop(b_port, host="localhost")))
            await b_sink.until(lambda: len(b_sink.received) == 1)
            a.send(Packet(b"2", tcp_hop(b_port, host="localhost")))
            a.send(Packet(b"3", tcp_hop(b_port)))
            await b_sink.until(lambda: b"".join(data for data, _ in b_sink.received) == b"123")
            assert a.open_connections == 1

    run(main())


def test_a_refused_connection_fails_every_waiting_packet(run: Run) -> None:
    async def main() -> None:
        async with opened() as (tcp, sink, _):
            hop = tcp_hop(free_port())
            tcp.send(Packet(b"1", hop, "t1"))
            tcp.send(Packet(b"2", hop, "t2"))
            await sink.until(lambda: sink.failed == ["t1", "t2"])

    run(main())


def test_a_peer_that_does_not_answer_fails_after_the_time_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with opened(ConnectionLimits(connect_timeout_s=0.02, max_waiting_packets=2)) as (tcp, sink, _):

            async def never(_: object) -> None:
                await asyncio.get_running_loop().create_future()

            monkeypatch.setattr(tcp, "_connect", never)
            for name in ("t1", "t2", "t3"):
                tcp.send(Packet(b"x", tcp_hop(1), name))
            await sink.until(lambda: sorted(sink.failed) == ["t1", "t2", "t3"])
            assert sink.failed[0] == "t3"  # one more than may wait

    run(main())


def test_a_peer_that_does_not_read_is_cut_off(run: Run) -> None:
    async def main() -> None:
        async with opened(ConnectionLimits(max_write_buffer=100_000)) as (tcp, sink, port):
            with socket.create_connection(("127.0.0.1", port)) as peer:
                peer.sendall(b"x")
                await sink.until(lambda: bool(sink.received))
                hop = sink.received[0][1]
                sent = 0
                while not sink.failed and sent < 10_000:
                    tcp.send(Packet(b"y" * 50_000, hop, "t"))
                    sent += 1
                    await asyncio.sleep(0)
                await sink.until(lambda: sink.closed == [hop])
            assert sink.failed[0] == "t"

    run(main())


def test_connections_beyond_the_limits_are_refused(run: Run) -> None:
    async def main() -> None:
        async with opened(ConnectionLimits(max_connections=4, per_host=3)) as (tcp, sink, port):
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            for _, writer in held:
                writer.write(b"x")
            await sink.until(lambda: len(sink.received) == 3)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            assert (tcp.open_connections, tcp.refused) == (3, 1)
            for _, other in [*held, (reader, writer)]:
                other.close()
            await sink.until(lambda: len(sink.closed) == 3)
            assert {hop.connection for _, hop in sink.received} == {1, 2, 3}

    run(main())


def test_however_many_connect_to_us_there_is_room_for_connections_of_our_own(run: Run) -> None:
    async def main() -> None:
        async with opened(ConnectionLimits(max_connections=4, max_incoming=3, per_host=10)) as (tcp, sink, port):
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
            for _, writer in held[:3]:
                writer.write(b"x")  # not silent: none of them has to make room
            await sink.until(lambda: len(sink.received) == 3)
            assert (tcp.open_connections, tcp.refused) == (3, 1)
            phone = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
            there = Address("127.0.0.1", phone.sockets[0].getsockname()[1])
            tcp.send(Packet(b"INVITE", Hop("TCP", there), "t1"))
            await sink.until(lambda: bool(sink.closed))  # the phone's end of it; sending did not fail
            assert sink.failed == []
            phone.close()
            for _, writer in held:
                writer.close()

    run(main())


def test_strangers_do_not_keep_others_from_connecting(run: Run) -> None:
    async def main() -> None:
        async with opened(ConnectionLimits(max_strangers=2)) as (tcp, sink, port):
            tcp.is_stranger = lambda host: host == "127.0.0.2"
            held = []
            for host in ("127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.1", "127.0.0.1"):
                held.append(await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0)))
                held[-1][1].write(b"x")
            assert await held[2][0].read() == b"", "the third stranger is refused"
            await sink.until(lambda: len(sink.received) == 4)
            assert (tcp.open_connections, tcp.refused) == (4, 1)
            for _, writer in held:
                writer.close()

    run(main())


def test_a_full_table_makes_room_by_closing_the_one_that_was_silent_longest(run: Run) -> None:
    async def main() -> None:
        limits = ConnectionLimits(max_connections=2, first_bytes_timeout_s=0.0)
        async with opened(limits) as (tcp, sink, port):
            writers = []
            for number in range(3):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writers.append(writer)
                writer.write(b"x")
                await sink.until(lambda number=number: len(sink.received) == number + 1)  # type: ignore[misc] -- default binds it
            await sink.until(lambda: len(sink.closed) == 1)
            assert sink.closed[0].connection == 1
            assert tcp.open_connections == 2
            for writer in writers:
                writer.close()

    run(main())


def test_silent_idle_and_stalled_connections_are_overdue(run: Run) -> None:
    async def main() -> None:
        async with opened() as (tcp, sink, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            limits = ConnectionLimits()
            loop = asyncio.get_running_loop()
            while not tcp.open_connections:  # noqa: ASYNC110 -- nothing tells of a connection that says nothing
                await asyncio.sleep(0)
            connection = tcp._connections[1]
            assert connection.overdue(loop.time() + 31, limits) == ""
            assert "never said" in connection.overdue(loop.time() + 33, limits)
            writer.write(b"x")
            await sink.until(lambda: bool(sink.received))
            assert connection.overdue(loop.time() + 599, limits) == ""
            assert "idle" in connection.overdue(loop.time() + 601, limits)
            connection.pause_writing()
            assert "not read" in connection.overdue(loop.time() + 33, limits)
            connection.resume_writing()
            assert connection.overdue(loop.time() + 33, limits) == ""
            writer.close()

    run(main())


def test_the_engine_can_have_a_connection_closed(run: Run) -> None:
    async def main() -> None:
        async with opened() as (tcp, sink, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x00\xff garbage")
            await sink.until(lambda: bool(sink.received))
            tcp.close_connection(sink.received[0][1])
            tcp.close_connection(tcp_hop(1, 99))
            assert await reader.read() == b""
            writer.close()

    run(main())
