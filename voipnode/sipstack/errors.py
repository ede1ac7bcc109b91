"""The error tree of the SIP stack.

Time-outs, a busy peer, a lost connection are events, not exceptions (see `events`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voipnode.sipstack.message import Message


class SipError(Exception):
    """Anything the SIP stack raises on purpose."""


class RemoteError(SipError):
    """The far side sent something that cannot be served; carries the status code to answer with.

    `status` is the SIP status code (RFC 3261 §21), `reason` the phrase to send,
    `headers` extra header fields the answer must carry (for example Allow with 405).
    """

    def __init__(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.headers = headers


class ParseError(RemoteError):
    """Bytes that are not what their grammar says; the only exception that parsing lets escape.

    `partial` is what could be read of the message, so that a 400 can still be addressed; None when not even
    a start line and a Via could be made out.
    """

    def __init__(self, reason: str, *, status: int = 400, partial: Message | None = None) -> None:
        super().__init__(status, reason)
        self.partial = partial


class LocalError(SipError):
    """The caller's own mistake: a command that the present state does not allow, a value out of range."""
