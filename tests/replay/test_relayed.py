"""What a TURN server carried, found in the messages that carried it."""

from __future__ import annotations

import pytest

from voipnode.media.stun.attributes import Attribute, pack_xor_address
from voipnode.media.stun.message import Kind, Method, build
from voipnode.media.turn.channel_data import pack
from voipnode.replay.relayed import Relays
from voipnode.replay.seen import Seen
from voipnode.sipstack.transport import Address

NODE, SERVER = Address("192.168.1.10", 20000), Address("203.0.113.1", 3478)
RELAYED, PEER = Address("203.0.113.1", 50000), Address("198.51.100.7", 7000)
ID = bytes(12)


def seen(source: Address, destination: Address, data: bytes) -> Seen:
    return Seen(0.0, "UDP", source, destination, data)


def message(method: Method, kind: Kind, *attributes: tuple[Attribute, Address | bytes]) -> bytes:
    packed = [(a, v if isinstance(v, bytes) else pack_xor_address((v.host, v.port), ID)) for a, v in attributes]
    return build(method, kind, ID, packed)


ALLOCATED = seen(SERVER, NODE, message(Method.ALLOCATE, Kind.SUCCESS, (Attribute.XOR_RELAYED_ADDRESS, RELAYED)))
BOUND = seen(
    NODE,
    SERVER,
    message(
        Method.CHANNEL_BIND,
        Kind.REQUEST,
        (Attribute.CHANNEL_NUMBER, b"\x40\x01\0\0"),
        (Attribute.XOR_PEER_ADDRESS, PEER),
    ),
)
OUT, IN = seen(RELAYED, PEER, b"\x80 out"), seen(PEER, RELAYED, b"\x80 in")


def indication(method: Method, data: bytes) -> bytes:
    return message(method, Kind.INDICATION, (Attribute.XOR_PEER_ADDRESS, PEER), (Attribute.DATA, data))


def test_indications_and_channels_are_what_they_carry() -> None:
    opened = list(
        Relays().opened(
            [
                ALLOCATED,
                seen(NODE, SERVER, indication(Method.SEND, OUT.data)),
                seen(SERVER, NODE, indication(Method.DATA, IN.data)),
                BOUND,
                seen(NODE, SERVER, pack(0x4001, OUT.data)),
                seen(SERVER, NODE, pack(0x4001, IN.data, padded=True)),
            ]
        )
    )
    assert opened == [ALLOCATED, OUT, IN, BOUND, OUT, IN]


@pytest.mark.parametrize(
    "alone",
    [
        seen(NODE, SERVER, pack(0x4002, b"of no channel")),
        seen(NODE, PEER, pack(0x4001, b"to somebody else")),
        seen(SERVER, NODE, pack(0x4001, b"cut off")[:-3]),
        seen(SERVER, NODE, indication(Method.DATA, b"\x80 cut off")[:-4]),
        seen(PEER, NODE, indication(Method.DATA, b"\x80 of another server")),
        seen(NODE, SERVER, b"INVITE sip:anna@example.com SIP/2.0\r\n"),
    ],
)
def test_everything_else_stays_as_it_is(alone: Seen) -> None:
    assert list(Relays().opened([ALLOCATED, BOUND, alone])) == [ALLOCATED, BOUND, alone]
    assert list(Relays().opened([alone])) == [alone]
