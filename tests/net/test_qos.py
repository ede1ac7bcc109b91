"""DSCP as it arrives: read from the packets themselves, of both families."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from tests.net.conftest import Run
from tests.net.test_rtp_ports import Stream, start_port
from tests.support.net_recorder import Recorder
from voipnode.media.values import MediaPacket
from voipnode.net.rtp_ports import RtpPorts
from voipnode.net.sip_sockets import SipSockets
from voipnode.sipstack.transport import Address, Hop, Packet

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the options to read TOS are Linux's")
HOSTS = ("127.0.0.1", "::1")
CS3, EF = 24, 46


def listening(host: str) -> socket.socket:
    """A datagram socket that is told the TOS of what it gets."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    if ":" in host:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    sock.bind((host, 0))
    sock.settimeout(5.0)
    return sock


def dscp_of_next(sock: socket.socket) -> int:
    _, notes, _, _ = sock.recvmsg(2048, 64)
    (tos,) = [int.from_bytes(data[:1], "little") for _, _, data in notes]
    return tos >> 2


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("dscp", [CS3, 0])
def test_sip_over_udp(run: Run, host: str, dscp: int) -> None:
    async def main() -> None:
        sockets = SipSockets(HOSTS, 0, dscp=dscp)
        await sockets.open(Recorder())
        with listening(host) as peer:
            sockets.send(Packet(b"x", Hop("UDP", Address(host, peer.getsockname()[1]))))
            assert dscp_of_next(peer) == dscp
        await sockets.close()

    run(main())


@pytest.mark.parametrize("host", HOSTS)
def test_sip_over_streams_of_both_directions(run: Run, host: str) -> None:
    """What a TCP socket sends cannot be read by its peer: the option itself is asked for."""

    async def main() -> None:
        marked, plain = SipSockets(HOSTS, 0, dscp=CS3), SipSockets(HOSTS, 0, dscp=CS3)
        sink = Recorder()
        await marked.open(Recorder())
        await plain.open(sink)
        marked.send(Packet(b"x", Hop("TCP", Address(host, plain.port))))
        await sink.until(lambda: bool(sink.received))
        for sockets in (marked, plain):
            assert sockets._streams is not None
            (connection,) = sockets._streams._connections.values()
            assert connection._transport is not None
            sock = connection._transport.get_extra_info("socket")
            option = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if ":" in host else (socket.IPPROTO_IP, socket.IP_TOS)
            assert sock.getsockopt(*option) >> 2 == CS3
        await marked.close()
        await plain.close()

    run(main())


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("dscp", [EF, 0])
def test_rtp_and_rtcp(run: Run, host: str, dscp: int) -> None:
    async def main() -> None:
        stream = Stream()
        with listening(host) as peer:
            at = (host, peer.getsockname()[1])
            stream.packets = [MediaPacket(b"rtp", at, False), MediaPacket(b"rtcp", at, True)]
            pair = RtpPorts("0.0.0.0", start_port(), 10, dscp=dscp).open(host, stream, lambda: None)
            pair.flush(asyncio.get_running_loop().time())
            assert [dscp_of_next(peer) for _ in range(2)] == [dscp, dscp]
            pair.close()

    run(main())
