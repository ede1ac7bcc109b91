"""SIP over WebSocket on loopback (RFC 7118): with another client and server as peers, and with hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.net.conftest import Run
from tests.support.certificates import Authority
from tests.support.stream_rig import hop, serving, side
from voipnode.net.connection import ConnectionLimits
from voipnode.net.tls import TlsProfile
from voipnode.net.web_socket import MAX_FRAGMENTS, Origins
from voipnode.sipstack.message import MAX_MESSAGE_BYTES
from voipnode.sipstack.transport import Hop, Packet

SIP = [Subprotocol("sip")]
HELLO = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A client's frame with a mask of zeros, at most 125 bytes long (RFC 6455 §5.2)."""
    return bytes([opcode | (0x80 if fin else 0), 0x80 | len(payload)]) + bytes(4) + payload


# ---- others connect to us


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_messages_come_whole_as_text_and_as_binary_and_go_back_over_the_connection(run: Run, host: str) -> None:
    async def main() -> None:
        async with side("WS", host=host) as door:
            at = f"[{host}]" if ":" in host else host
            async with connect(f"ws://{at}:{door.port}/any/path", subprotocols=SIP, compression=None) as browser:
                assert browser.subprotocol == "sip"
                await browser.send("OPTIONS text")
                await browser.send(b"OPTIONS binary \xff")
                await browser.send(["OPT", "IONS ", "fragments"])
                await door.sink.until(lambda: len(door.sink.received) == 3)
                assert [data for data, _ in door.sink.received] == [
                    b"OPTIONS text", b"OPTIONS binary \xff", b"OPTIONS fragments",
                ]  # fmt: skip
                source = door.sink.received[0][1]
                assert (source.transport, source.remote.host, source.connection) == ("WS", host, 1)
                door.streams.send(Packet(b"200 OK", source))
                door.streams.send(Packet(b"200 \xfe", source))
                assert await browser.recv() == "200 OK"
                assert await browser.recv() == b"200 \xfe"  # RFC 7118 §4.2
                await (await browser.ping())
            await door.sink.until(lambda: door.sink.closed == [source])

    run(main())


def test_secure_websocket_both_ways(run: Run, authority: Authority) -> None:
    async def main() -> None:
        server = serving(authority.issue("localhost"))
        async with side("WSS", server=server) as pbx, side(client=TlsProfile(ca=authority.ca)) as door:
            source = await door.reaches(pbx, hop(pbx.port, transport="WSS"))
            pbx.streams.send(Packet(b"INVITE", source))
            await door.sink.until(lambda: bool(door.sink.received))
            assert door.sink.received == [(b"INVITE", hop(pbx.port, transport="WSS", connection=1))]
            assert 'not for "pbx.example"' in await door.fails_to_send(hop(pbx.port, "pbx.example", "WSS"))
            trusting = ssl.create_default_context(cafile=str(authority.ca))
            async with connect(f"wss://localhost:{pbx.port}", subprotocols=SIP, ssl=trusting) as browser:
                await browser.send("OPTIONS")
                await pbx.sink.until(lambda: len(pbx.sink.received) == 2)

    run(main())


def test_without_the_sip_subprotocol_nobody_is_let_in(run: Run) -> None:
    async def main() -> None:
        async with side("WS") as door:
            for protocols in (None, [Subprotocol("chat")]):
                with pytest.raises(InvalidStatus) as caught:
                    await connect(f"ws://127.0.0.1:{door.port}", subprotocols=protocols)
                assert caught.value.response.status_code == 400

    run(main())


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "let_in"),
    [
        (None, "door.lan:5066", (), True),  # a telephone
        ("http://192.168.1.10", "192.168.1.10:5066", (), True),  # our own page
        ("https://192.168.1.10:8443", "192.168.1.10:5066", (), True),
        ("http://[2001:db8::1]:8080", "[2001:db8:0::1]:5066", (), True),
        ("http://localhost:8080", "localhost:5066", (), True),
        ("https://evil.example", "192.168.1.10:5066", (), False),
        ("https://evil.example", "evil.example:5066", (), False),  # its DNS may lead to us
        ("http://192.168.1.99", "192.168.1.10:5066", (), False),
        ("null", "192.168.1.10:5066", (), False),
        ("", "", (), False),
        ("http://[", "192.168.1.10:5066", (), False),
        ("https://pbx.lan", "192.168.1.10:5066", ("https://PBX.lan/",), True),
        ("https://pbx.lan:8443", "192.168.1.10:5066", ("https://pbx.lan",), False),
        ("https://evil.example", "192.168.1.10:5066", ("*",), True),
    ],
)
def test_pages_from_elsewhere_may_not_connect(
    origin: str | None, host: str, allowed: tuple[str, ...], let_in: bool
) -> None:
    assert Origins.of(allowed).admit(origin, host) is let_in


