"""ChannelData, TURN's short frame for media (RFC 8656 §12.4), and both kinds of message cut out of a byte stream."""

from __future__ import annotations

from voipnode.media.errors import ParseError

FIRST_CHANNEL, LAST_CHANNEL = 0x4000, 0x4FFF
HEADER_BYTES = 4
_STUN_HEADER_BYTES = 20
MAX_MESSAGE_BYTES = 4096  # on a stream: more than any datagram of media, or any STUN message, needs


def is_channel_data(data: bytes) -> bool:
    """Tell ChannelData from what shares its port (RFC 7983 §7)."""
    return len(data) >= HEADER_BYTES and 64 <= data[0] < 80


def pack(channel: int, data: bytes, *, padded: bool = False) -> bytes:
    """A ChannelData message; `padded` to whole words, as streams need it (§12.5)."""
    padding = bytes(-len(data) % 4) if padded else b""
    return channel.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data + padding


def unpack(message: bytes) -> tuple[int, bytes]:
    """Channel and data. Raises `ParseError` where it is shorter than it says (§12.6); padding is left out."""
    end = HEADER_BYTES + int.from_bytes(message[2:4], "big")
    if len(message) < max(end, HEADER_BYTES):
        raise ParseError("a ChannelData message is shorter than it says")
    return int.from_bytes(message[:2], "big"), message[HEADER_BYTES:end]


class Framer:
    """Cuts a TCP or TLS stream from a TURN server into STUN and ChannelData messages (RFC 8656 §12.5, §12.6)."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are now complete. Raises `ParseError` where neither kind begins: the stream is lost."""
        self._held += data
        found: list[bytes] = []
        at = 0
        while len(self._held) - at >= HEADER_BYTES:
            size = self._size(at)
            if len(self._held) - at < size:
                break
            found.append(bytes(self._held[at : at + size]))
            at += size
        del self._held[:at]
        return found

    def _size(self, at: int) -> int:
        length = int.from_bytes(self._held[at + 2 : at + 4], "big")
        first = self._held[at]
        if first < 4:
            size = _STUN_HEADER_BYTES + length
        elif 64 <= first < 80:
            size = HEADER_BYTES + length + -length % 4
        else:
            raise ParseError("neither STUN nor ChannelData")
        if size > MAX_MESSAGE_BYTES:
            raise ParseError(f"a message of {size} bytes")
        return size
