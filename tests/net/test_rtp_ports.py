"""RtpPorts: pairs in order, released ones last, and engines that are driven whatever arrives."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import socket
import weakref

import pytest

from tests.net.conftest import Run
from voipnode.media.values import Addr, MediaPacket
from voipnode.net.resolver import Resolver
from voipnode.net.rtp_ports import RtpPair, RtpPorts


class Stream:
    """A media engine that writes down what it gets and sends what it is told."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Addr, bool]] = []
        self.packets: list[MediaPacket] = []
        self.deadline_at: float | None = None
        self.due = asyncio.Event()
        self.fails = False
        self.quiet = False  # what is received changes nothing
        self.got = asyncio.Event()

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool = False) -> bool:
        self.received.append((data, source, rtcp))
        self.got.set()
        if self.fails:
            raise RuntimeError("hostile")
        return self.quiet

    def outbox(self, now: float) -> list[MediaPacket]:
        packets, self.packets = self.packets, []
        return packets

    def next_deadline(self) -> float | None:
        return self.deadline_at

    def on_deadline(self, now: float) -> None:
        assert self.deadline_at is not None
        assert now >= self.deadline_at
        self.deadline_at = None
        self.due.set()

    async def until(self, count: int) -> None:
        while len(self.received) < count:
            self.got.clear()
            await self.got.wait()


def nothing() -> None:
    return


def start_port() -> int:
    """The even begin of ten ports that were free a moment ago; random, so that runs side by side do not meet."""
    while True:
        start = random.randrange(12_000, 30_000, 2)
        if all(is_free(port) for port in range(start, start + 10)):
            return start


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def test_pairs_are_even_and_odd_upwards_and_a_released_one_is_used_last(run: Run) -> None:
    async def main() -> None:
        first = start_port()
        ports = RtpPorts("127.0.0.1", first - 1, 4)  # an odd start: the even port above
        pairs = [ports.open("", Stream(), nothing) for _ in range(3)]
        numbers = [pair.rtp_port for pair in pairs]
        assert numbers == sorted(numbers)
        assert all(port % 2 == 0 and pair.rtcp_port == port + 1 for port, pair in zip(numbers, pairs, strict=True))
        pairs[0].close()
        pairs[0].close()
        assert ports.open_pairs == 2
        fourth = ports.open("127.0.0.1", Stream(), nothing)
        assert fourth.rtp_port > numbers[-1]
        again = ports.open("127.0.0.1", Stream(), nothing)
        assert again.rtp_port == numbers[0]
        with pytest.raises(OSError, match="no pair of RTP ports is free"):
            ports.open("127.0.0.1", Stream(), nothing)
        for pair in (*pairs, fourth, again):
            pair.close()
        assert ports.open_pairs == 0

    run(main())


@pytest.mark.parametrize("taken", [0, 1])
def test_a_pair_of_which_one_port_is_occupied_is_skipped(run: Run, taken: int) -> None:
    async def main() -> None:
        first = start_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", first + taken))
            pair = RtpPorts("127.0.0.1", first, 10).open("127.0.0.1", Stream(), nothing)
            assert pair.rtp_port >= first + 2
            pair.close()

    run(main())


@pytest.mark.parametrize(("start", "count"), [(0, 10), (65535, 1), (4000, 0)])
def test_a_range_without_a_pair_is_refused(start: int, count: int) -> None:
    with pytest.raises(ValueError, match="no pair of ports"):
        RtpPorts("127.0.0.1", start, count)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_datagrams_reach_the_engine_and_its_outbox_leaves_by_the_right_port(run: Run, host: str) -> None:
    async def main() -> None:
        ports = RtpPorts("127.0.0.1", start_port(), 100)
        a, b = Stream(), Stream()
        events: list[str] = []
        one, two = ports.open(host, a, nothing), ports.open(host, b, lambda: events.append("event"))
        now = asyncio.get_running_loop().time()
        a.packets = [MediaPacket(b"rtp", (host, two.rtp_port)), MediaPacket(b"rtcp", (host, two.rtcp_port), True)]
        one.flush(now)
        await b.until(2)
        assert sorted(b.received) == [
            (b"rtcp", (host, one.rtcp_port), True),
            (b"rtp", (host, one.rtp_port), False),
        ]
        assert events == ["event", "event"]
        one.close()
        two.close()
        one.flush(now)

    run(main())


