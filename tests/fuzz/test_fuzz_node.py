"""A running node under fire: mutated SIP over UDP and TCP, mutated RTP and RTCP, and good calls in between.

For VOIPNODE_FUZZ_SECONDS (4 by default). After every round a call is placed, answered, heard, and hung up; at the end
the node is alive, its log holds no failure and few lines, and its memory is bounded.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fuzz.fuzz_parser import SEEDS, mutants
from tests.fuzz.hostile import Datagrams, Phone, rtp_packets
from tests.support.aio import run_test, within
from tests.support.node import Node

pytestmark = pytest.mark.fuzz

SECONDS = float(os.environ.get("VOIPNODE_FUZZ_SECONDS", "4"))
SETTINGS = """
max_calls = 1000
access = { source_per_s = 0, total_per_s = 0, strangers = "refuse" }
incoming_call_timeout_s = 1
dead_call_timeout_s = 5
"""
SIP_PER_ROUND = 3000
RTP_PER_ROUND = 3000
BURST = 100  # then wait until the node has caught up: what the system drops tests nothing
MAX_GROWTH_MB = 150.0
RTCP = bytes.fromhex("80c80006000000010000000000000000000000000000000000000000") + bytes.fromhex(
    "81ca0003000000010103616263000000"
)
EVENT = bytes.fromhex("80e5000100000000000000010a0a00a0")
OPTIONS = (
    "OPTIONS sip:door@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKsync{number};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:door@127.0.0.1>\r\nCall-ID: sync{number}\r\n"
    "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class Attack:
    """Everything that is sent at one node."""

    def __init__(self, node: Node, seed: int) -> None:
        self.node = node
        self.rng = random.Random(seed)
        self.sent = {"udp": 0, "tcp": 0, "rtp": 0, "calls": 0}
        self.open: list[Phone] = []
        self._syncs = 0

    async def good_call(self) -> Phone:
        """A call that stands; the caller ends it."""
        phone = await Phone.open(self.node.sip_port)
        self.open.append(phone)
        await self.node.press(phone.uri)
        await phone.answer()
        await phone.talk()
        await phone.press()
        self.sent["calls"] += 1
        return phone

    async def over_udp(self, seeds: Sequence[bytes], count: int) -> None:
        here = await Datagrams.open()
        for number, data in zip(range(count), mutants(self.rng, seeds), strict=False):
            here.transport.sendto(data[:65000], ("127.0.0.1", self.node.sip_port))
            if number % BURST == BURST - 1:
                await self._caught_up(here)
        here.transport.close()
        self.sent["udp"] += count

    async def _caught_up(self, here: Datagrams) -> None:
        self._syncs += 1
        ask = OPTIONS.format(port=here.port, number=self._syncs).encode()
        mark = f"Call-ID: sync{self._syncs}\r\n".encode()
        async with within(20, "answer to OPTIONS: is the node alive?"):
            while True:
                here.transport.sendto(ask, ("127.0.0.1", self.node.sip_port))
                try:
                    async with asyncio.timeout(1):
                        while mark not in await here.got.get():
                            pass
                    return
                except TimeoutError:
                    continue

    async def over_tcp(self, seeds: Sequence[bytes], count: int) -> None:
        """Streams of up to 20 messages, cut anywhere; the node closes those that it cannot frame."""
        messages = mutants(self.rng, seeds)
        left = count
        while left > 0:
            size = self.rng.randint(1, min(20, left))
            stream = b"".join(next(messages) for _ in range(size))
            async with within(20, "end of a stream"):
                await self._one_stream(stream)
            left -= size
        self.sent["tcp"] += count

    async def _one_stream(self, stream: bytes) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", self.node.sip_port))
            try:
                while stream:
                    cut = self.rng.choice((1, 50, 1000, 70_000))
                    await loop.sock_sendall(sock, stream[:cut])
                    stream = stream[cut:]
                sock.shutdown(socket.SHUT_WR)
                while await loop.sock_recv(sock, 65536):
                    pass
            except OSError:
                pass  # closed by the node with our bytes unread

    async def over_rtp(self, victim: Phone, count: int) -> None:
        packets = mutants(self.rng, [*rtp_packets(8), RTCP, EVENT, EVENT * 4, b"\x80\x65" + bytes(14)])
        for number, data in zip(range(count), packets, strict=False):
            victim.hammer(data[:2500], port_offset=number % 2)
            if number % 50 == 49:
                await asyncio.sleep(0.002)
        self.sent["rtp"] += count

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.node.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    async def round(self) -> None:
        victim = await self.good_call()
        seeds = [*SEEDS, *victim.seeds, *victim.calls]
        await self.over_udp(seeds, SIP_PER_ROUND)
        await self.over_tcp(seeds, SIP_PER_ROUND)
        await self.over_rtp(victim, RTP_PER_ROUND)
        await victim.leave()
        await (await self.good_call()).hang_up()
        self.close()

    def close(self) -> None:
        while self.open:
            self.open.pop().close()


@pytest.mark.timeout(max(120, int(SECONDS * 3)))
@pytest.mark.parametrize("networks", [["127.0.0.0/8"], ["192.0.2.0/24"]], ids=["friends", "strangers"])
def test_a_node_under_fire_keeps_its_calls(tmp_path: Path, networks: list[str]) -> None:
    seed = time.time_ns()

    async def play() -> None:
        node = await Node.start(tmp_path / "node", sip=f"{SETTINGS}incoming_networks = {networks}")
        attack = Attack(node, seed)
        try:
            until = time.monotonic() + SECONDS
            await attack.round()
            first_mb = attack.memory_mb()
            while time.monotonic() < until:
                await attack.round()
            grown_mb = attack.memory_mb() - first_mb
            assert node.process.process.returncode is None
        except BaseException as error:
            error.add_note("\n".join(node.process.lines[-30:]))
            raise
        finally:
            attack.close()
            await node.stop()
        log = node.process.lines
        failures = [line for line in log if "Traceback" in line or "[error" in line or "times so far" in line]
        assert not failures, "\n".join(log[log.index(failures[0]) :][:150])
        assert len(log) < 100 + sum(attack.sent.values()) / 50, "a line of log for nearly every packet"
        assert grown_mb < MAX_GROWTH_MB, f"{grown_mb} MB more"
        print(f"{attack.sent}, {len(log)} lines of log, {first_mb:.0f} MB + {grown_mb:.0f} MB")

    try:
        run_test(play(), limit_s=max(110.0, SECONDS * 3))
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise
