"""coturn as our STUN and TURN server, by UDP, TCP and TLS: relays, data both ways, refusals, and its death."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.aio import run_test, within
from tests.support.certificates import Authority
from tests.support.free_ports import free_port, rtp_range
from tests.support.node import Node
from tests.support.peers.baresip import RECORDING_BYTES_PER_S, Baresip
from tests.support.peers.coturn import PASSWORD, USER, Coturn
from tests.support.running import running
from tests.support.sound import PCM_TONE_HZ, assert_tone, assert_tone_in
from tests.support.wav_files import read_wav, write_tone
from voipnode.media.events import AddressesGathered, MediaEvent, RelayFound, RelayLost
from voipnode.media.turn.gatherer import Gatherer
from voipnode.media.turn.memory import ServerMemory
from voipnode.media.turn.values import RTCP, RTP, Gathered, Server, Transport
from voipnode.media.turn.without_ice import WithoutIce
from voipnode.media.values import Addr, MediaPacket
from voipnode.net.relay_streams import RelayStreams
from voipnode.net.rtp_ports import RtpPair, RtpPorts
from voipnode.net.stream_layers import StreamLayers
from voipnode.net.tls import TlsProfile

pytestmark = pytest.mark.interop


@dataclass
class Relay:
    """coturn on loopback, and the authority that vouches for it."""

    folder: Path
    host: str = "127.0.0.1"
    authority: Authority = field(init=False)
    coturn: Coturn = field(init=False)

    def __post_init__(self) -> None:
        self.authority = Authority(self.folder / "ca")
        self.certificate = self.authority.issue("localhost", "127.0.0.1", "::1")
        self.port, self.tls_port, self.first = free_port(), free_port(), rtp_range()

    async def start(self, more: str = "") -> None:
        self.coturn = await Coturn.start(
            self.folder / "coturn",
            host=self.host,
            certificate=self.certificate,
            port=self.port,
            tls_port=self.tls_port,
            relays=(self.first, self.first + 199),
            more=f"allow-loopback-peers\n{more}",
        )

    def server(self, transport: Transport = "UDP", *, name: str = "localhost", password: str = PASSWORD) -> Server:
        port = self.tls_port if transport == "TLS" else self.port
        return Server((self.host, port), transport, name, USER, password, "turn 0")


class Leg:
    """What stands on a pair of ports in place of a call's media: it sends what it is told, and keeps what comes."""

    def __init__(self, servers: list[Server], authority: Authority, host: str = "127.0.0.1") -> None:
        layers = StreamLayers({"turn 0": TlsProfile(ca=authority.ca, wildcards=True)})
        self._streams = RelayStreams(layers)
        self._ports = RtpPorts(host, rtp_range(), 50, streams=self._streams)
        self._events: list[MediaEvent] = []
        self._news = asyncio.Event()
        self._to_send: list[MediaPacket] = []
        self.got: list[tuple[bytes, Addr, bool]] = []
        self.pair: RtpPair = self._ports.open(host, self, self._on_events)
        self.gatherer = Gatherer(
            servers,
            {RTP: (host, self.pair.rtp_port), RTCP: (host, self.pair.rtcp_port)},
            tokens=random.SystemRandom().getrandbits,
            memory=ServerMemory(),
            open_stream=self.pair.open_stream,
            even_port=True,
        )
        self.way = WithoutIce(self.gatherer)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def gather(self) -> list[Gathered]:
        self.way.gather(self.now)
        self.pair.flush(self.now)
        async with within(10.0, "addresses"):
            await self.event(AddressesGathered)
        self.way.begin(self.now, relayed=True)
        return self.gatherer.found

    def relay(self, component: int) -> Addr:
        return next(one.address for one in self.gatherer.found if (one.kind, one.component) == ("relay", component))

    async def permit(self, host: str) -> None:
        """Let that address send to both relays, and wait until it may."""
        self.way.expect([host], self.now)
        self.pair.flush(self.now)
        relays = [one for one in self.gatherer._hunt if one.is_open]
        async with within(10.0, "permissions"):
            while not all(relay.peers.is_granted(host) for relay in relays):
                self._news.clear()
                await self._news.wait()

    def send(self, data: bytes, to: Addr, *, rtcp: bool = False) -> None:
        self._to_send.append(MediaPacket(data, to, rtcp))
        self.pair.flush(self.now)

    async def event(self, kind: type[MediaEvent]) -> MediaEvent:
        async with within(30.0, str(kind), lambda: f"there were {self._events}"):
            while True:
                for event in self._events:
                    if isinstance(event, kind):
                        self._events.remove(event)
                        return event
                self._news.clear()
                await self._news.wait()

    async def until(self, count: int) -> None:
        async with within(10.0, f"{count} datagrams", lambda: f"there were {self.got}"):
            while len(self.got) < count:
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        self.gatherer.close(self.now)
        self.pair.flush(self.now)
        self.pair.close()
        await self._streams.close_all()

    def _on_events(self) -> None:
        while (event := self.way.next_event()) is not None:
            self._events.append(event)
        self._news.set()

    # What the pair drives

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool = False) -> bool:
        carried = self.way.receive(data, source, now, rtcp=rtcp)
        if carried is not None:
            self.got.append((*carried, rtcp))
        return False

    def receive_stream(self, stream: int, data: bytes, now: float) -> None:
        for one in self.way.receive_stream(stream, data, now):
            self.got.append((one.data, one.peer, one.component == RTCP))

    def stream_closed(self, stream: int, words: str, now: float) -> None:
        self.way.stream_closed(stream, words, now)

    def outbox(self, now: float) -> list[MediaPacket]:
        found = self.way.outbox(now)
        found += [sent for packet in self._to_send if (sent := self.way.way(packet)) is not None]
        self._to_send.clear()
        return found + self.way.outbox(now)

    def next_deadline(self) -> float | None:
        return self.way.next_deadline()

    def on_deadline(self, now: float) -> None:
        self.way.on_deadline(now)


