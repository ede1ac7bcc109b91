"""Hostile bytes at the layers under SIP: nothing but StreamFailure escapes, however they are cut."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from voipnode.net.layers import Layer, StreamFailure
from voipnode.net.tls import TlsProfile, WatchedContext, client_context, server_context
from voipnode.net.tls_layer import TlsLayer
from voipnode.net.web_socket import Origins, WebSocketClient, WebSocketServer
from voipnode.sipstack.transport import Address, Hop

pytestmark = pytest.mark.fuzz

ROUNDS = 400
HELLO = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)
FRAMES = b"\x81\x87\0\0\0\0OPTIONS" + b"\x89\x80\0\0\0\0" + b"\x01\x81\0\0\0\0a\x80\x81\0\0\0\0b" + b"\x88\x80\0\0\0\0"


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled or put in."""
    bytes_ = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(bytes_) + 1)
        match dice.randrange(4):
            case 0:
                bytes_[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del bytes_[at : at + dice.randrange(20)]
            case 2:
                bytes_[at:at] = bytes_[at : at + dice.randrange(40)]
            case _:
                bytes_[at:at] = dice.randbytes(dice.randrange(10))
    return bytes(bytes_)


def feed(layer: Layer, data: bytes, dice: random.Random) -> None:
    """Hand over the bytes in pieces, as a connection does."""
    layer.begin()
    layer.data_to_send()
    at = 0
    while at < len(data):
        step = dice.choice((1, 7, 100, len(data)))
        try:
            layer.receive(data[at : at + step])
        except StreamFailure:
            layer.data_to_send()
            return
        layer.data_to_send()
        at += step
    layer.end()
    layer.data_to_send()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: WebSocketServer(Origins()), HELLO + FRAMES),
        (lambda: WebSocketClient(Hop("WS", Address("127.0.0.1", 80))), ANSWER + FRAMES),
    ],
)
def test_websocket_layers_survive_damaged_input(make: Callable[[], Layer], said: bytes) -> None:
    for seed in range(ROUNDS):
        dice = random.Random(seed)
        feed(make(), damaged(said, dice), dice)


def test_tls_layers_survive_damaged_input(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = WatchedContext(TlsProfile(certificate=authority.issue("localhost")), server_context)
    client = WatchedContext(TlsProfile(ca=authority.ca), client_context)

    def first_flights() -> tuple[bytes, bytes]:
        caller, callee = TlsLayer(client, "localhost"), TlsLayer(server)
        caller.begin()
        hello = caller.data_to_send()
        callee.receive(hello)
        return hello, callee.data_to_send()

    hello, answer = first_flights()
    for seed in range(ROUNDS):
        dice = random.Random(seed)
        feed(TlsLayer(server), damaged(hello, dice), dice)
        feed(TlsLayer(client, "localhost"), damaged(answer, dice), dice)
