"""Connections to TURN servers on loopback: bytes both ways, names that must be proven, and words when it fails."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import cast

import pytest

from tests.net.conftest import Run
from tests.support.certificates import Authority
from voipnode.media.turn.values import Server
from voipnode.net.relay_streams import MAX_UNSENT_BYTES, MAX_WAITING, RelayStreams
from voipnode.net.stream_layers import StreamLayers
from voipnode.net.tls import TlsProfile


class Echo:
    """A server that says back what it hears, until it is paused."""

    def __init__(self) -> None:
        self.heard = b""
        self._transports: list[asyncio.Transport] = []

    async def open(self, certificate: Path | None = None) -> int:
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        self._server = await asyncio.get_running_loop().create_server(lambda: _Side(self), "127.0.0.1", 0, ssl=context)
        return int(self._server.sockets[0].getsockname()[1])

    def admit(self, transport: asyncio.Transport) -> None:
        self._transports.append(transport)

    def pause(self) -> None:
        for transport in self._transports:
            transport.pause_reading()

    def close(self) -> None:
        self._server.close()
        for transport in self._transports:
            transport.abort()


class _Side(asyncio.Protocol):
    def __init__(self, echo: Echo) -> None:
        self._echo = echo

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._echo.admit(self._transport)

    def data_received(self, data: bytes) -> None:
        self._echo.heard += data
        self._transport.write(data)


class Heard:
    """What a stream brought, and why it ended."""

    def __init__(self) -> None:
        self.data = b""
        self.words: str | None = None
        self._news = asyncio.Event()

    def on_data(self, data: bytes) -> None:
        self.data += data
        self._news.set()

    def on_closed(self, words: str) -> None:
        self.words = words
        self._news.set()

    async def until(self, size: int = 0) -> None:
        while self.words is None and (not size or len(self.data) < size):
            self._news.clear()
            await self._news.wait()


def tls(authority: Authority, *, verify: bool = True) -> StreamLayers:
    return StreamLayers({"turn 0": TlsProfile(verify=verify, ca=authority.ca, wildcards=True)})


def test_bytes_go_both_ways_and_what_comes_early_waits(run: Run) -> None:
    async def main() -> None:
        echo = Echo()
        server = Server(("127.0.0.1", await echo.open()), "TCP")
        streams, heard = RelayStreams(), Heard()
        number = streams.open(server, heard.on_data, heard.on_closed)
        assert streams.send(number, b"early ")
        await heard.until(6)
        assert streams.send(number, b"later")
        await heard.until(11)
        assert heard.data == b"early later"
        streams.close(number)
        assert not streams.send(number, b"gone")
        assert len(streams) == 0
        assert heard.words is None  # whoever closes needs no telling
        await streams.close_all()
        echo.close()

    run(main())


@pytest.mark.parametrize("name", ["turn.example.com", "127.0.0.1"])
@pytest.mark.parametrize("certified", [("*.example.com", "127.0.0.1"), ("turn.example.com", "127.0.0.1")])
def test_a_tls_server_must_prove_its_name(run: Run, tmp_path: Path, name: str, certified: tuple[str, ...]) -> None:
    async def main() -> None:
        authority, echo, heard = Authority(tmp_path), Echo(), Heard()
        server = Server(("127.0.0.1", await echo.open(authority.issue(*certified))), "TLS", name, profile="turn 0")
        streams = RelayStreams(tls(authority))
        streams.send(streams.open(server, heard.on_data, heard.on_closed), b"hello")
        await heard.until(5)
        assert heard.data == b"hello"
        await streams.close_all()
        echo.close()

    run(main())


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("wrong name", 'cannot be used: the peer\'s certificate is not for "turn.example.com" but for pbx.example'),
        ("deeper wildcard", "cannot be used: the peer's certificate is not for"),
        ("unknown CA", "cannot be used: the peer's certificate is signed by a CA that is not known here"),
        ("no TLS", "cannot be used:"),
        ("nobody", "cannot be used: nobody listens there"),
    ],
)
def test_whoever_cannot_be_trusted_hears_nothing_and_it_is_said_why(
    run: Run, tmp_path: Path, kind: str, words: str
) -> None:
    async def main() -> None:
        authority, echo, heard = Authority(tmp_path), Echo(), Heard()
        make = {
            "wrong name": lambda: authority.issue("pbx.example"),
            "deeper wildcard": lambda: authority.issue("*.com"),
            "unknown CA": lambda: Authority(tmp_path / "other", "Somebody").issue("turn.example.com"),
            "no TLS": lambda: None,
            "nobody": lambda: None,
        }
        port = await echo.open(make[kind]())
        if kind == "nobody":
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
        server = Server(("127.0.0.1", port), "TLS", "turn.example.com", profile="turn 0")
        streams = RelayStreams(tls(authority))
        number = streams.open(server, heard.on_data, heard.on_closed)
        streams.send(number, b"secret")
        await heard.until()
        assert heard.words is not None
        assert heard.words.startswith(words)
        assert b"secret" not in echo.heard
        assert len(streams) == 0
        await streams.close_all()
        echo.close()

    run(main())


def test_the_end_of_a_connection_is_told(run: Run) -> None:
    async def main() -> None:
        echo, heard = Echo(), Heard()
        server = Server(("127.0.0.1", await echo.open()), "TCP")
        streams = RelayStreams()
        streams.send(streams.open(server, heard.on_data, heard.on_closed), b"x")
        await heard.until(1)
        echo.close()
        await heard.until()
        assert heard.words == "failed: the peer closed the connection" or heard.words == "has closed the connection"
        await streams.close_all()

    run(main())


def test_what_waits_for_a_connection_is_bounded(run: Run) -> None:
    async def main() -> None:
        echo, heard = Echo(), Heard()
        streams = RelayStreams()
        number = streams.open(Server(("127.0.0.1", await echo.open()), "TCP"), heard.on_data, heard.on_closed)
        sent = [streams.send(number, b"\x40" * 100) for _ in range(MAX_WAITING + 5)]
        assert (sent.count(False), streams.dropped) == (5, 5)
        await heard.until(MAX_WAITING * 100)
        await streams.close_all()
        echo.close()

    run(main())


def test_sound_that_would_be_late_is_dropped_and_requests_are_not(run: Run) -> None:
    async def main() -> None:
        echo, heard = Echo(), Heard()
        streams = RelayStreams()
        number = streams.open(Server(("127.0.0.1", await echo.open()), "TCP"), heard.on_data, heard.on_closed)
        streams.send(number, b"\x40")
        await heard.until(1)
        echo.pause()
        sent = 0
        while streams.send(number, b"\x40" * 20_000) and sent < 5000:
            sent += 1
            await asyncio.sleep(0)
        assert (sent < 5000, streams.dropped) == (True, 1)
        assert streams.send(number, b"\0" * 20)  # a request
        assert heard.words is None
        await streams.close_all()
        echo.close()

    assert MAX_UNSENT_BYTES < 20_000
    run(main())