def test_a_page_from_elsewhere_gets_403(run: Run) -> None:
    async def main() -> None:
        async with side("WS") as door:
            with pytest.raises(InvalidStatus) as caught:
                await connect(f"ws://127.0.0.1:{door.port}", subprotocols=SIP, origin="https://evil.example")  # type: ignore[arg-type]
            assert caught.value.response.status_code == 403
            async with connect(
                f"ws://127.0.0.1:{door.port}",
                subprotocols=SIP,
                origin="http://127.0.0.1:8080",  # type: ignore[arg-type]
            ) as page:
                await page.send("OPTIONS")
                await door.sink.until(lambda: bool(door.sink.received))

    run(main())


def test_a_message_that_is_too_long_ends_the_connection(run: Run) -> None:
    async def main() -> None:
        async with side("WS") as door:
            for message in ("x" * (MAX_MESSAGE_BYTES + 1), ["x" * 30_000] * (MAX_MESSAGE_BYTES // 30_000 + 1)):
                async with connect(f"ws://127.0.0.1:{door.port}", subprotocols=SIP, compression=None) as browser:
                    await browser.send(message)
                    with pytest.raises(ConnectionClosed) as caught:
                        await browser.recv()
                    assert caught.value.rcvd is not None
                    assert caught.value.rcvd.code == 1009
            assert door.sink.received == []

    run(main())


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (masked(1, b"x", fin=False) + masked(0, b"", fin=False) * MAX_FRAGMENTS, 1008),
        (bytes([0x81, 1]) + b"x", 1002),  # without a mask (RFC 6455 §5.1)
        (masked(0, b"x"), 1002),  # continues nothing
        (masked(3, b"x"), 1002),  # no opcode
        (bytes([0xC1, 0x81]) + bytes(4) + b"x", 1002),  # an extension that nobody agreed to
    ],
)
def test_frames_against_the_rules_end_the_connection_with_a_reason(run: Run, frames: bytes, code: int) -> None:
    async def main() -> None:
        async with side("WS") as door:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(HELLO)
            assert b"101 Switching Protocols" in await reader.readuntil(b"\r\n\r\n")
            writer.write(frames)
            answer = await reader.read()
            assert answer[0] == 0x88
            assert int.from_bytes(answer[2:4]) == code
            writer.close()
            assert door.sink.received == []
            await door.sink.until(lambda: bool(door.sink.closed))

    run(main())


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"GET /" + b"x" * 100_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"INVITE sip:x SIP/2.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        HELLO.replace(b"13", b"12"),
        HELLO.replace(b"Sec-WebSocket-Key", b"X"),
        b"\x00" * 5000,
    ],
)
def test_what_is_no_handshake_is_cut_off(run: Run, said: bytes) -> None:
    async def main() -> None:
        async with side("WS", limits=ConnectionLimits(handshake_timeout_s=0.1)) as door:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(said)
            answer = b""
            with contextlib.suppress(ConnectionError):
                answer = await reader.read()
            assert not answer.startswith(b"HTTP/1.1 101")
            assert len(answer) < 1000
            writer.close()
            assert (door.sink.received, door.sink.closed) == ([], [])

    run(main())


def test_frames_in_the_same_breath_as_the_handshake_are_taken(run: Run) -> None:
    async def main() -> None:
        async with side("WS") as door:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(HELLO + masked(1, b"OPTIONS"))
            assert b"101 Switching Protocols" in await reader.readuntil(b"\r\n\r\n")
            await door.sink.until(lambda: bool(door.sink.received))
            assert door.sink.received[0][0] == b"OPTIONS"
            writer.close()

    run(main())


def test_a_silent_browser_is_pinged_and_its_pong_keeps_the_connection(run: Run) -> None:
    async def main() -> None:
        async with side("WS") as door:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(HELLO + masked(1, b"OPTIONS"))
            await door.sink.until(lambda: bool(door.sink.received))
            await reader.readuntil(b"\r\n\r\n")
            connection = door.streams._connections[1]
            limits = ConnectionLimits()
            connection.active_at = connection.pinged_at = then = connection.active_at - 90
            connection.keep_alive(then + 59, limits)
            connection.keep_alive(then + 61, limits)
            connection.keep_alive(then + 62, limits)
            assert await reader.readexactly(2) == b"\x89\x00"  # one ping
            writer.write(masked(10, b""))
            while connection.active_at == then:  # noqa: ASYNC110 -- a pong is told to nobody
                await asyncio.sleep(0.001)
            assert "idle" in connection.overdue(connection.active_at + 601, limits)
            writer.close()

    run(main())


