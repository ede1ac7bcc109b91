"""ChannelData, and messages cut out of a stream."""

from __future__ import annotations

import pytest

from voipnode.media.errors import ParseError
from voipnode.media.stun.message import Kind, Method, build
from voipnode.media.turn.channel_data import Framer, is_channel_data, pack, unpack

MESSAGES = [
    pack(0x4000, b"sound", padded=True),
    build(Method.BINDING, Kind.REQUEST, bytes(12), ()),
    pack(0x4FFF, b"", padded=True),
    pack(0x4001, b"1234", padded=True),
]


def test_a_message_is_padded_on_streams_alone() -> None:
    assert pack(0x4000, b"sound") == b"\x40\x00\x00\x05sound"
    assert MESSAGES[0] == b"\x40\x00\x00\x05sound\0\0\0"
    assert unpack(MESSAGES[0]) == (0x4000, b"sound")
    assert is_channel_data(MESSAGES[0])
    assert not is_channel_data(MESSAGES[1])


@pytest.mark.parametrize("message", [b"", b"\x40\x00", b"\x40\x00\x00\x05soun"])
def test_a_short_message_is_refused(message: bytes) -> None:
    with pytest.raises(ParseError):
        unpack(message)


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_a_stream_is_cut_the_same_however_it_arrives(size: int) -> None:
    framer, stream, found = Framer(), b"".join(MESSAGES), []
    for at in range(0, len(stream), size):
        found += framer.feed(stream[at : at + size])
    assert found == MESSAGES


@pytest.mark.parametrize("start", [b"HTTP", b"\x80\x00\x00\x00", b"\x40\x00\xff\xff", b"\x00\x01\xff\xfc"])
def test_what_is_neither_ends_the_stream(start: bytes) -> None:
    with pytest.raises(ParseError):
        Framer().feed(start)
