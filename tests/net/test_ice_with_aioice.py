"""Our ICE against aioice, an implementation by others, over real sockets: both roles, IPv4 and IPv6."""

from __future__ import annotations

import asyncio

import ifaddr
import pytest
from aioice import Candidate as TheirCandidate
from aioice import Connection

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.free_ports import rtp_range
from voipnode.calls.leg_connectivity import _line
from voipnode.media.events import MediaEvent, PathFound
from voipnode.media.ice.agent import IceAgent
from voipnode.media.ice.candidate import Candidate, Kind
from voipnode.media.ice.connectivity import FAR_SIDE, IceConnectivity
from voipnode.media.ice.values import Credentials, Peer
from voipnode.media.stream import AudioStream, StreamConfig, StreamIdentity
from voipnode.media.transport import MediaTransport
from voipnode.net.entropy import SystemEntropy
from voipnode.net.rtp_ports import RtpPorts

RTP = bytes.fromhex("8000") + bytes(10) + b"\xff" * 160


def own_address(version: int) -> str:
    """An address of this host that is not loopback or link-local: aioice takes no others."""
    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips]
    if version == 4:
        hosts = [ip for ip in found if isinstance(ip, str) and not ip.startswith("127.")]
    else:
        hosts = [ip[0] for ip in found if isinstance(ip, tuple) and not ip[0].startswith(("::1", "fe80"))]
    if not hosts:
        pytest.skip(f"this host has no address of IPv{version} but loopback")
    return str(hosts[0])


class Ours:
    """A leg's media path with ICE."""

    def __init__(self, host: str, *, controlling: bool, beside: str = "") -> None:
        self.stream = AudioStream(StreamIdentity(1, 2, 3, "test"))
        self.transport = MediaTransport(self.stream)
        self.events: list[MediaEvent] = []
        self.grown = asyncio.Event()
        self.pair = RtpPorts(host, rtp_range()).open(host, self.transport, self._fetch)
        bases = {1: (host, self.pair.rtp_port)}
        self.agent = IceAgent((), controlling=controlling, random_bits=SystemEntropy().bits, components=1)
        others = {self.pair.open_beside(beside): {1: (beside, self.pair.rtp_port)}} if beside else {}
        self.ice = IceConnectivity(self.agent, bases, None, others)
        self.agent.add(self.ice.candidates())
        self.transport.connect(self.ice)

    def _fetch(self) -> None:
        """Called after whatever came."""
        while (event := self.transport.next_event()) is not None:
            self.events.append(event)
        self.grown.set()

    async def chosen(self) -> PathFound:
        async with within(PATIENCE_S, "chosen pair", lambda: self.events):
            while True:
                for event in self.events:
                    if isinstance(event, PathFound) and event.chosen:
                        return event
                self.grown.clear()
                await self.grown.wait()


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("controlling", [True, False])
@pytest.mark.parametrize("beside", [False, True], ids=["own address", "another address"])
def test_a_pair_is_found_chosen_and_carries_media_both_ways(version: int, controlling: bool, beside: bool) -> None:
    """Where the far side has addresses of one family alone, it is the port at our other address that it meets."""
    host = own_address(version)
    other = own_address(10 - version) if beside else ""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        ours = Ours(other or host, controlling=controlling, beside=host if other else "")
        theirs = Connection(ice_controlling=not controlling, components=1, use_ipv4=version == 4, use_ipv6=version == 6)
        try:
            await theirs.gather_candidates()
            for candidate in ours.agent.candidates:
                value = _line(candidate).attribute().value
                assert value is not None
                await theirs.add_remote_candidate(TheirCandidate.from_sdp(value))
            await theirs.add_remote_candidate(None)
            theirs.remote_username = ours.agent.credentials.ufrag
            theirs.remote_password = ours.agent.credentials.password
            told = tuple(
                Candidate(Kind(one.type), 1, (one.host, one.port), one.priority, one.foundation, (one.host, one.port))
                for one in theirs.local_candidates
            )
            peer = Peer(Credentials(theirs.local_username, theirs.local_password), told)
            ours.ice.begin(peer, loop.time(), components=1)
            ours.pair.flush(loop.time())
            await theirs.connect()
            path = await ours.chosen()
            assert path.pair.count("host ") == 2
            assert path.pair.count(host) == 2
            codecs = {0: "PCMU"}
            config = StreamConfig(receive_codecs=codecs, remote_rtp=FAR_SIDE[1], remote_rtcp=FAR_SIDE[1])
            ours.stream.configure(config, loop.time())
            silence = ours.stream.pull(0.0) * 0
            for _ in range(2):
                ours.stream.push(silence, loop.time())
            ours.pair.flush(loop.time())
            async with within(PATIENCE_S, "RTP at aioice"):
                while (data := await theirs.recv())[:1] != b"\x80":
                    pass
            assert len(data) == 172
            for number in range(4):  # a new source has to show two in sequence
                await theirs.send(RTP[:3] + bytes([number]) + RTP[4:])
            async with within(PATIENCE_S, "RTP of aioice"):
                while not ours.stream.has_heard:
                    ours.grown.clear()
                    await ours.grown.wait()
        finally:
            await theirs.close()
            ours.pair.close()

    run_test(play())
