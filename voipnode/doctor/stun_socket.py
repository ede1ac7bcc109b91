"""One UDP socket that asks STUN servers, with the questions of RFC 5780 about the router in between."""

from __future__ import annotations

import asyncio
import secrets
from typing import NamedTuple

from voipnode.media.errors import ParseError
from voipnode.media.stun.attributes import Attribute, unpack_address
from voipnode.media.stun.message import Kind, Message, Method, build, parse
from voipnode.media.values import Addr

CHANGE_REQUEST, OTHER_ADDRESS = 0x0003, 0x802C  # RFC 5780 §7.2, §7.4
CHANGE_PORT, CHANGE_BOTH = 0x02, 0x06
REPEAT_S = (0.0, 0.25, 0.5, 0.75)  # a lost datagram must not look like a router that lets nothing in
_LAST_S = 0.75


class Seen(NamedTuple):
    """What a server answered: how it sees us, and where else it is (None: it has one address alone)."""

    mapped: Addr
    other: Addr | None


class StunSocket(asyncio.DatagramProtocol):
    """Asks, and remembers nothing; `ask` gives up after 2.25 s."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[bytes, asyncio.Future[Message]] = {}

    @classmethod
    async def open(cls, host: str) -> StunSocket:
        """Bind to a free port of `host`. Raises OSError."""
        transport, made = await asyncio.get_running_loop().create_datagram_endpoint(cls, local_addr=(host, 0))
        made._transport = transport
        return made

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    @property
    def local(self) -> Addr:
        """Our own address."""
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")[:2]
        return str(host), int(port)

    async def ask(self, server: Addr, change: int = 0) -> Seen | None:
        """How `server` sees this socket; it is to answer from another port or address with `change`. None: silence."""
        assert self._transport is not None
        token = secrets.token_bytes(12)
        attributes = ((CHANGE_REQUEST, change.to_bytes(4, "big")),) if change else ()
        request = build(Method.BINDING, Kind.REQUEST, token, attributes)
        answer = self._waiting[token] = asyncio.get_running_loop().create_future()
        try:
            for wait_s in (*REPEAT_S[1:], _LAST_S):
                self._transport.sendto(request, server)
                await asyncio.wait([answer], timeout=wait_s)
                if answer.done():
                    return _seen(answer.result())
        finally:
            del self._waiting[token]
        return None

    # asyncio's protocol

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            message = parse(data)
        except ParseError:
            return
        waiting = self._waiting.get(message.transaction_id)
        if waiting is not None and not waiting.done() and message.kind in (Kind.SUCCESS, Kind.ERROR):
            waiting.set_result(message)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there, says the network: silence will show it."""


def _seen(message: Message) -> Seen | None:
    """An error, or an answer without an address, is as good as none."""
    if message.kind is not Kind.SUCCESS:
        return None
    try:
        mapped = message.address() or message.address(Attribute.MAPPED_ADDRESS)
        other = message.value(OTHER_ADDRESS)
        return None if mapped is None else Seen(mapped, None if other is None else unpack_address(other))
    except ParseError:
        return None
