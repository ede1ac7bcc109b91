"""Cuts a byte stream into SIP messages by their Content-Length (RFC 3261 §18.3), and keep-alives (RFC 5626 §3.5.1).

However the bytes are split on their way, the same messages come out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.message import (
    MAX_MESSAGE_BYTES,
    Message,
    Request,
    Response,
    parse_head,
    read_content_length,
)

_CRLF = b"\r\n"
_END_OF_HEAD = b"\r\n\r\n"


class KeepAlive(Enum):
    """A keep-alive of RFC 5626 §3.5.1. A lone CRLF is a PONG, and is reported at once since nothing need follow it;
    when a second one follows, the two were a PING, to be answered with one CRLF: PONG, then PING come out."""

    PING = "ping"
    PONG = "pong"


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much of one message is held: its head with the empty line, and all of it."""

    max_head_bytes: int = 32768
    max_message_bytes: int = MAX_MESSAGE_BYTES


class StreamFramer:
    """One direction of one connection: `receive` bytes, then take `next_message` until it gives None.

    Holds at most the limits and what one `receive` brings.
    """

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self._limits = limits or StreamLimits()
        self._buffer = bytearray()
        self._searched = 0  # no end of a head begins before this offset
        self._half_ping = False
        # Of the message that the buffer begins with, once it is complete; an error where only its start line is bad.
        self._head: Request | Response | ParseError | None = None
        self._body_at = 0
        self._body_bytes = 0
        self.failed = False
        """True once the stream cannot be framed any further: close the connection."""

    @property
    def holds_part(self) -> bool:
        """Whether a message has begun that is not complete; asked when `next_message` has given None."""
        return bool(self._buffer)

    def receive(self, data: bytes) -> None:
        """Take in any piece of the stream; ignored after a failure."""
        if not self.failed:
            self._buffer += data

    def next_message(self) -> Request | Response | KeepAlive | None:
        """The next whole message or keep-alive; None while more bytes are needed, and after a failure.

        Raises ParseError. With `failed` set the stream is lost (no, contradictory or excessive Content-Length, a head
        that cannot be cut): answer `partial` where there is one, then close. Without it only that one message is
        bad, and the next can be taken.
        """
        if self._head is None:
            keep_alive = self._take_keep_alive()
            if keep_alive is not None:
                return keep_alive
            self._head = self._take_head()
            if self._head is None:
                return None
        end = self._body_at + self._body_bytes
        if len(self._buffer) < end:
            return None
        raw, head = bytes(self._buffer[:end]), self._head
        del self._buffer[:end]
        self._searched = 0
        self._head = None
        if isinstance(head, ParseError):
            raise head
        head.set_received(raw[self._body_at :], raw)
        return head

    def end_keep_alive(self) -> None:
        """The line end that was reported as a PONG was one: what follows it is not the second half of a PING."""
        self._half_ping = False

    def _take_keep_alive(self) -> KeepAlive | None:
        if self._buffer.startswith(_CRLF):
            del self._buffer[:2]
            self._searched = 0
            self._half_ping = not self._half_ping
            return KeepAlive.PONG if self._half_ping else KeepAlive.PING
        if self._buffer and self._buffer != b"\r":
            self._half_ping = False
        return None

    def _take_head(self) -> Request | Response | ParseError | None:
        """The head that the buffer begins with, having noted the size of its body; None while it is not complete."""
        end = self._buffer.find(_END_OF_HEAD, self._searched, self._limits.max_head_bytes)
        if end < 0:
            if len(self._buffer) >= self._limits.max_head_bytes:
                raise self._fail(ParseError("header too large", status=513))
            self._searched = max(0, len(self._buffer) - len(_END_OF_HEAD) + 1)
            return None
        head: Request | Response | ParseError
        message: Message
        try:
            head = message = parse_head(bytes(self._buffer[:end]))
        except ParseError as error:
            if error.partial is None:
                raise self._fail(error) from error
            head, message = error, error.partial
        self._body_at = end + len(_END_OF_HEAD)
        self._body_bytes = self._content_length(message)
        return head

    def _content_length(self, message: Message) -> int:
        try:
            length = read_content_length(message.headers, required=True) or 0
        except ParseError as error:
            raise self._fail(ParseError(error.reason, partial=message)) from error
        if self._body_at + length > self._limits.max_message_bytes:
            raise self._fail(ParseError("message too large", status=513, partial=message))
        return length

    def _fail(self, error: ParseError) -> ParseError:
        self.failed = True
        self._buffer.clear()
        return error