@asynccontextmanager
async def leg(servers: list[Server], authority: Authority, host: str = "127.0.0.1") -> AsyncIterator[Leg]:
    found = Leg(servers, authority, host)
    try:
        yield found
    finally:
        await found.close()


@asynccontextmanager
async def peer(host: str = "127.0.0.1") -> AsyncIterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.setblocking(False)
        yield sock


async def heard(sock: socket.socket) -> tuple[bytes, Addr]:
    """The next datagram; uvloop has no sock_recvfrom."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sock, came.set)
    try:
        async with within(10.0, "datagram at the peer"):
            await came.wait()
    finally:
        loop.remove_reader(sock)
    data, source = sock.recvfrom(2048)
    return data, (source[0], source[1])


@pytest.mark.parametrize(
    ("transport", "host"), [("UDP", "127.0.0.1"), ("TCP", "127.0.0.1"), ("TLS", "127.0.0.1"), ("UDP", "::1")]
)
def test_a_relay_carries_data_both_ways(tmp_path: Path, transport: Transport, host: str) -> None:
    async def play() -> None:
        relay = Relay(tmp_path, host)
        await relay.start()
        async with leg([relay.server(transport)], relay.authority, host) as ours, peer(host) as far:
            began = ours.now
            await ours.gather()
            print(f"{transport}: gathered in {(ours.now - began) * 1000:.0f} ms")
            rtp, rtcp = ours.relay(RTP), ours.relay(RTCP)
            assert (rtp[1] % 2, rtcp[1]) == (0, rtp[1] + 1)
            to: Addr = (host, far.getsockname()[1])
            await ours.permit(host)
            ours.send(b"\x80 hello", to)
            data, source = await heard(far)
            assert (data, source) == (b"\x80 hello", rtp)
            far.sendto(b"\x80 back", rtp)
            far.sendto(b"\x81 report", rtcp)
            await ours.until(2)
            assert sorted(ours.got) == [(b"\x80 back", to, False), (b"\x81 report", to, True)]

    run_test(play())


def test_a_wrong_password_is_told_in_words(tmp_path: Path) -> None:
    async def play() -> None:
        relay = Relay(tmp_path)
        await relay.start()
        async with leg([relay.server(password="wrong")], relay.authority) as ours:
            assert await ours.gather() == []
            (words,) = ours.gatherer.faults
            assert words.endswith("does not accept username and password (401)"), words

    run_test(play())


def test_a_tls_server_of_another_name_hears_no_password(tmp_path: Path) -> None:
    async def play() -> None:
        relay = Relay(tmp_path)
        await relay.start()
        async with leg([relay.server("TLS", name="turn.example.com")], relay.authority) as ours:
            assert await ours.gather() == []
            (words,) = ours.gatherer.faults
            assert 'not for "turn.example.com" but for localhost' in words

    run_test(play())


def test_stale_nonces_and_short_lifetimes_cost_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        relay = Relay(tmp_path)
        await relay.start("stale-nonce=2")
        async with leg([relay.server()], relay.authority) as ours, peer() as far:
            await ours.gather()
            # Each refresh that asks whether the relay is still there is met by a stale nonce.
            await relay.coturn.process.line_with("refreshed", count=4)
            await ours.permit("127.0.0.1")
            far.sendto(b"\x80 still there", ours.relay(RTP))
            await ours.until(1)
            assert ours._events == []

    run_test(play())


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_server_that_is_killed_is_noticed_and_used_again_when_it_is_back(
    tmp_path: Path, transport: Transport
) -> None:
    async def play() -> None:
        relay = Relay(tmp_path)
        await relay.start()
        async with leg([relay.server(transport)], relay.authority) as ours:
            await ours.gather()
            relay.coturn.kill()
            died_at = ours.now
            lost = await ours.event(RelayLost)
            assert isinstance(lost, RelayLost)
            print(f"{transport}: {lost.words} after {lost.at - died_at:.1f} s")
            assert lost.at - died_at < 8.0
            await relay.coturn.stop()
            await relay.start()
            found = await ours.event(RelayFound)
            assert found.at - lost.at < 20.0

    run_test(play())


def turn_settings(*relays: Relay) -> str:
    """Of a node for which a phone on loopback is one beyond the router."""
    return "[sip.nat]\nlocal_networks = []\n" + "".join(
        f'[[sip.turn]]\nserver = "127.0.0.1:{relay.port}"\nusername = "{USER}"\npassword = "{PASSWORD}"\n'
        for relay in relays
    )


def tone_files(folder: Path) -> str:
    tone = write_tone(folder / "tone.wav", PCM_TONE_HZ)
    return f'device = "files"\nmicrophone = "{tone}"\nloudspeaker_recording = "{folder / "heard.wav"}"'


async def end_call(node: Node) -> None:
    active = await node.event("call.changed", state="Active")
    await node.client.delete(f"/api/v1/calls/{active['call']}")
    await node.event("call.changed", state="Terminated")


def test_a_call_by_turn_alone(tmp_path: Path) -> None:
    async def play() -> None:
        relay = Relay(tmp_path)
        await relay.start()
        microphone = write_tone(tmp_path / "440.wav", 440.0)
        phone = await Baresip.start(tmp_path / "phone", microphone=microphone, answer="auto")
        more = turn_settings(relay)
        async with running(Node.start(tmp_path / "node", audio=tone_files(tmp_path), more=more)) as node:
            await node.press(phone.uri)
            await phone.event("CALL_ESTABLISHED")
            await phone.hear(3.0)  # the first packets find the relay closed to the phone
            await end_call(node)
        assert_tone(phone.heard(), PCM_TONE_HZ)
        assert_tone(tmp_path / "heard.wav", 440.0)
        said = "\n".join(relay.coturn.process.lines)
        assert "peer 127.0.0.1" in said  # the permission, for the phone's own address

    run_test(play())


def test_a_call_survives_the_death_of_its_turn_server(tmp_path: Path) -> None:
    async def play() -> None:
        first, second = Relay(tmp_path / "first"), Relay(tmp_path / "second")
        await first.start()
        await second.start()
        microphone = write_tone(tmp_path / "440.wav", 440.0)
        phone = await Baresip.start(tmp_path / "phone", microphone=microphone, answer="auto")
        more = turn_settings(first, second)
        async with running(Node.start(tmp_path / "node", audio=tone_files(tmp_path), more=more)) as node:
            await node.press(phone.uri)
            await phone.event("CALL_ESTABLISHED")
            await phone.hear(1.0)
            first.coturn.kill()
            died_at = asyncio.get_running_loop().time()
            lost = await node.event("call.path", pair="")
            took_s = asyncio.get_running_loop().time() - died_at
            print(f"{lost['detail']} after {took_s:.1f} s")
            found = await node.event("call.path", after=node.events.index(lost), detail="")
            assert found["pair"].startswith("relay 127.0.0.1:")
            assert second.first <= int(found["pair"].split()[1].split(":")[1]) < second.first + 200
            before_s = len(phone.heard().read_bytes()) / RECORDING_BYTES_PER_S
            await phone.hear(before_s + 3.0)
            await end_call(node)
        for recording, hz in ((phone.heard(), PCM_TONE_HZ), (tmp_path / "heard.wav", 440.0)):
            samples, rate_hz = read_wav(recording)
            assert_tone_in(samples[-2 * rate_hz :], rate_hz, hz, at_least_s=1.5, name=recording.name)

    run_test(play())
