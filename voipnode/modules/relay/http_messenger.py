"""The process that keeps one relay of driver "http"; the guardian starts it, and it outlives whoever started it.

    python -m voipnode.modules.relay.http_messenger FD

Through the socket FD comes a line of JSON that says what to keep, with the board's login, then one for each order; back
go the outcomes. At end of file it brings the relay to rest, which the board must confirm, and ends. One process at a
time keeps a relay: another one that starts takes over from one that is only waiting for its board.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import json
import signal
import socket
import ssl
import sys
from dataclasses import asdict
from typing import Any

import httpx

from voipnode.modules.relay.board import BoardError, BoardKeeper, Order, Outcome, Urls
from voipnode.modules.relay.protocol import boottime

TAKE_OVER_TRIES, TAKE_OVER_PAUSE_S = 100, 0.02
MAX_LINE = 16384


class Board:
    """Asks for URLs. Redirects are not followed, and count as a confirmation, as any status below 400 does."""

    def __init__(self, told: dict[str, Any]) -> None:
        login = {"basic": httpx.BasicAuth, "digest": httpx.DigestAuth}[told["login"]]
        secure = any(told[key].startswith("https:") for key in ("on_url", "off_url", "pulse_url"))
        verify: ssl.SSLContext | bool = secure and told["verify_tls"]  # authorities take a while to load
        if verify and told["ca"]:
            verify = ssl.create_default_context(cafile=told["ca"])
        self._method = told["method"]
        self._client = httpx.AsyncClient(
            auth=login(told["username"], told["password"]) if told["username"] else None,
            verify=verify,
            trust_env=False,
            timeout=None,  # noqa: S113 -- who asks has a time limit of its own
            limits=httpx.Limits(max_keepalive_connections=0),  # a kept connection may be dead when it is needed
        )

    async def ask(self, url: str) -> None:
        try:
            async with self._client.stream(self._method, url) as answer:  # its body is nobody's concern
                status = answer.status_code
        except httpx.ConnectError as error:
            raise BoardError(f"it cannot be reached: {error}", reached=False) from None
        except httpx.HTTPError as error:
            raise BoardError(str(error) or type(error).__name__, reached=True) from None
        if status >= 400:
            raise BoardError(f"it answered {status}", reached=False)


class _Orders(asyncio.Protocol):
    """The guardian's end: orders come, outcomes go."""

    def __init__(self, keeper: BoardKeeper) -> None:
        self._keeper = keeper
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            told = json.loads(line)
            self._keeper.order(Order(told["number"], told["until"]))

    def eof_received(self) -> bool:
        self._keeper.let_go()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._keeper.let_go()


class _Successors(asyncio.DatagramProtocol):
    """Whoever wants to keep this relay knocks; one that is only waiting for its board makes room."""

    def __init__(self, make_room: asyncio.Event) -> None:
        self._make_room = make_room

    def datagram_received(self, data: bytes, address: object) -> None:
        self._make_room.set()


async def claim(name: str) -> socket.socket:
    """The one place of this relay's keeper; raises OSError where another guardian's has it."""
    place = "\0voipnode-" + hashlib.sha256(name.encode()).hexdigest()[:32]  # of no file: a full disk is no hindrance
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setblocking(False)
    for _ in range(TAKE_OVER_TRIES):
        try:
            sock.bind(place)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return sock
        with contextlib.suppress(OSError):
            sock.sendto(b"", place)
        await asyncio.sleep(TAKE_OVER_PAUSE_S)  # it needs no longer to end
    sock.close()
    raise OSError(errno.EADDRINUSE, "another guardian keeps this relay")


async def keep(sock: socket.socket) -> None:
    """Keep the relay that the socket's first line names."""
    loop = asyncio.get_running_loop()
    first = bytearray()
    while not first.endswith(b"\n") and len(first) < MAX_LINE:
        byte = await loop.sock_recv(sock, 1)  # no byte of the orders behind it
        if not byte:
            return  # the guardian is gone before it had begun
        first += byte
    told = json.loads(first)
    transport: asyncio.Transport | None = None

    def tell(outcome: Outcome) -> None:
        if transport is not None and not transport.is_closing():
            transport.write(json.dumps({**asdict(outcome), "detail": outcome.detail[:300]}).encode() + b"\n")

    keeper = BoardKeeper(Urls(**told["urls"]), Board(told["board"]).ask, tell, boottime)
    place = await claim(told["name"])
    transport, _ = await loop.create_unix_connection(lambda: _Orders(keeper), sock=sock)
    loop.add_signal_handler(signal.SIGTERM, keeper.let_go)
    make_room = asyncio.Event()
    await loop.create_datagram_endpoint(lambda: _Successors(make_room), sock=place)
    keeping = asyncio.create_task(keeper.run())
    while not keeping.done():
        room = asyncio.create_task(make_room.wait())
        await asyncio.wait((keeping, room), return_when=asyncio.FIRST_COMPLETED)
        room.cancel()
        if make_room.is_set() and keeper.is_let_go:
            keeping.cancel()  # the successor begins by bringing the relay to rest
            return
        make_room.clear()
    keeping.result()


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.setblocking(False)
    try:
        asyncio.run(keep(sock))
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError):
            sock.send(json.dumps({"number": -1, "ok": False, "detail": str(error)}).encode() + b"\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
