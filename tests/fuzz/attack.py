"""A running node under fire, as a command and for the tests.

    python -m tests.fuzz.attack --messages 100000 [--every 1000] [--seed 1] [--strangers]

Mutated SIP over UDP, TCP, TLS and WebSocket, twisted messages of running calls, RTP, RTCP and STUN; a registrar that
answers nonsense every other time, and a DNS server too. After every thousand messages a call is placed, answered,
heard, and hung up. At the end the node is alive, its log holds no failure and few lines, its memory is bounded.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import ssl
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import dns.message

from tests.fuzz.hostile import Datagrams, Phone, rtp_packets
from tests.fuzz.mutants import SEEDS, mutants
from tests.fuzz.twisted import SESSION_SEEDS, twist
from tests.support import dns_server
from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.dns_server import DnsServer
from tests.support.free_ports import free_port
from tests.support.node import Node
from tests.support.sip_agents import field, response_to

SETTINGS = """
max_calls = 1000
access = {{ source_per_s = 0, total_per_s = 0, strangers = "refuse" }}
incoming_call_timeout_s = 1
dead_call_timeout_s = 5
incoming_networks = {networks}
dns = {{ servers = ["127.0.0.1:{dns_port}"] }}
websocket = {{ enabled = true, port = {ws_port}, secure_port = {wss_port} }}
"""
ACCOUNTS = """
[[accounts]]
name = "lan"
default = true
[[accounts]]
name = "office"
type = "registered"
domain = "pbx.fuzz"
password = "12345678"
registration_interval_s = 10
keep_alive_interval_s = 1
message_waiting = true
"""
PBX = "127.0.0.2"  # an address of its own: what comes from a server is treated better
BURST = 100  # then wait until the node has caught up: what the system drops tests nothing
MAX_GROWTH_MB = 150.0
RTCP = bytes.fromhex("80c80006000000010000000000000000000000000000000000000000") + bytes.fromhex(
    "81ca0003000000010103616263000000"
)
EVENT = bytes.fromhex("80e5000100000000000000010a0a00a0")
STUN = bytes.fromhex("000100002112a442000102030405060708090a0b")
OPTIONS = (
    "OPTIONS sip:door@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKsync{number};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:door@127.0.0.1>\r\nCall-ID: sync{number}\r\n"
    "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
HELLO = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


class Pbx:
    """A registrar that is right at first and every other time, and otherwise says something like it, once or twice."""

    def __init__(self, link: Datagrams, rng: random.Random) -> None:
        self._link, self._rng = link, rng
        self.answered: Counter[str] = Counter()
        self._task = asyncio.create_task(self._serve())

    @classmethod
    async def open(cls, rng: random.Random) -> Pbx:
        return cls(await Datagrams.open(PBX), rng)

    @property
    def port(self) -> int:
        return self._link.port

    async def _serve(self) -> None:
        while True:
            data = await self._link.got.get()
            if data.startswith((b"SIP/2.0", b"ACK ")) or not data.strip(b"\r\n\0 "):
                continue
            via = re.search(rb"(?im)^Via: SIP/2.0/UDP ([\d.]+):(\d+)", data)
            if via is None:
                continue
            self.answered[data.partition(b" ")[0].decode()] += 1
            good = self._answer(data)
            if self.answered.total() == 1:  # so that there is a registration to attack, whatever the dice say
                self._send(good, via)
                continue
            for _ in range(self._rng.choice((0, 0, 1, 2))):
                self._send(twist(good, self._rng), via)
            if self._rng.random() < 0.7:
                self._send(good, via)

    def _send(self, data: bytes, via: re.Match[bytes]) -> None:
        self._link.transport.sendto(data[:65_000], (via[1].decode(), int(via[2])))

    def _answer(self, data: bytes) -> bytes:
        if not data.startswith(b"REGISTER"):
            return response_to(data, "200 OK", "Expires: 60", "Contact: <sip:pbx@127.0.0.2>")
        if b"\r\nAuthorization:" not in data:
            ask = f'Digest realm="pbx.fuzz", nonce="{self._rng.random()}", qop="auth"'
            return response_to(data, "401 Unauthorized", f"WWW-Authenticate: {ask}")
        if self._rng.random() < 0.1:
            return response_to(data, "423 Interval Too Brief", "Min-Expires: 12")
        more = ("Service-Route: <sip:127.0.0.2;lr>", "Flow-Timer: 20", "Supported: outbound, path")
        return response_to(data, "200 OK", f"Contact: {field(data, 'Contact')};expires=10", *more)

    def close(self) -> None:
        self._task.cancel()
        self._link.transport.close()


class Attack:
    """Everything that is sent at one node."""

    def __init__(self, node: Node, rng: random.Random, ports: dict[str, int]) -> None:
        self.node = node
        self.rng = rng
        self.ports = ports
        self.sent: Counter[str] = Counter()
        self.open: list[Phone] = []
        self._syncs = 0
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    @property
    def messages(self) -> int:
        """How many SIP messages were sent."""
        return sum(count for what, count in self.sent.items() if what not in ("calls", "RTP"))

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

    def mutant(self, seeds: Sequence[bytes]) -> bytes:
        """Bytes changed at random, or a message that is nearly right."""
        if self.rng.random() < 0.5:
            return twist(self.rng.choice(seeds), self.rng)
        return next(mutants(self.rng, seeds))

    async def over_udp(self, seeds: Sequence[bytes], count: int) -> None:
        here = await Datagrams.open()
        stuns = mutants(self.rng, [STUN])
        for number in range(count):
            data = self.mutant(seeds) if self.rng.random() < 0.95 else next(stuns)
            here.transport.sendto(data[:65000], ("127.0.0.1", self.node.sip_port))
            if number % BURST == BURST - 1:
                await self.caught_up(here)
        here.transport.close()
        self.sent["UDP"] += count

    async def caught_up(self, here: Datagrams) -> None:
        self._syncs += 1
        ask = OPTIONS.format(port=here.port, number=self._syncs).encode()
        mark = f"Call-ID: sync{self._syncs}\r\n".encode()
        async with within(PATIENCE_S, "answer to OPTIONS: is the node alive?"):
            while True:
                here.transport.sendto(ask, ("127.0.0.1", self.node.sip_port))
                try:
                    async with asyncio.timeout(1):
                        while mark not in await here.got.get():
                            pass
                    return
                except TimeoutError:
                    continue

    async def over_streams(self, seeds: Sequence[bytes], count: int) -> None:
        """Streams of up to 20 messages, cut anywhere; the node closes those that it cannot frame."""
        left = count
        while left > 0:
            size = self.rng.randint(1, min(20, left))
            transport = self.rng.choice(("TCP", "TCP", "TLS", "WS", "WSS"))
            messages = [self.mutant(seeds) for _ in range(size)]
            if transport in ("WS", "WSS"):
                frames = [frame(data) for data in messages]
                if self.rng.random() < 0.3:
                    frames = [next(mutants(self.rng, [each])) for each in frames]
                messages = [HELLO, *frames]
            async with within(PATIENCE_S, f"end of a stream by {transport}"):
                await self._one_stream(transport, b"".join(messages))
            self.sent[transport] += size
            left -= size

    async def _one_stream(self, transport: str, stream: bytes) -> None:
        """A plain stream ends when the node has read it all; of TLS, which knows no half-closing, all is written."""
        port = self.ports[transport]
        context = self._tls if transport in ("TLS", "WSS") else None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            try:
                while stream:
                    cut = self.rng.choice((1, 50, 1000, 70_000))
                    writer.write(stream[:cut])
                    await writer.drain()
                    stream = stream[cut:]
                if writer.can_write_eof():
                    writer.write_eof()
                    while await reader.read(65536):
                        pass
            finally:
                writer.close()
        except (OSError, ssl.SSLError):
            pass  # closed by the node with our bytes unread

    async def over_rtp(self, victim: Phone, count: int) -> None:
        packets = mutants(self.rng, [*rtp_packets(8), RTCP, EVENT, EVENT * 4, b"\x80\x65" + bytes(14)])
        for number, data in zip(range(count), packets, strict=False):
            victim.hammer(data[:2500], port_offset=number % 2)
            if number % 50 == 49:
                await asyncio.sleep(0.002)
        self.sent["RTP"] += count

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.node.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    async def round(self, sip: int) -> None:
        """`sip` messages, half of them over streams, within a call that is hammered too; then a good call."""
        victim = await self.good_call()
        seeds = [*SEEDS, *SESSION_SEEDS, *victim.seeds, *victim.calls]
        await self.over_udp(seeds, sip // 2)
        await self.over_streams(seeds, sip - sip // 2)
        await self.over_rtp(victim, sip // 2)
        await victim.leave()
        await (await self.good_call()).hang_up()
        self.close()

    def close(self) -> None:
        while self.open:
            self.open.pop().close()


def frame(data: bytes) -> bytes:
    """A masked binary WebSocket frame (RFC 6455 §5.2) under a mask of zeros."""
    if len(data) < 126:
        return struct.pack("!BB4x", 0x82, 0x80 | len(data)) + data
    if len(data) < 65536:
        return struct.pack("!BBH4x", 0x82, 0xFE, len(data)) + data
    return struct.pack("!BBQ4x", 0x82, 0xFF, len(data)) + data


async def attack(folder: Path, *, messages: int, every: int, seed: int, networks: list[str], seconds: float = 0) -> str:
    """Send `messages`, or go on for `seconds`; returns what there was in words. Raises AssertionError."""
    rng = random.Random(seed)
    pbx = await Pbx.open(rng)

    def resolve(query: dns.message.Message) -> list[bytes]:
        name, kind = str(query.question[0].name).rstrip("."), query.question[0].rdtype.name
        lines = {"SRV": f"{name} 5 SRV 0 0 {pbx.port} pbx.fuzz.", "A": f"{name} 5 A {PBX}"}
        good = dns_server.answer(query, *([lines[kind]] if kind in lines else []))
        bad = [next(mutants(rng, [good]))[:4000] for _ in range(rng.choice((0, 0, 1)))]
        return [*bad, good]

    ports = {"WS": free_port(), "WSS": free_port()}
    async with DnsServer.serving(resolve) as names:
        sip = SETTINGS.format(
            networks=networks, dns_port=names.address.port, ws_port=ports["WS"], wss_port=ports["WSS"]
        )
        node = await Node.start(folder, sip=sip, more=ACCOUNTS)
        ports |= {"TCP": node.sip_port, "TLS": node.tls_port}
        assault = Attack(node, rng, ports)
        started = time.monotonic()
        try:
            await assault.round(every)
            first_mb = assault.memory_mb()
            while time.monotonic() - started < seconds or assault.messages < messages:
                await assault.round(every)
            grown_mb = assault.memory_mb() - first_mb
            assert node.process.process.returncode is None
        except BaseException as error:
            error.add_note("\n".join(node.process.lines[-30:]))
            raise
        finally:
            assault.close()
            pbx.close()
            await node.stop()
    log = node.process.lines
    failures = [line for line in log if "Traceback" in line or "[error" in line or "times so far" in line]
    assert not failures, "\n".join(log[log.index(failures[0]) :][:150])
    most = 300 + 15 * assault.sent["calls"] + sum(assault.sent.values()) / 50
    assert len(log) < most, "a line of log for nearly every packet:\n" + "\n".join(log[-50:])
    assert grown_mb < MAX_GROWTH_MB, f"{grown_mb} MB more"
    assert pbx.answered["REGISTER"] > 1, pbx.answered
    took_s = time.monotonic() - started
    return (
        f"{assault.messages} SIP messages, {dict(assault.sent)}, registrar {dict(pbx.answered)}, "
        f"{len(log)} lines of log, {first_mb:.0f} MB + {grown_mb:.0f} MB, {took_s:.0f} s"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Fire mutated messages at a running node; good calls in between.")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--every", type=int, default=1000, help="a good call after so many messages")
    parser.add_argument("--seed", type=int, default=None, help="default: the clock")
    parser.add_argument("--strangers", action="store_true", help="from outside sip.incoming_networks")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else time.time_ns()
    networks = ["192.0.2.0/24"] if options.strangers else ["127.0.0.1/32"]
    with tempfile.TemporaryDirectory() as folder:
        work = attack(
            Path(folder) / "node", messages=options.messages, every=options.every, seed=seed, networks=networks
        )
        try:
            print(run_test(work, limit_s=6 * 3600.0))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


if __name__ == "__main__":
    main()
