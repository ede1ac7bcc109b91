"""A DNS server in the test's own loop that answers as it is told: well, badly, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Iterable

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from tests.support.free_ports import free_port
from voipnode.sipstack.transport import Address

# What to send for a question: any number of datagrams, or over TCP the first of them.
Reply = Callable[[dns.message.Message], Iterable[bytes]]


def answer(query: dns.message.Message, *lines: str) -> bytes:
    """An answer with records, each "name ttl type data" as in a zone file."""
    response = dns.message.make_response(query)
    for line in lines:
        name, ttl, kind, data = line.split(" ", 3)
        response.answer.append(dns.rrset.from_text(f"{name}.", int(ttl), "IN", kind, data))
    return response.to_wire()


def failure(query: dns.message.Message, code: dns.rcode.Rcode = dns.rcode.SERVFAIL) -> bytes:
    response = dns.message.make_response(query)
    response.set_rcode(code)
    return response.to_wire()


def truncated(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.TC
    return response.to_wire()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a datagram transport, also uvloop's

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self.transport is not None
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return  # no question: for whoever had this port before
        self._server.asked.append(str(query.question[0]))
        for reply in self._server.by_udp(query):
            self.transport.sendto(reply, addr)


class DnsServer:
    """Serves UDP and TCP on one port; `asked` is what was asked for, as "name. IN TYPE"."""

    def __init__(self, by_udp: Reply, by_tcp: Reply) -> None:
        self.by_udp = by_udp
        self.by_tcp = by_tcp
        self.asked: list[str] = []
        self.address = Address("127.0.0.1", 0)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            query = dns.message.from_wire(await reader.readexactly(length))
            self.asked.append(f"{query.question[0]} TCP")
            for reply in self.by_tcp(query):
                writer.write(struct.pack("!H", len(reply)) + reply)
            await writer.drain()

    @classmethod
    @contextlib.asynccontextmanager
    async def serving(cls, by_udp: Reply, by_tcp: Reply = lambda query: ()) -> AsyncIterator[DnsServer]:
        server = cls(by_udp, by_tcp)
        loop = asyncio.get_running_loop()
        port = free_port()  # for TCP and UDP alike
        tcp = await asyncio.start_server(server._serve_tcp, "127.0.0.1", port)
        udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(server), ("127.0.0.1", port))
        server.address = Address("127.0.0.1", port)
        try:
            yield server
        finally:
            udp.close()
            tcp.close()