# ---- we connect to others


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_we_open_one_connection_ask_for_sip_and_name_the_domain(run: Run, host: str) -> None:
    async def main() -> None:
        asked: list[tuple[str, str, str | None]] = []
        heard: asyncio.Queue[str | bytes] = asyncio.Queue()

        async def pbx(connection: ServerConnection) -> None:
            request = connection.request
            assert request is not None
            asked.append((request.path, request.headers["Host"], connection.subprotocol))
            async for message in connection:
                heard.put_nowait(message)
                await connection.send("200 OK")

        async with serve(pbx, host, 0, subprotocols=SIP) as server, side("WS", host=host) as door:
            port = next(iter(server.sockets)).getsockname()[1]
            to = hop(port, "pbx.example", "WS", host=host)
            door.streams.send(Packet(b"OPTIONS 1", to))
            door.streams.send(Packet(b"OPTIONS \xff", to))
            assert [await heard.get(), await heard.get()] == ["OPTIONS 1", b"OPTIONS \xff"]
            await door.sink.until(lambda: len(door.sink.received) == 2)
            assert asked == [("/", f"pbx.example:{port}", "sip")]
            assert door.sink.received[0] == (b"200 OK", hop(port, "pbx.example", "WS", host=host, connection=1))
            assert door.streams.opened_here(1)

    run(main())


def test_the_path_is_that_of_the_account_and_so_is_the_connection(run: Run) -> None:
    async def main() -> None:
        paths: list[str] = []

        async def pbx(connection: ServerConnection) -> None:
            assert connection.request is not None
            paths.append(connection.request.path)
            async for _message in connection:
                await connection.send("200 OK")

        async with (
            serve(pbx, "127.0.0.1", 0, subprotocols=SIP) as server,
            side("WS", paths={"pbx": "/ws", "pbx#2": "/asterisk/ws"}) as door,
        ):
            port = next(iter(server.sockets)).getsockname()[1]
            for profile in ("pbx", "pbx#2", "", "pbx"):
                door.streams.send(Packet(b"OPTIONS", hop(port, transport="WS", profile=profile), profile))
            await door.sink.until(lambda: len(door.sink.received) == 4)
            assert sorted(paths) == ["/", "/asterisk/ws", "/ws"]

    run(main())


def test_a_server_that_goes_away_is_told(run: Run) -> None:
    async def main() -> None:
        async def pbx(connection: ServerConnection) -> None:
            await connection.recv()

        async with serve(pbx, "127.0.0.1", 0, subprotocols=SIP) as server, side("WS") as door:
            door.streams.send(Packet(b"OPTIONS", hop(next(iter(server.sockets)).getsockname()[1], transport="WS")))
            await door.sink.until(lambda: bool(door.sink.closed))
            assert door.streams.open_connections == 0

    run(main())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the peer refuses WebSocket: HTTP 404"),
        (b"SIP/2.0 400 Bad Request\r\n\r\n", "no WebSocket handshake"),
        (b"", "closed the connection during the WebSocket handshake; does it speak WebSocket on that port?"),
        (b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
         "no WebSocket handshake"),
    ],
)  # fmt: skip
def test_a_peer_that_is_no_websocket_server_is_told_as_such(run: Run, answer: bytes, words: str) -> None:
    async def main() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with side("WS") as door:
            why = await door.fails_to_send(hop(server.sockets[0].getsockname()[1], transport="WS"))
            assert words in why
        server.close()

    run(main())


def test_a_websocket_server_that_does_not_speak_sip_is_told_as_such(run: Run) -> None:
    async def main() -> None:
        async def echo(connection: ServerConnection) -> None:
            async for message in connection:
                await connection.send(message)

        async with serve(echo, "127.0.0.1", 0) as server, side("WS") as door:
            why = await door.fails_to_send(hop(next(iter(server.sockets)).getsockname()[1], transport="WS"))
            assert "not SIP over it" in why

    run(main())


def test_a_browsers_connection_serves_nobody_elses_messages(run: Run) -> None:
    async def main() -> None:
        async with side("WS") as door, connect(f"ws://127.0.0.1:{door.port}", subprotocols=SIP) as browser:
            await browser.send("OPTIONS")
            await door.sink.until(lambda: bool(door.sink.received))
            source = door.sink.received[0][1]
            assert "nobody listens there" in await door.fails_to_send(Hop("WS", source.remote))

    run(main())
