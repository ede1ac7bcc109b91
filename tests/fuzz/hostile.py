"""A telephone of plain bytes that behaves, for calls that must stay good while somebody else does not.

Written without our stack, on blocking-free sockets of the test's own loop.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Iterator
from typing import Any
from zlib import crc32

from tests.support.aio import PATIENCE_S, within
from tests.support.sip_agents import field

SAMPLES = 160
LAST_CSEQ = 0x7FFFFFFF  # RFC 3261 §8.1.1.5
ULAW_SILENCE = b"\xff"


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket whose datagrams wait in a queue."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.got.put_nowait(data)

    @property
    def port(self) -> int:
        port: int = self.transport.get_extra_info("sockname")[1]
        return port

    @classmethod
    async def open(cls, host: str = "127.0.0.1") -> Datagrams:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_datagram_endpoint(cls, local_addr=(host, 0))
        return made


class Phone:
    """Answers one call of the node at 127.0.0.1:`node_port`, talks, presses a key by INFO, hangs up."""

    def __init__(self, sip: Datagrams, rtp: Datagrams, node_port: int) -> None:
        self._sip, self._rtp = sip, rtp
        self._node = ("127.0.0.1", node_port)
        self._invite = b""
        self._cseq = 0
        self.media_port = 0
        self.uri = f"sip:phone@127.0.0.1:{sip.port}"

    @classmethod
    async def open(cls, node_port: int) -> Phone:
        return cls(await Datagrams.open(), await Datagrams.open(), node_port)

    @property
    def seeds(self) -> list[bytes]:
        """Requests in its call that a hostile peer may twist: it knows every id."""
        return [self._request(method, 100) for method in ("INVITE", "INFO", "OPTIONS", "ACK", "UPDATE", "CANCEL")]

    @property
    def calls(self) -> list[bytes]:
        """INVITEs of its own, which ring at the door when they come through whole."""
        invite = self._request("INVITE", 1)
        outside = re.sub(rb"(?m)^To: .*\r\n", b"To: <sip:door@127.0.0.1>\r\n", invite)
        named = outside.replace(b"From: ", b'From: "Ann\xc3\xa9 \\\x07\xff" ', 1)
        return [outside.replace(b"Call-ID: ", b"Call-ID: a"), named.replace(b"Call-ID: ", b"Call-ID: b")]

    async def answer(self) -> None:
        """Take the call that rings here; returns once it is acknowledged."""
        self._invite = await self._next(b"INVITE ")
        self.media_port = int(re.search(rb"m=audio (\d+)", self._invite)[1])  # type: ignore[index]
        body = self._sdp()
        copied = "".join(f"{name}: {field(self._invite, name)}\r\n" for name in ("Via", "From", "Call-ID", "CSeq"))
        self._send(
            (
                f"SIP/2.0 200 OK\r\n{copied}To: {field(self._invite, 'To')};tag=phone\r\n"
                f"Contact: <{self.uri}>\r\nContent-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n"
            ).encode()
            + body
        )
        await self._next(b"ACK ")

    async def talk(self, packets: int = 12) -> None:
        """Send sound and hear some of the node's."""
        while not self._rtp.got.empty():
            self._rtp.got.get_nowait()
        for packet in rtp_packets(packets):
            self._rtp.transport.sendto(packet, ("127.0.0.1", self.media_port))
            await asyncio.sleep(0.02)  # a telephone sends at the pace of speech; it waits for nothing here
        async with within(PATIENCE_S, "RTP from the node"):
            for _ in range(packets // 2):
                data = await self._rtp.got.get()
                assert data[0] == 0x80, data

    async def press(self) -> None:
        """A key by INFO, answered 200."""
        await self._ask("INFO", b"Signal=5\r\n", "application/dtmf-relay")

    async def hang_up(self) -> None:
        await self._ask("BYE")

    async def leave(self) -> None:
        """Hang up a call that others may have ended, or used up the numbers of, meanwhile."""
        self._send(self._request("BYE", LAST_CSEQ))
        answer = await self._next(b"SIP/2.0 ", f"CSeq: {LAST_CSEQ} BYE".encode())
        assert answer[8:11] in (b"200", b"481"), answer

    def hammer(self, data: bytes, *, port_offset: int = 0) -> None:
        """Send anything to the node's media port, from where its sound is expected."""
        self._rtp.transport.sendto(data, ("127.0.0.1", self.media_port + port_offset))

    def close(self) -> None:
        self._sip.transport.close()
        self._rtp.transport.close()

    async def _ask(self, method: str, body: bytes = b"", content_type: str = "") -> None:
        self._cseq += 1
        self._send(self._request(method, self._cseq, body, content_type))
        answer = await self._next(b"SIP/2.0 ", f"CSeq: {self._cseq} {method}".encode())
        assert answer.startswith(b"SIP/2.0 200"), answer

    def _request(self, method: str, number: int, body: bytes = b"", content_type: str = "") -> bytes:
        if method == "INVITE":
            body, content_type = self._sdp(), "application/sdp"
        kind = f"Content-Type: {content_type}\r\n" if body else ""
        call = crc32(
            field(self._invite, "Call-ID").encode()
        )  # the port may be that of a phone before, and the branch not
        head = (
            f"{method} sip:door@127.0.0.1 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._sip.port};branch=z9hG4bK{method}{number}{call};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: {field(self._invite, 'To')};tag=phone\r\nTo: {field(self._invite, 'From')}\r\n"
            f"Call-ID: {field(self._invite, 'Call-ID')}\r\nCSeq: {number} {method}\r\nContact: <{self.uri}>\r\n"
            f"{kind}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _sdp(self) -> bytes:
        return (
            f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self._rtp.port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
        ).encode()

    def _send(self, data: bytes) -> None:
        self._sip.transport.sendto(data, self._node)

    async def _next(self, start: bytes, holding: bytes = b"") -> bytes:
        async with within(PATIENCE_S, f"{start!r} {holding!r} from the node"):
            while True:
                data = await self._sip.got.get()
                if data.startswith(start) and holding in data:
                    return data


def rtp_packets(count: int, ssrc: int = 0x1234) -> Iterator[bytes]:
    """Good packets of silence."""
    for number in range(count):
        yield struct.pack("!BBHII", 0x80, 0, number, SAMPLES * number, ssrc) + ULAW_SILENCE * SAMPLES
