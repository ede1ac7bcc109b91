"""TLS connections of a capture, opened with their key log: in go the bytes of both directions, out comes what was said.

Only reading: nothing is verified but the records' own authentication, without which nothing is believed.
"""

from __future__ import annotations

import struct

from voipnode.replay.key_log import KeyLog
from voipnode.replay.tls_keys import SUITES_12, SUITES_13, Opener, Opener13, openers_12

CHANGE_CIPHER, HANDSHAKE, APPLICATION = 20, 22, 23
CLIENT_HELLO, SERVER_HELLO, FINISHED, KEY_UPDATE = 1, 2, 20, 24
MAX_RECORD_BYTES = 16384 + 256
MAX_WAITING_BYTES = 1 << 20
SUPPORTED_VERSIONS = 43
TLS_1_3 = 0x0304
# RFC 8446 §4.1.3: a ServerHello with this random asks for another ClientHello.
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def looks_like_tls(data: bytes) -> bool:
    """Whether a stream begins with a ClientHello."""
    return len(data) >= 6 and data[0] == HANDSHAKE and data[1] == 3 and data[5] == CLIENT_HELLO


class TlsSession:
    """One connection. `receive` takes the next bytes of a direction and returns the application data in them.

    `failed` says in words why nothing more can be read; "" while all is well.
    """

    def __init__(self, keys: KeyLog) -> None:
        self._keys = keys
        self._sides = {True: _Side(), False: _Side()}
        self._client_random = b""
        self._server_random = b""
        self._suite = 0
        self._is_13 = False
        self.failed = ""

    def receive(self, data: bytes, *, from_client: bool) -> bytes:
        side = self._sides[from_client]
        side.waiting += data
        if len(side.waiting) > MAX_WAITING_BYTES:
            self._fail("its records are too large")
        said = bytearray()
        while not self.failed and (record := side.next_record()) is not None:
            said += self._record(side, from_client, *record)
        return bytes(said)

    def _record(self, side: _Side, from_client: bool, kind: int, body: bytes) -> bytes:
        if kind == CHANGE_CIPHER:
            if not self._is_13 and self._suite:
                self._protect_12(side, from_client)
            return b""
        if side.opener is not None:
            opened = side.opener.open(kind, body)
            if opened is None:
                self._fail("the key log does not fit it")
                return b""
            kind, body = opened
        if kind == APPLICATION:
            return body if side.opener is not None else b""
        if kind == HANDSHAKE:
            side.handshake += body
            self._handshake(side, from_client)
        return b""

    def _handshake(self, side: _Side, from_client: bool) -> None:
        while not self.failed and (message := side.next_handshake()) is not None:
            kind, body = message
            if side.opener is not None and not self._is_13:
                continue  # Finished, under the new keys already
            if kind == CLIENT_HELLO and len(body) >= 34:
                self._client_random = body[2:34]
            elif kind == SERVER_HELLO and len(body) >= 38:
                self._server_hello(body)
            elif kind == FINISHED and self._is_13:
                self._protect_13(side, "CLIENT_TRAFFIC_SECRET_0" if from_client else "SERVER_TRAFFIC_SECRET_0")
            elif kind == KEY_UPDATE and isinstance(side.opener, Opener13):
                side.opener.update()

    def _server_hello(self, body: bytes) -> None:
        self._server_random = body[2:34]
        if self._server_random == RETRY:
            return
        at = 35 + body[34]
        self._suite = int.from_bytes(body[at : at + 2], "big")
        self._is_13 = _version(body[at + 3 :]) == TLS_1_3
        if self._suite not in (SUITES_13 if self._is_13 else SUITES_12):
            self._fail(f"its cipher suite 0x{self._suite:04x} is none of those that can be read (AES-GCM, ChaCha20)")
        elif self._is_13:
            self._protect_13(self._sides[True], "CLIENT_HANDSHAKE_TRAFFIC_SECRET")
            self._protect_13(self._sides[False], "SERVER_HANDSHAKE_TRAFFIC_SECRET")

    def _protect_13(self, side: _Side, label: str) -> None:
        secret = self._keys.secret(label, self._client_random)
        if secret is None:
            self._fail("the key log does not have its keys")
        else:
            side.opener = Opener13(SUITES_13[self._suite], secret)

    def _protect_12(self, side: _Side, from_client: bool) -> None:
        master = self._keys.secret("CLIENT_RANDOM", self._client_random)
        if master is None:
            self._fail("the key log does not have its keys")
            return
        client, server = openers_12(SUITES_12[self._suite], master, self._client_random, self._server_random)
        side.opener = client if from_client else server

    def _fail(self, why: str) -> None:
        self.failed = self.failed or why


class _Side:
    """One direction: bytes that are no whole record yet, handshake bytes that are no whole message yet, its keys."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.handshake = bytearray()
        self.opener: Opener | None = None

    def next_record(self) -> tuple[int, bytes] | None:
        if len(self.waiting) < 5:
            return None
        kind, _, length = struct.unpack_from("!BHH", self.waiting)
        end = 5 + min(length, MAX_RECORD_BYTES)
        if len(self.waiting) < end:
            return None
        body = bytes(self.waiting[5:end])
        del self.waiting[:end]
        return kind, body

    def next_handshake(self) -> tuple[int, bytes] | None:
        if len(self.handshake) < 4:
            return None
        end = 4 + int.from_bytes(self.handshake[1:4], "big")
        if len(self.handshake) < end:
            return None
        kind, body = self.handshake[0], bytes(self.handshake[4:end])
        del self.handshake[:end]
        return kind, body


def _version(extensions: bytes) -> int:
    """The version that a ServerHello chose in its extensions; 0 where it did not, which means TLS 1.2 or older."""
    at = 2
    while at + 4 <= len(extensions):
        kind, length = struct.unpack_from("!HH", extensions, at)
        if kind == SUPPORTED_VERSIONS:
            return int.from_bytes(extensions[at + 4 : at + 6], "big")
        at += 4 + length
    return 0
