from __future__ import annotations

import asyncio
from itertools import islice, pairwise

import numpy as np
import pytest

from tests.support.aio import run_test
from tests.support.impaired_network import DelayLine, Impairment, UdpRelay

COUNT = 20_000


def fates(network: Impairment) -> list[float | None]:
    return list(islice(network.fates(1), COUNT))


def test_the_same_seed_is_the_same_network() -> None:
    network = Impairment(loss=0.1, jitter_sd_s=0.01, delay_s=0.05)
    assert fates(network) == fates(network)
    assert list(islice(network.fates(2), 100)) != fates(network)[:100]


@pytest.mark.parametrize("burst", [1.0, 4.0])
def test_so_many_packets_are_lost_in_such_bursts(burst: float) -> None:
    lost = np.array([fate is None for fate in fates(Impairment(loss=0.05, burst=burst))])
    bursts = np.count_nonzero(np.diff(lost.astype(int)) == 1)
    assert lost.mean() == pytest.approx(0.05, abs=0.01)
    assert lost.sum() / bursts == pytest.approx(max(burst, 1 / 0.95), rel=0.1)


def test_jitter_keeps_the_order_and_reordering_does_not() -> None:
    sent = [0.02 * number for number in range(COUNT)]
    kept = list(Impairment(delay_s=0.24, jitter_sd_s=0.06).arrivals(iter(sent), 1))
    assert kept == sorted(kept)  # type: ignore[type-var]
    overtaken = list(Impairment(delay_s=0.02, reordered=0.02).arrivals(iter(sent), 1))
    behind = sum(one > other for one, other in pairwise(overtaken))  # type: ignore[operator]
    assert behind / COUNT == pytest.approx(0.02, abs=0.005)


def test_packets_as_they_come_meet_the_same_network() -> None:
    network = Impairment(delay_s=0.1, jitter_sd_s=0.03, loss=0.1)
    sent = [0.02 * number for number in range(500)]
    line = DelayLine(network, 7)
    for number, at in enumerate(sent):
        line.send(number.to_bytes(2, "big"), at)
    got = []
    while (due := line.next_due) is not None:
        got += [(due, int.from_bytes(data, "big")) for data in line.due(due)]
    expected = [(at, number) for number, at in enumerate(network.arrivals(iter(sent), 7)) if at is not None]
    assert sorted(got) == expected


def test_a_relay_passes_datagrams_both_ways() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        class Echo(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                self.transport.sendto(data + b"!", addr)  # type: ignore[attr-defined]

        class Near(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                heard.put_nowait(data)

        far, _ = await loop.create_datagram_endpoint(Echo, ("127.0.0.1", 0))
        async with UdpRelay.between(far.get_extra_info("sockname"), Impairment(delay_s=0.005), 1) as address:
            near, _ = await loop.create_datagram_endpoint(Near, remote_addr=address)
            near.sendto(b"hello")
            assert await heard.get() == b"hello!"
            near.close()
        far.close()

    run_test(scenario())
