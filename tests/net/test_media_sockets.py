"""MediaSockets: every datagram once, in batches, each with its own time of arrival."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.net.conftest import Run
from voipnode.net.datagram import SockAddr, open_datagram_socket
from voipnode.net.media_sockets import MAX_DATAGRAM_BYTES, ROUNDS, MediaSockets


class Ear:
    """Keeps what one socket got."""

    def __init__(self, sockets: MediaSockets, host: str = "127.0.0.1") -> None:
        self.sock = open_datagram_socket(host, 0)
        self.address = self.sock.getsockname()
        self.heard: list[tuple[bytes, SockAddr]] = []
        self.at: list[float] = []
        self.got = asyncio.Event()
        self.sockets = sockets
        sockets.add(self.sock, self.take)

    def take(self, data: bytes, source: SockAddr, at: float) -> None:
        self.heard.append((data, source))
        self.at.append(at)
        self.got.set()

    def close(self) -> None:
        self.sockets.remove(self.sock)
        self.sock.close()


async def times_are_noted(sockets: MediaSockets, peer: socket.socket) -> None:
    """Wait until the kernel notes times of arrival, which it begins a moment after the first socket asks for them."""
    probe = Ear(sockets)
    waited_s = 0.0
    async with asyncio.timeout(10):
        while waited_s < 0.005:
            peer.sendto(b"?", probe.address)
            await asyncio.sleep(0.01)
            sockets.read()
            waited_s = time.monotonic() - probe.at[-1]
    probe.close()


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        yield opened


def test_without_a_clock_the_loop_says_when_something_came(run: Run, peer: socket.socket) -> None:
    async def main() -> None:
        ear = Ear(MediaSockets())
        peer.sendto(b"one", ear.address)
        await ear.got.wait()
        assert ear.heard == [(b"one", peer.getsockname())]
        ear.close()

    run(main())


def test_while_the_clock_runs_what_came_waits_for_its_tick_and_keeps_its_time(run: Run, peer: socket.socket) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        sockets = MediaSockets()
        one, two = Ear(sockets), Ear(sockets)
        sockets.clock_started()
        await times_are_noted(sockets, peer)
        await asyncio.sleep(0)
        sockets.read()  # what comes is not before this
        sent: list[tuple[float, float]] = []
        for data, ear in ((b"1", one), (b"2", two), (b"3", one)):
            before = time.monotonic()
            peer.sendto(data, ear.address)
            sent.append((before, time.monotonic()))
            time.sleep(0.02)  # the loop stands still, and the kernel goes on noting times
        await asyncio.sleep(0.01)
        assert one.heard == two.heard == []
        sockets.read()
        now = loop.time()
        assert [data for data, _ in one.heard] == [b"1", b"3"]
        at = [one.at[0], two.at[0], one.at[1]]
        assert at == sorted(at)
        assert at[-1] <= now
        for came_at, (earliest, latest) in zip(at, sent, strict=True):
            assert earliest - 0.002 < came_at < latest + 0.002
        sockets.clock_stopped()
        peer.sendto(b"4", two.address)
        two.got.clear()
        await two.got.wait()
        one.close()
        two.close()

    run(main())


def test_what_is_in_a_hurry_does_not_wait_for_the_clock(run: Run, peer: socket.socket) -> None:
    async def main() -> None:
        sockets = MediaSockets()
        patient, hurried = Ear(sockets), Ear(sockets)
        sockets.clock_started()
        sockets.hurry(hurried.sock, wanted=True)
        sockets.hurry(hurried.sock, wanted=True)  # which changes nothing
        peer.sendto(b"1", patient.address)
        peer.sendto(b"2", hurried.address)
        await hurried.got.wait()
        assert [data for data, _ in hurried.heard] == [b"2"]
        assert patient.heard == []
        sockets.read()
        assert [data for data, _ in patient.heard] == [b"1"]
        sockets.hurry(hurried.sock, wanted=False)
        hurried.got.clear()
        peer.sendto(b"3", hurried.address)
        await asyncio.sleep(0.01)
        assert not hurried.got.is_set()
        sockets.read()
        assert [data for data, _ in hurried.heard] == [b"2", b"3"]
        sockets.hurry(hurried.sock, wanted=True)
        hurried.close()
        sockets.clock_stopped()
        patient.got.clear()
        peer.sendto(b"4", patient.address)
        await patient.got.wait()
        patient.close()

    run(main())


def test_a_flood_on_one_socket_leaves_the_others_their_turn(run: Run, peer: socket.socket) -> None:
    async def main() -> None:
        sockets = MediaSockets()
        sockets.clock_started()
        flooded, other = Ear(sockets), Ear(sockets)
        for number in range(2 * ROUNDS):
            peer.sendto(bytes([number]), flooded.address)
        peer.sendto(b"x", other.address)
        sockets.read()
        assert [len(flooded.heard), len(other.heard)] == [ROUNDS, 1]
        sockets.read()
        assert [data[0] for data, _ in flooded.heard] == list(range(2 * ROUNDS))
        flooded.close()
        other.close()

    run(main())


def test_sockets_come_and_go_while_they_are_read(run: Run, peer: socket.socket) -> None:
    async def main() -> None:
        sockets = MediaSockets()
        sockets.clock_started()
        with ExitStack() as opened:
            ears = [Ear(sockets) for _ in range(3)]

            def hang_up(data: bytes, source: SockAddr, at: float) -> None:
                for ear in ears[1:]:
                    ear.close()
                opened.callback(Ear(sockets).close)  # may well have the number of one of those

            sockets.remove(ears[0].sock)
            sockets.add(ears[0].sock, hang_up)
            for ear in ears:
                peer.sendto(b"x", ear.address)
            sockets.read()
            assert sum(len(ear.heard) for ear in ears) < 3
            ears[0].close()
        again = Ear(sockets)
        peer.sendto(b"again", again.address)
        sockets.read()
        assert [data for data, _ in again.heard] == [b"again"]
        again.close()

    run(main())


def test_what_is_posted_leaves_when_the_clock_says_so_and_at_once_while_it_rests(run: Run, peer: socket.socket) -> None:
    async def main() -> None:
        sockets = MediaSockets()
        ears = [Ear(sockets) for _ in range(2)]
        peer.setblocking(False)

        def came() -> list[bytes]:
            found = []
            with suppress(BlockingIOError):
                while True:
                    found.append(peer.recv(100))
            return found

        def post(data: bytes) -> None:
            for ear in ears:
                sockets.post(ear.sock.sendto, data, peer.getsockname())

        post(b"1")
        assert came() == [b"1", b"1"]
        sockets.clock_started()
        post(b"2")
        assert came() == []
        ears[0].close()  # what it had to say is lost, and nobody else's
        sockets.send()
        sockets.send()
        assert came() == [b"2"]
        assert sockets.unsent == 1
        sockets.post(ears[1].sock.sendto, b"3", peer.getsockname())
        sockets.clock_stopped()
        assert came() == [b"3"]
        ears[1].close()

    run(main())


def test_what_is_too_long_is_dropped_and_counted(run: Run, peer: socket.socket) -> None:
    async def main() -> None:
        sockets = MediaSockets()
        sockets.clock_started()
        ear = Ear(sockets)
        for size in (MAX_DATAGRAM_BYTES + 1, MAX_DATAGRAM_BYTES, 0):
            peer.sendto(bytes(size), ear.address)
        sockets.read()
        assert [len(data) for data, _ in ear.heard] == [MAX_DATAGRAM_BYTES, 0]
        assert sockets.oversize == 1
        ear.close()

    run(main())
