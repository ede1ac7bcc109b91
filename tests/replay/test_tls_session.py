"""TLS of a capture opened with its key log: what was said comes out, however cut; what cannot be read says why."""

from __future__ import annotations

import random
import ssl
from pathlib import Path

import pytest
import trustme

from voipnode.replay.key_log import KeyLog
from voipnode.replay.tls_session import TlsSession, looks_like_tls

SAID = [
    (True, b"REGISTER sip:pbx SIP/2.0\r\n\r\n"),
    (False, b"SIP/2.0 200 OK\r\n\r\n"),
    (True, b"x" * 40_000),
    (False, b"y"),
]
Piece = tuple[bool, bytes]  # from the client, bytes on the wire


class Talk:
    """A client and a server of OpenSSL's, joined by hand; `wire` is what a capture would have seen."""

    def __init__(self, folder: Path, version: ssl.TLSVersion, ciphers: str = "") -> None:
        authority = trustme.CA()
        self.wire: list[Piece] = []
        self.key_log = folder / "talk.keys"
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.issue_cert("pbx.test").configure_cert(server)
        authority.configure_trust(client)
        for context in (server, client):
            context.minimum_version = context.maximum_version = version
            if ciphers:
                context.set_ciphers(ciphers)
        client.keylog_filename = str(self.key_log)
        self._bios = {True: (ssl.MemoryBIO(), ssl.MemoryBIO()), False: (ssl.MemoryBIO(), ssl.MemoryBIO())}
        self._ends = {
            True: client.wrap_bio(*self._bios[True], server_hostname="pbx.test"),
            False: server.wrap_bio(*self._bios[False], server_side=True),
        }
        waiting = {True, False}
        while waiting:
            for end in sorted(waiting):
                try:
                    self._ends[end].do_handshake()
                    waiting.discard(end)
                except ssl.SSLWantReadError:
                    pass
                self._carry(end)

    def _carry(self, from_client: bool) -> None:
        data = self._bios[from_client][1].read()
        if data:
            self.wire.append((from_client, data))
            self._bios[not from_client][0].write(data)

    def say(self, from_client: bool, data: bytes) -> None:
        self._ends[from_client].write(data)
        self._carry(from_client)


def talk(folder: Path, version: ssl.TLSVersion, ciphers: str = "") -> Talk:
    made = Talk(folder, version, ciphers)
    for from_client, data in SAID:
        made.say(from_client, data)
    return made


def heard(session: TlsSession, wire: list[Piece]) -> dict[bool, bytes]:
    said = {True: b"", False: b""}
    for from_client, data in wire:
        said[from_client] += session.receive(data, from_client=from_client)
    return said


EXPECTED = {side: b"".join(data for end, data in SAID if end is side) for side in (True, False)}


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_3, ""),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    ],
)
def test_what_was_said_comes_out(tmp_path: Path, version: ssl.TLSVersion, ciphers: str) -> None:
    made = talk(tmp_path, version, ciphers)
    session = TlsSession(KeyLog.read(made.key_log))
    assert looks_like_tls(made.wire[0][1])
    assert heard(session, made.wire) == EXPECTED
    assert session.failed == ""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_however_the_stream_is_cut(tmp_path: Path, version: ssl.TLSVersion) -> None:
    made = talk(tmp_path, version)
    chance = random.Random(1)
    pieces: list[Piece] = []
    for from_client, data in made.wire:
        while data:
            cut = chance.choice((1, 3, 100, 20_000))
            pieces.append((from_client, data[:cut]))
            data = data[cut:]
    assert heard(TlsSession(KeyLog.read(made.key_log)), pieces) == EXPECTED


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_without_its_keys_it_says_so(tmp_path: Path, version: ssl.TLSVersion) -> None:
    made = talk(tmp_path, version)
    session = TlsSession(KeyLog("# nothing\nCLIENT_RANDOM zz zz\n"))
    assert heard(session, made.wire) == {True: b"", False: b""}
    assert session.failed == "the key log does not have its keys"


def test_keys_of_another_session_do_not_open_it(tmp_path: Path) -> None:
    made = talk(tmp_path, ssl.TLSVersion.TLSv1_3)
    words = [line.split() for line in made.key_log.read_text().splitlines() if not line.startswith("#")]
    other = "\n".join(f"{label} {random_} {secret[::-1]}" for label, random_, secret in words)
    session = TlsSession(KeyLog(other))
    assert heard(session, made.wire) == {True: b"", False: b""}
    assert session.failed == "the key log does not fit it"


def test_a_cipher_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    made = talk(tmp_path, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256")
    session = TlsSession(KeyLog.read(made.key_log))
    heard(session, made.wire)
    assert "0xc023" in session.failed


def test_nonsense_never_raises(tmp_path: Path) -> None:
    made = talk(tmp_path, ssl.TLSVersion.TLSv1_3)
    keys, chance = KeyLog.read(made.key_log), random.Random(2)
    for _ in range(300):
        session = TlsSession(keys)
        for from_client, data in made.wire[:6]:
            spoilt = bytearray(data[:3000])
            for _ in range(chance.randint(1, 8)):
                spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
            session.receive(bytes(spoilt[: chance.randint(1, len(spoilt))]), from_client=from_client)