@pytest.mark.parametrize(("host", "level", "option"), [
    ("127.0.0.1", socket.IPPROTO_IP, socket.IP_TOS),
    ("::1", socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
])  # fmt: skip
def test_voice_is_marked_for_expedited_forwarding(run: Run, host: str, level: int, option: int) -> None:
    async def main() -> None:
        stream = Stream()
        pair = RtpPorts(host, start_port(), 100).open(host, stream, nothing)
        receive_option = socket.IP_RECVTOS if level == socket.IPPROTO_IP else socket.IPV6_RECVTCLASS
        with socket.socket(
            socket.AF_INET if level == socket.IPPROTO_IP else socket.AF_INET6, socket.SOCK_DGRAM
        ) as peer:
            peer.bind((host, 0))
            peer.setsockopt(level, receive_option, 1)
            peer.settimeout(5)
            stream.packets = [MediaPacket(b"x", peer.getsockname()[:2])]
            pair.flush(0.0)
            _, notes, _, _ = peer.recvmsg(100, 100)
        assert [(note[0], note[1], note[2][0]) for note in notes] == [(level, option, 0xB8)]
        pair.close()

    run(main())


def test_the_deadline_is_kept_and_followed_by_events_and_packets(run: Run) -> None:
    async def main() -> None:
        stream = Stream()
        events: list[str] = []
        pair = RtpPorts("127.0.0.1", start_port(), 100).open("", stream, lambda: events.append("event"))
        now = asyncio.get_running_loop().time()
        stream.deadline_at = now + 0.01
        pair.flush(now)
        await stream.due.wait()
        assert events == ["event"]
        pair.close()

    run(main())


def test_where_nothing_has_changed_nobody_is_asked(run: Run) -> None:
    async def main() -> None:
        stream = Stream()
        events: list[str] = []
        pair = RtpPorts("127.0.0.1", start_port(), 100).open("127.0.0.1", stream, lambda: events.append("event"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for stream.quiet in (True, False):
                count = len(stream.received)
                peer.sendto(b"\x80sound", ("127.0.0.1", pair.rtp_port))
                await stream.until(count + 1)
                assert events == ([] if stream.quiet else ["event"])
        pair.close()

    run(main())


def test_no_datagram_makes_it_raise_and_a_failing_engine_is_counted(run: Run) -> None:
    async def main() -> None:
        stream = Stream()
        stream.fails = True
        pair = RtpPorts("127.0.0.1", start_port(), 100).open("127.0.0.1", stream, nothing)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for data in (b"", b"\x80", b"\xff" * 2000, random.randbytes(500)):
                peer.sendto(data, ("127.0.0.1", pair.rtp_port))
                peer.sendto(data, ("127.0.0.1", pair.rtcp_port))
        await stream.until(8)
        assert pair.mishaps.count == 8
        stream.packets = [
            MediaPacket(b"x" * 100_000, ("127.0.0.1", 9)),
            MediaPacket(b"x", ("::1", 9)),
            MediaPacket(b"x", ("127.0.0.1", 0)),
            MediaPacket(b"x", ("nowhere.test", 9)),
        ]
        pair.flush(0.0)
        assert pair.unsent == 4
        stream.packets = [MediaPacket(b"x", ("127.0.0.1", 99_999))]
        pair.flush(0.0)
        pair.close()

    logging.getLogger("voipnode.net.mishaps").disabled = True
    try:
        run(main())
    finally:
        logging.getLogger("voipnode.net.mishaps").disabled = False


def test_the_owner_may_close_the_pair_while_it_fetches_events(run: Run) -> None:
    async def main() -> None:
        stream = Stream()
        pairs: list[RtpPair] = []
        pairs.append(RtpPorts("127.0.0.1", start_port(), 100).open("127.0.0.1", stream, lambda: pairs[0].close()))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for _ in range(5):
                peer.sendto(b"x", ("127.0.0.1", pairs[0].rtcp_port))
        await stream.until(1)
        assert len(stream.received) == 1

    run(main())


def test_an_address_that_is_not_ours_binds_all_of_ours(run: Run) -> None:
    async def main() -> None:
        stream = Stream()
        pair = RtpPorts("127.0.0.1", start_port(), 100).open("203.0.113.77", stream, nothing)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"x", ("127.0.0.1", pair.rtp_port))
        await stream.until(1)
        pair.close()

    run(main())


def test_a_name_in_sdp_is_looked_up_and_media_flows_once_it_is_known(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
            return [(socket.AF_INET, 0, 0, "", ("127.0.0.1", 0))]

        monkeypatch.setattr(Resolver, "_getaddrinfo", staticmethod(getaddrinfo))
        ports = RtpPorts("127.0.0.1", start_port(), 100, Resolver())
        a, b = Stream(), Stream()
        one, two = ports.open("", a, nothing), ports.open("", b, nothing)
        for _ in range(100):
            a.packets = [MediaPacket(b"x", ("phone.test", two.rtp_port))]
            one.flush(0.0)
            await asyncio.sleep(0)
        await b.until(1)
        assert 1 <= one.unsent < 100
        one.close()
        two.close()

    run(main())


def test_a_closed_pair_and_its_owner_go_without_the_garbage_collector(run: Run) -> None:
    class Owner:
        def __init__(self, ports: RtpPorts) -> None:
            self.pair = ports.open("", Stream(), self.fetch)

        def fetch(self) -> None:
            return

    async def main() -> None:
        owner = Owner(RtpPorts("127.0.0.1", start_port()))
        gone = weakref.ref(owner), weakref.ref(owner.pair)
        gc.disable()
        try:
            owner.pair.close()
            await asyncio.sleep(0)
            del owner
            assert [reference() for reference in gone] == [None, None]
        finally:
            gc.enable()

    run(main())
