"""Whether the TURN servers lend an address: one is asked for at each, by each transport, and given back (RFC 8656)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from ipaddress import ip_address

from voipnode.doctor.findings import Case, Finding, good, note, problem
from voipnode.doctor.nat import own_address
from voipnode.media.turn.gatherer import Gatherer
from voipnode.media.turn.memory import ServerMemory
from voipnode.media.turn.values import RTP, Server
from voipnode.media.values import Addr, MediaPacket
from voipnode.net.entropy import SystemEntropy
from voipnode.net.relay_servers import RelayServers
from voipnode.net.relay_streams import RelayStreams
from voipnode.net.rtp_ports import RtpPair, RtpPorts
from voipnode.net.stream_layers import StreamLayers
from voipnode.tls_profiles import relay_profiles
from voipnode.traversal import wanted_servers

START_PORT = 22000  # clear of a node's own ports on the same machine
LOOK_UP_S, PATIENCE_S = 3.0, 5.0
REMEDY = "see that it runs, that address, transport, name and password are right, and what a firewall blocks"


async def check_relays(case: Case) -> AsyncIterator[Finding]:
    """Each address of each TURN server, by its transports."""
    sip = case.settings.sip
    if not sip.turn:
        yield note("no TURN server is named ([[sip.turn]]): calls through two symmetric routers will be silent")
        return
    wanted = [one for one in wanted_servers(sip) if one.username]
    finder = RelayServers(wanted, case.resolver, case.dns, SystemEntropy().draw)
    try:
        async with asyncio.timeout(LOOK_UP_S):
            await finder.look_up()
    except TimeoutError:
        yield problem("the TURN servers' names could not be looked up in time", "look at what is said of DNS")
    servers = finder.known()
    await finder.close()
    if not servers:
        yield problem("none of the TURN servers has an address", "correct [[sip.turn]], or see what is said of DNS")
    streams = RelayStreams(StreamLayers(relay_profiles(sip)))
    ports = RtpPorts("0.0.0.0", START_PORT, 64, streams=streams)  # noqa: S104 -- each pair is bound to one address
    try:
        for finding in asyncio.as_completed([_lends(server, case, ports) for server in servers]):
            yield await finding
    finally:
        await streams.close_all()


async def _lends(server: Server, case: Case, ports: RtpPorts) -> Finding:
    host = own_address(case.settings.sip.hosts, server.address)
    if host is None:
        return problem(f"there is no way to {server}", "see what is said of addresses")
    trial = Trial(server, host, ports)
    try:
        return await trial.outcome()
    finally:
        trial.close()


class Trial:
    """The engine of one pair of ports that asks one server."""

    def __init__(self, server: Server, host: str, ports: RtpPorts) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self._memory = ServerMemory()
        self._gatherer: Gatherer | None = None
        self._pair: RtpPair = ports.open(host, self, self._look)
        bases = {RTP: (host, self._pair.rtp_port)}
        self._gatherer = Gatherer(
            [server],
            bases,
            tokens=SystemEntropy().bits,
            memory=self._memory,
            open_stream=self._pair.open_stream,
            patience_s=PATIENCE_S,
        )

    async def outcome(self) -> Finding:
        """What the server lends, or why it does not."""
        assert self._gatherer is not None
        begun = self._loop.time()
        self._gatherer.start(begun)
        self._pair.flush(begun)
        self._look()
        await self._done.wait()
        relay = next((one for one in self._gatherer.found if one.kind == "relay"), None)
        if relay is None:
            words = next(iter(self._gatherer.faults), f"{self._server} does not answer")
            return problem(words, REMEDY)
        took_ms = (self._loop.time() - begun) * 1000
        host, port = relay.address
        words = f"{self._server} lends {host}:{port}, in {took_ms:.0f} ms"
        if ip_address(host).is_private and not ip_address(self._server.address[0]).is_private:
            return problem(
                f"{words}; that address is private", "set the server's external address (coturn: external-ip)"
            )
        return good(words)

    def close(self) -> None:
        """Give the relay back."""
        if self._gatherer is not None:
            self._gatherer.close(self._loop.time())
        self._pair.flush(self._loop.time())
        self._pair.close()

    def _look(self) -> None:
        if self._gatherer is not None and self._gatherer.done:
            self._done.set()

    # the engine's verbs

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool = False) -> bool:
        if self._gatherer is not None:
            self._gatherer.receive(data, source, now, rtcp=rtcp)
        return False

    def receive_beside(self, beside: int, data: bytes, source: Addr, now: float, *, rtcp: bool) -> None:
        """Our port at other addresses of this host is not open."""

    def receive_stream(self, stream: int, data: bytes, now: float) -> None:
        if self._gatherer is not None:
            self._gatherer.receive_stream(stream, data, now)

    def stream_closed(self, stream: int, words: str, now: float) -> None:
        if self._gatherer is not None:
            self._gatherer.stream_closed(stream, words, now)

    def outbox(self, now: float) -> Iterable[MediaPacket]:
        return [] if self._gatherer is None else self._gatherer.outbox(now)

    def next_deadline(self) -> float | None:
        return None if self._gatherer is None else self._gatherer.next_deadline()

    def on_deadline(self, now: float) -> None:
        if self._gatherer is not None:
            self._gatherer.on_deadline(now)
