"""SIP over TLS on loopback: who is spoken to and who is not, why, and what a connection costs."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.net.conftest import Run
from tests.support.certificates import DAY, Authority, now
from tests.support.stream_rig import hop, serving, side
from voipnode.net.connection import ConnectionLimits
from voipnode.net.stream_layers import StreamLayers
from voipnode.net.tls import TlsError, TlsProfile
from voipnode.net.tls_layer import TlsLayer
from voipnode.replay.key_log import KeyLog
from voipnode.replay.tls_session import TlsSession
from voipnode.sipstack.transport import Hop, Packet


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_messages_go_both_ways_over_one_connection_for_each_name(run: Run, authority: Authority, host: str) -> None:
    async def main() -> None:
        good = authority.issue("localhost", "127.0.0.1", "::1")
        async with (
            side(server=serving(good), host=host) as phone,
            side(client=TlsProfile(ca=authority.ca), host=host) as door,
        ):
            for domain, number in (("localhost", 1), ("LOCALHOST.", 1), ("", 2), (host, 2)):
                source = await door.reaches(phone, hop(phone.port, domain, host=host))
                assert (source.transport, source.connection) == ("TLS", number)
            phone.streams.send(Packet(b"200", source))
            await door.sink.until(lambda: bool(door.sink.received))
            assert door.sink.received == [(b"200", hop(phone.port, "", host=host, connection=2))]
            door.streams.close_connection(hop(phone.port, connection=1))
            await phone.sink.until(lambda: bool(phone.sink.closed))
            assert [gone.connection for gone in phone.sink.closed] == [1]

    run(main())


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("wrong name", r'not for "localhost" but for pbx\.example, 192\.0\.2\.7$'),
        ("wildcard", r'not for "localhost" but for \*\.localhost; names with \* are not valid in SIP'),
        ("no name", r'not for "localhost" but for certificate 1$'),
        ("expired", r"has expired on 2020-03-04 12:00 UTC$"),
        ("not yet valid", r"not valid yet before \d{4}-\d\d-\d\d \d\d:\d\d UTC; is the clock right\?"),
        ("self-signed", r"signed by itself \(it is for localhost\); set it as ca to trust it"),
        ("unknown CA", r"signed by a CA that is not known here: CN=Somebody; set that CA as ca"),
    ],
)
def test_a_server_that_proves_no_trust_hears_nothing_and_it_is_said_why(
    run: Run, authority: Authority, tmp_path: Path, kind: str, words: str
) -> None:
    ends = datetime.datetime(2020, 3, 4, 12, tzinfo=datetime.UTC)
    make = {
        "wrong name": lambda: authority.issue("pbx.example", "192.0.2.7"),
        "wildcard": lambda: authority.issue("*.localhost"),
        "no name": lambda: authority.issue(),
        "expired": lambda: authority.issue("localhost", begins=ends - 30 * DAY, ends=ends),
        "not yet valid": lambda: authority.issue("localhost", begins=now() + DAY),
        "self-signed": lambda: authority.issue("localhost", signed_by_itself=True),
        "unknown CA": lambda: Authority(tmp_path / "other", "Somebody").issue("localhost"),
    }

    async def main() -> None:
        async with (
            side(server=serving(make[kind]())) as phone,
            side(client=TlsProfile(ca=authority.ca)) as door,
        ):
            why = await door.fails_to_send(hop(phone.port))
            assert re.search(words, why), why
            assert why.startswith(f"TLS to 127.0.0.1:{phone.port}: ")
            assert phone.sink.received == []
            assert door.streams.open_connections == 0

    run(main())


def test_without_verification_anybody_is_spoken_to(run: Run, authority: Authority) -> None:
    async def main() -> None:
        bad = authority.issue("other.example", signed_by_itself=True)
        async with side(server=serving(bad)) as phone, side(client=TlsProfile(verify=False)) as door:
            await door.reaches(phone, hop(phone.port))

    run(main())


def test_profiles_have_connections_of_their_own(run: Run, authority: Authority) -> None:
    async def main() -> None:
        bad = authority.issue("other.example", signed_by_itself=True)
        profiles = {"office": TlsProfile(verify=False)}
        async with side(server=serving(bad)) as phone, side(profiles=profiles) as door:
            await door.reaches(phone, hop(phone.port, profile="office"))
            assert "signed by itself" in await door.fails_to_send(hop(phone.port))

    run(main())


# ---- peers that are no TLS servers, or other ones


@contextlib.asynccontextmanager
async def listener(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object], context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)  # type: ignore[arg-type]
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SIP/2.0 400 Bad Request\r\n\r\n")
    await reader.read()
    writer.close()


async def _hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.close()


async def _is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.parametrize(
    ("talk", "limit_s", "words"),
    [
        (_greets, 30, "does not speak TLS on that port"),
        (_hangs_up, 30, "closed the connection during the TLS handshake; does it speak TLS on that port?"),
        (_is_silent, 0.2, "no answer from 127.0.0.1:{port} within 0.2 s"),
    ],
)
def test_a_peer_that_is_no_tls_server_is_told_as_such(
    run: Run, talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object], limit_s: float, words: str
) -> None:
    async def main() -> None:
        limits = ConnectionLimits(connect_timeout_s=limit_s)
        async with listener(talk) as port, side(limits=limits) as door:
            assert words.format(port=port) in await door.fails_to_send(hop(port))
            while door.streams.open_connections:  # noqa: ASYNC110 -- it is closed in a later turn and nothing tells when
                await asyncio.sleep(0.01)

    run(main())


def test_a_port_that_nobody_listens_on_is_told_as_such(run: Run) -> None:
    async def main() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        async with side() as door:
            assert await door.fails_to_send(hop(port)) == f"TLS to 127.0.0.1:{port}: nobody listens there"

    run(main())


# What servers that know nothing newer than TLS 1.1 answer to a ClientHello of 1.2 (RFC 4346 §7): an alert, or, those
# that look at nothing, their ServerHello all the same.
PROTOCOL_VERSION_ALERT = bytes.fromhex("15 0302 0002 02 46")
TLS_1_1_SERVER_HELLO = bytes.fromhex("16 0302 002a 02 000026 0302") + bytes(32) + bytes.fromhex("00 c013 00")


@pytest.mark.parametrize("answer", [PROTOCOL_VERSION_ALERT, TLS_1_1_SERVER_HELLO])
def test_a_server_of_tls_1_1_is_told_as_old(run: Run, answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        await reader.read()
        writer.close()

    async def main() -> None:
        async with listener(talk) as port, side() as door:
            why = await door.fails_to_send(hop(port))
            assert re.search(r"only an old TLS version \(1\.0 or 1\.1\)|takes no TLS version that is allowed", why)

    run(main())


@pytest.mark.parametrize(("versions", "spoken"), [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3"), ("auto", "TLSv1.3")])
def test_the_versions_that_are_set_are_spoken_and_no_others(
    run: Run, authority: Authority, versions: str, spoken: str
) -> None:
    async def main() -> None:
        good = authority.issue("localhost")
        async with side(server=serving(good, versions=versions)) as phone:
            client = ssl.create_default_context(cafile=str(authority.ca))
            _, writer = await asyncio.open_connection("127.0.0.1", phone.port, ssl=client, server_hostname="localhost")
            assert writer.get_extra_info("ssl_object").version() == spoken
            writer.close()
            other = "1.3" if versions == "1.2" else "1.2"
            async with side(client=TlsProfile(ca=authority.ca, versions=other)) as door:  # type: ignore[arg-type]
                if versions == "auto":
                    await door.reaches(phone, hop(phone.port))
                else:
                    assert "TLS version" in await door.fails_to_send(hop(phone.port))

    run(main())


# ---- client certificates


@pytest.mark.parametrize("versions", ["1.2", "1.3"])
def test_a_client_certificate_is_demanded_and_given(run: Run, authority: Authority, versions: str) -> None:
    async def main() -> None:
        own = authority.issue("sip:door.example")
        server = serving(authority.issue("localhost"), ca=authority.ca, clients="required", versions=versions)
        stranger = Authority(authority.folder / "x", "Stranger").issue("sip:door.example")
        profiles = {
            "with": TlsProfile(ca=authority.ca, certificate=own),
            "without": TlsProfile(ca=authority.ca),
            "stranger": TlsProfile(ca=authority.ca, certificate=stranger),
        }
        async with side(server=server) as phone, side(profiles=profiles) as door:
            await door.reaches(phone, hop(phone.port, profile="with"))
            assert "wants a client certificate" in await door.fails_to_send(hop(phone.port, profile="without"))
            assert "does not know who signed our certificate" in await door.fails_to_send(
                hop(phone.port, profile="stranger")
            )
            assert len(phone.sink.received) == 1

    run(main())


def test_a_client_certificate_may_be_optional(run: Run, authority: Authority) -> None:
    async def main() -> None:
        server = serving(authority.issue("localhost"), ca=authority.ca, clients="optional")
        async with side(server=server) as phone, side(client=TlsProfile(ca=authority.ca)) as door:
            await door.reaches(phone, hop(phone.port))

    run(main())


# ---- sessions and files


@pytest.mark.parametrize("versions", ["1.2", "1.3"])
def test_a_second_connection_resumes_the_session_of_the_first(run: Run, authority: Authority, versions: str) -> None:
    async def main() -> None:
        server = serving(authority.issue("localhost"), versions=versions)
        async with side(server=server) as phone, side(client=TlsProfile(ca=authority.ca)) as door:
            resumed = []
            for number in range(3):
                source = await door.reaches(phone, hop(phone.port))
                phone.streams.send(Packet(b"200", source))
                await door.sink.until(lambda number=number: len(door.sink.received) > number)  # type: ignore[misc]
                connection = next(iter(door.streams._connections.values()))
                layer = connection._layers[0]
                assert isinstance(layer, TlsLayer)
                resumed.append(layer.resumed)
                connection.close()
                await door.sink.until(lambda number=number: len(door.sink.closed) > number)  # type: ignore[misc]
            assert resumed == [False, True, True]

    run(main())


def test_a_session_of_one_name_is_not_resumed_for_another(run: Run, authority: Authority) -> None:
    async def main() -> None:
        server = serving(authority.issue("localhost"))
        async with side(server=server) as phone, side(client=TlsProfile(ca=authority.ca)) as door:
            source = await door.reaches(phone, hop(phone.port))
            phone.streams.send(Packet(b"200", source))
            await door.sink.until(lambda: bool(door.sink.received))
            assert 'not for "pbx.example"' in await door.fails_to_send(hop(phone.port, "pbx.example"))

    run(main())


@pytest.mark.parametrize("end", ["client", "server"])
def test_the_key_log_of_either_end_opens_what_went_over_the_wire(
    run: Run, authority: Authority, tmp_path: Path, end: str
) -> None:
    """A relay between the two sees only TLS; with the log it is read like a capture's."""
    key_log = tmp_path / "tls.keys"
    logs = {name: key_log if name == end else None for name in ("client", "server")}
    wire: list[tuple[bool, bytes]] = []

    async def main() -> None:
        server = TlsProfile(certificate=authority.issue("localhost"), key_log=logs["server"])
        client = TlsProfile(ca=authority.ca, key_log=logs["client"])
        async with side(server=server) as phone, side(client=client) as door, relayed(phone.port, wire) as port:
            source = await door.reaches(phone, hop(port), b"OPTIONS sip:x SIP/2.0")
            phone.streams.send(Packet(b"SIP/2.0 200 OK", source))
            await door.sink.until(lambda: bool(door.sink.received))
            door.streams.close_connection(door.sink.received[0][1])

    run(main())
    assert key_log.stat().st_mode & 0o777 == 0o600
    session = TlsSession(KeyLog.read(key_log))
    said = {True: b"", False: b""}
    for from_client, data in wire:
        said[from_client] += session.receive(data, from_client=from_client)
    assert said == {True: b"OPTIONS sip:x SIP/2.0", False: b"SIP/2.0 200 OK"}


