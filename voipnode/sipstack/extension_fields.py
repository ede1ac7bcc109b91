"""The header fields of reliable provisional responses and of session timers: RSeq, RAck, Session-Expires, Min-SE.

RFC 3262 §7, RFC 4028 §4 and §5. What is malformed raises ParseError (400).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.fields import parse_delta_seconds
from voipnode.sipstack.grammar import is_token, parse_number
from voipnode.sipstack.headers import MAX_CSEQ
from voipnode.sipstack.message import Message
from voipnode.sipstack.params import EMPTY, Params

MAX_RSEQ = 2**32 - 1  # RFC 3262 §7.1


class RAck(NamedTuple):
    """What a PRACK acknowledges: the RSeq and the CSeq of a provisional response (RFC 3262 §7.2)."""

    rseq: int
    cseq: int
    method: str

    @classmethod
    def parse(cls, text: str) -> RAck:
        """Raises ParseError for anything but two numbers and a method."""
        words = text.split()
        if len(words) != 3 or not is_token(words[2]):
            raise ParseError("malformed RAck")
        return cls(parse_number(words[0], MAX_RSEQ, "RAck"), parse_number(words[1], MAX_CSEQ, "RAck"), words[2])

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq} {self.method}"


class Refresher(StrEnum):
    """Who refreshes: the UAC or the UAS of the request that the field stands in (RFC 4028 §4)."""

    UAC = "uac"
    UAS = "uas"


class SessionExpires(NamedTuple):
    """A Session-Expires value: the session interval in seconds, and who refreshes (None: not said)."""

    interval_s: int
    refresher: Refresher | None = None

    @classmethod
    def parse(cls, text: str) -> SessionExpires:
        """Raises ParseError for no number; a refresher that is neither uac nor uas counts as not said."""
        interval_s, params = _seconds(text)
        refresher = (params.get("refresher") or "").lower()
        return cls(interval_s, Refresher(refresher) if refresher in ("uac", "uas") else None)

    def __str__(self) -> str:
        return f"{self.interval_s};refresher={self.refresher}" if self.refresher else str(self.interval_s)


def rseq_of(message: Message) -> int | None:
    """The RSeq of a response, None where it has none."""
    value = message.headers.first("rseq")
    return None if value is None else parse_number(value, MAX_RSEQ, "RSeq")


def rack_of(message: Message) -> RAck:
    """The RAck of a PRACK, which must have one."""
    value = message.headers.first("rack")
    if value is None:
        raise ParseError("no RAck")
    return RAck.parse(value)


def session_expires_of(message: Message) -> SessionExpires | None:
    value = message.headers.first("session-expires")
    return None if value is None else SessionExpires.parse(value)


def min_se_of(message: Message) -> int | None:
    """The Min-SE in seconds, None where there is none."""
    value = message.headers.first("min-se")
    return None if value is None else _seconds(value)[0]


def has_option(values: list[str], tag: str) -> bool:
    """Whether an option tag stands in a Supported or Require; tags are compared without regard to case."""
    return any(value.lower() == tag for value in values)


def _seconds(text: str) -> tuple[int, Params]:
    number, semicolon, tail = text.partition(";")
    return parse_delta_seconds(number.strip()), Params.parse(semicolon + tail) if semicolon else EMPTY
