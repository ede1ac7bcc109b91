"""The fields of event notification: Event and Subscription-State (RFC 6665 §8.4), and sipfrag bodies (RFC 3420)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from voipnode.sipstack.errors import ParseError, RemoteError
from voipnode.sipstack.fields import Item, parse_delta_seconds
from voipnode.sipstack.message import Request

SIPFRAG = "message/sipfrag"
SIPFRAG_TYPE = "message/sipfrag;version=2.0"

_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]*))?(?:\r?\n|$)")
MAX_REASON_CHARS = 128


class EventField(NamedTuple):
    """An Event value: the package in lower case, and the id that tells those of one dialog apart ("" = none)."""

    package: str
    id: str = ""

    @classmethod
    def of(cls, request: Request) -> EventField:
        """The Event of a SUBSCRIBE or NOTIFY; RemoteError 489 where there is none (RFC 6665 §4.2.1.1, §8.2.1)."""
        text = request.headers.get("Event")
        if text is None:
            raise RemoteError(489, "Bad Event")
        item = Item.parse(text)
        return cls(item.value.lower(), item.params.get("id") or "")

    def __str__(self) -> str:
        return f"{self.package};id={self.id}" if self.id else self.package


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """A Subscription-State value: `state` "active", "pending", "terminated" or another word, in lower case.

    `expires_s` and `retry_after_s` are None where they are not given.
    """

    state: str
    expires_s: int | None = None
    reason: str = ""
    retry_after_s: int | None = None

    @classmethod
    def of(cls, request: Request) -> SubscriptionState:
        """Raises ParseError where a NOTIFY lacks it, or it is malformed (RFC 6665 §4.1.3: it MUST be there)."""
        text = request.headers.get("Subscription-State")
        if text is None:
            raise ParseError("no Subscription-State")
        item = Item.parse(text)
        expires, retry_after = item.params.get("expires"), item.params.get("retry-after")
        return cls(
            item.value.lower(),
            None if expires is None else parse_delta_seconds(expires),
            (item.params.get("reason") or "").lower(),
            None if retry_after is None else parse_delta_seconds(retry_after),
        )

    @property
    def terminated(self) -> bool:
        return self.state == "terminated"

    def __str__(self) -> str:
        parts = [self.state]
        if self.expires_s is not None:
            parts.append(f"expires={self.expires_s}")
        if self.reason:
            parts.append(f"reason={self.reason}")
        if self.retry_after_s is not None:
            parts.append(f"retry-after={self.retry_after_s}")
        return ";".join(parts)


def sipfrag(status: int, reason: str) -> bytes:
    """The smallest body that says how a reference goes: a status line (RFC 3515 §2.4.5)."""
    return f"SIP/2.0 {status} {reason}\r\n".encode()


def parse_sipfrag(body: bytes) -> tuple[int, str]:
    """Status and reason of the status line that the body begins with; ParseError where it begins with none."""
    match = _STATUS_LINE.match(body)
    if match is None:
        raise ParseError("no status line in the sipfrag")
    return int(match[1]), (match[2] or b"").decode("utf-8", "replace")[:MAX_REASON_CHARS]