@contextlib.asynccontextmanager
async def relayed(port: int, wire: list[tuple[bool, bytes]]) -> AsyncIterator[int]:
    """A port that leads to `port`, for one connection; what goes through is written down, with whether the client
    said it."""
    over = asyncio.Event()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, from_client: bool) -> None:
        while data := await reader.read(65536):
            wire.append((from_client, data))
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, far_writer, True), carry(far_reader, writer, False))
        over.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await over.wait()


def _touch(path: Path) -> None:
    """Files that change within one tick of the file system's clock differ in nothing but their content."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def test_new_files_serve_new_connections_and_broken_ones_change_nothing(run: Run, authority: Authority) -> None:
    async def main() -> None:
        path = authority.issue("localhost")
        async with side(server=serving(path)) as phone, side(client=TlsProfile(ca=authority.ca)) as door:
            await door.reaches(phone, hop(phone.port))
            authority.issue("pbx.example", to=path)
            _touch(path)
            source = await door.reaches(phone, hop(phone.port))  # the open connection goes on
            assert source.connection == 1
            assert "but for pbx.example" in await door.fails_to_send(hop(phone.port, "other.example"))
            path.write_bytes(path.read_bytes()[:200])
            _touch(path)
            assert "but for pbx.example" in await door.fails_to_send(hop(phone.port, "other.example"))
            with pytest.raises(TlsError, match="no certificate"):
                phone.layers.reload()
            authority.issue("other.example", to=path)
            phone.layers.reload()
            door.sink.why.clear()
            door.sink.failed.clear()
            await door.reaches(phone, hop(phone.port, "other.example"))

    run(main())


@pytest.mark.parametrize(
    ("make", "field", "words"),
    [
        (lambda a: TlsProfile(certificate=a.folder / "none.pem"), "certificate", "No such file"),
        (lambda a: TlsProfile(certificate=a.ca), "certificate", "no certificate with its key"),
        (lambda a: TlsProfile(certificate=a.issue("x"), key=a.folder / "none.pem"), "key", "No such file"),
        (lambda a: TlsProfile(certificate=a.issue("x"), key=a.issue("y")), "key", "does not belong to the certificate"),
        (lambda a: TlsProfile(certificate=a.issue("x"), ca=a.folder / "none.pem", clients="required"), "ca", "No such"),
        (lambda a: TlsProfile(certificate=a.issue("x"), ca=_noise(a), clients="required"), "ca", "no certificate"),
        (lambda a: TlsProfile(certificate=_noise(a)), "certificate", "no certificate with its key"),
        (lambda a: TlsProfile(certificate=a.issue("x"), key_log=a.folder), "key_log", "cannot be written: Is a dir"),
    ],
)
def test_files_that_cannot_be_used_are_refused_by_setting(
    authority: Authority, make: Callable[[Authority], TlsProfile], field: str, words: str
) -> None:
    with pytest.raises(TlsError, match=words) as caught:
        StreamLayers(server=make(authority)).check()
    assert caught.value.field == field


def _noise(authority: Authority) -> Path:
    path = authority.folder / "noise.pem"
    path.write_bytes(os.urandom(500))
    return path


def test_an_accounts_files_that_are_gone_fail_its_calls_alone(run: Run, authority: Authority, tmp_path: Path) -> None:
    async def main() -> None:
        profiles = {"office": TlsProfile(ca=tmp_path / "none.pem")}
        async with (
            side(server=serving(authority.issue("localhost"))) as phone,
            side(client=TlsProfile(ca=authority.ca), profiles=profiles) as door,
        ):
            with pytest.raises(TlsError) as caught:
                door.layers.check()
            assert (caught.value.profile, caught.value.field) == ("office", "ca")
            assert "none.pem cannot be read" in await door.fails_to_send(hop(phone.port, profile="office"))
            door.sink.why.clear()
            door.sink.failed.clear()
            await door.reaches(phone, hop(phone.port))

    run(main())


# ---- hostile peers


def test_garbage_and_slow_handshakes_are_cut_off_and_nothing_reaches_the_engine(run: Run, authority: Authority) -> None:
    async def main() -> None:
        limits = ConnectionLimits(handshake_timeout_s=0.1)
        server = serving(authority.issue("localhost"))
        async with side(server=server, limits=limits) as phone:
            for said in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"INVITE sip:x SIP/2.0\r\n\r\n", os.urandom(4000)):
                reader, writer = await asyncio.open_connection("127.0.0.1", phone.port)
                writer.write(said)
                with contextlib.suppress(ConnectionError):
                    await reader.read()  # an alert perhaps, then the end
                writer.close()
            assert (phone.sink.received, phone.sink.closed) == ([], [])
            assert phone.streams.open_connections == 0

    run(main())


def test_a_record_that_does_not_verify_ends_the_connection(run: Run, authority: Authority) -> None:
    async def main() -> None:
        async with side(server=serving(authority.issue("localhost"))) as phone:
            client = ssl.create_default_context(cafile=str(authority.ca))
            _, writer = await asyncio.open_connection("127.0.0.1", phone.port, ssl=client, server_hostname="localhost")
            writer.write(b"OPTIONS")
            await phone.sink.until(lambda: bool(phone.sink.received))
            raw = writer.get_extra_info("socket")
            os.write(raw.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
            await phone.sink.until(lambda: bool(phone.sink.closed))
            writer.close()

    run(main())


def test_hundreds_who_never_shake_hands_keep_nobody_out_for_long(run: Run, authority: Authority) -> None:
    """Half-open connections count against the limits from their first packet on, and end by time."""

    async def main() -> None:
        limits = ConnectionLimits(max_incoming=60, per_host=50, handshake_timeout_s=0.5)
        server = serving(authority.issue("localhost"))
        async with side(server=server, limits=limits) as phone, side(client=TlsProfile(ca=authority.ca)) as door:
            await door.reaches(phone, hop(phone.port))
            with contextlib.ExitStack() as crowd:
                for _ in range(400):  # two files each, of the 1024 that a process may have
                    sock = crowd.enter_context(socket.socket())
                    sock.setblocking(False)
                    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", phone.port))
                    assert phone.streams.open_connections <= 50
                # Each half a second 50 of them are let in; on a slow machine that is several times.
                while phone.streams.refused < 150:  # noqa: ASYNC110 -- nothing tells of those that were refused
                    await asyncio.sleep(0.01)
                assert phone.streams.open_connections <= 50
                await door.reaches(phone, hop(phone.port))  # the connection that is there serves on
            while phone.streams.open_connections > 1:  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.01)
            await door.reaches(phone, hop(phone.port, "localhost."))

    run(main())


def test_a_connection_that_somebody_opened_is_not_used_for_a_name_it_has_not_proven(
    run: Run, authority: Authority
) -> None:
    async def main() -> None:
        own = serving(authority.issue("localhost"))
        async with side(server=own) as phone, side(client=TlsProfile(ca=authority.ca)) as door:
            source = await door.reaches(phone, hop(phone.port))
            why = await phone.fails_to_send(Hop("TLS", source.remote))  # a new one, to a client's port
            assert "nobody listens there" in why

    run(main())
